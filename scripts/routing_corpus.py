"""The prompts that the scorer is fitted and measured on, and the measure."""

from __future__ import annotations

import gzip
import json
import tomllib
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from smart_router.routing.decision import TIERS

Array = NDArray[np.float64]

DATA = [Path(__file__).parents[2] / "shared" / "routing" / name for name in ("dev", "dev2")]
"""Folders with sets of prompts, where they are kept beside the repository."""

OWN = "own"
"""The name of our own prompts as a set."""


class Results(NamedTuple):
    """The results of models on a prompt, 0 to 1: a weak and a strong one, and the average of either class."""

    weak: float
    strong: float
    weak_class: float
    strong_class: float


NO_RESULTS = Results(*[float("nan")] * 4)


@dataclass
class Corpus:
    """All prompts: parallel arrays. Results are nan where there are none, `tier` is -1 where none is known.

    The measure uses the one pair; the fit uses the classes where a set has them, as a single model's results
    depend on chance and on its own habits. `sure` is the certainty of a tier.
    """

    ids: list[str] = field(default_factory=list)
    texts: list[str] = field(default_factory=list)
    sets: Any = field(default_factory=list)
    families: Any = field(default_factory=list)
    languages: Any = field(default_factory=list)
    weak: Any = field(default_factory=list)
    strong: Any = field(default_factory=list)
    weak_class: Any = field(default_factory=list)
    strong_class: Any = field(default_factory=list)
    tier: Any = field(default_factory=list)
    sure: Any = field(default_factory=list)

    def add(self, id_: str, text: str, results: Results = NO_RESULTS, **columns: Any) -> None:
        """Add a prompt; `columns` are sets, families, languages, tier and sure."""
        self.ids.append(id_)
        self.texts.append(text)
        for name, value in (results._asdict() | columns).items():
            getattr(self, name).append(value)

    def freeze(self) -> Corpus:
        for name in (*Results._fields, "sets", "families", "languages", "tier", "sure"):
            setattr(self, name, np.array(getattr(self, name)))
        return self

    @property
    def scored_sets(self) -> list[str]:
        return sorted(set(self.sets[~np.isnan(self.weak)]))


def read(folders: Sequence[Path]) -> Corpus:
    """The sets, the prompts with tiers and our own."""
    corpus = Corpus()
    for path in (path for folder in folders for path in sorted(folder.glob("*.jsonl.gz"))):
        with gzip.open(path, "rt", encoding="utf-8") as lines:
            for number, row in enumerate(map(json.loads, lines)):
                _add_row(corpus, path.name.partition(".")[0], number, row)
    _read_own(corpus, OWN, "routing_prompts.toml")
    return corpus.freeze()


def _add_row(corpus: Corpus, file: str, number: int, row: dict[str, Any]) -> None:
    """Add a row of results, of a labelled prompt (`tiers`), or of one with its task's tier (`tiers2`)."""
    columns = {"languages": row["lang"], "tier": -1, "sure": 0.0}
    if not file.startswith("tiers"):
        columns |= {"sets": row["dataset"], "families": row["task"]}
        corpus.add(row["id"], row["prompt"], _results(row), **columns)
        return
    columns |= {"tier": TIERS.index(row["tier"]), "sure": row.get("weight", 1.0)}
    if "family" in row:
        columns |= {"sets": "tasks", "families": row["family"]}
    else:
        task = row["source"].partition(":")[2] or row["source"]
        columns |= {"sets": "labelled", "families": family_of(task)}
    corpus.add(row.get("id", f"{file}/{number}"), row["prompt"], **columns)


def _results(row: dict[str, Any]) -> Results:
    weak, strong = (row["models"][row[one]]["q"] for one in ("weak", "strong"))
    return Results(weak, strong, row.get("weak_class", weak), row.get("strong_class", strong))


def read_probes() -> Corpus:
    """Prompts of ours that nothing is fitted on; as a set they are called `probes`."""
    corpus = Corpus()
    _read_own(corpus, "probes", "routing_probes.toml")
    return corpus.freeze()


def _read_own(corpus: Corpus, set_: str, file: str) -> None:
    for language, tiers in tomllib.loads((Path(__file__).parent / file).read_text("utf-8")).items():
        for name, prompts in tiers.items():
            for prompt in prompts:
                corpus.add(
                    f"{set_}/{len(corpus.ids)}",
                    prompt,
                    sets=set_,
                    families=f"{set_}-{language}",
                    languages=language,
                    tier=TIERS.index(name),
                    sure=1.0,
                )


def family_of(task: str) -> str:
    """Tasks that are alike, for leaving them out together."""
    task = task.rstrip("/").rpartition("/")[2]
    for start, family in (
        ("high_school", "high_school"), ("professional", "professional"), ("college", "professional"),
        ("abstract_algebra", "logic"), ("formal_logic", "logic"), ("agentverse", "gsm8k"),
        ("speed", "routing"), ("cost", "routing"), ("accuracy", "routing"), ("balance", "routing"),
    ):  # fmt: skip
        if task.startswith(start):
            return family
    return "math" if "math" in task.lower() else task


def auroc(score: Array, positive: NDArray[np.bool_]) -> float:
    """The probability that a positive scores above a negative."""
    above, below = score[positive][:, None], score[~positive]
    return float((above > below).mean() + (above == below).mean() / 2)


def apgr(score: Array, weak: Array, strong: Array) -> float:
    """Average performance gap recovered (RouteLLM, arXiv 2406.18665), ties in expectation: random is .5."""
    order = np.argsort(-score, kind="stable")
    ends = np.r_[np.nonzero(np.diff(score[order]))[0], len(score) - 1]
    share = np.r_[0.0, (ends + 1) / len(score)]
    gained = np.r_[0.0, np.cumsum((strong - weak)[order])[ends]]
    return float(np.trapezoid(gained, share) / gained[-1])
