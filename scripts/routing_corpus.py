"""The prompts that the scorer is fitted and measured on, and the measure."""

from __future__ import annotations

import gzip
import json
import tomllib
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from smart_router.routing.decision import TIERS

Array = NDArray[np.float64]

# The tier that a task family needs, and how sure that is. The longest matching start counts.
TASK_TIERS = {
    "natural_qa": ("SIMPLE", 1.0), "commonsense_qa": ("SIMPLE", 1.0), "arc_challenge": ("SIMPLE", 0.4),
    "miscellaneous": ("SIMPLE", 0.4), "gsm8k": ("MEDIUM", 1.0), "agentverse-mgsm": ("MEDIUM", 1.0),
    "mbpp": ("MEDIUM", 1.0), "commongen": ("MEDIUM", 1.0), "high_school": ("MEDIUM", 1.0),
    "elementary_mathematics": ("MEDIUM", 0.5), "professional": ("COMPLEX", 1.0), "college": ("COMPLEX", 0.4),
    "electrical_engineering": ("COMPLEX", 0.4), "machine_learning": ("COMPLEX", 0.4),
    "econometrics": ("COMPLEX", 0.4), "international_law": ("COMPLEX", 0.4),
    "jurisprudence": ("COMPLEX", 0.4),
    "math": ("REASONING", 1.0), "gpqa": ("REASONING", 1.0), "abstract_algebra": ("REASONING", 1.0),
    "formal_logic": ("REASONING", 1.0),
}  # fmt: skip

# The strong model's recorded results on this task are broken (3 % right, below chance): it would teach noise.
BROKEN = "high_school_mathematics"

OWN = "own"
"""What our own prompts are called as a set."""


class Results(NamedTuple):
    """How well models did on a prompt, 0 to 1."""

    weak: float
    strong: float
    gain: float


NO_RESULTS = Results(*[float("nan")] * 3)


@dataclass
class Corpus:
    """All prompts: parallel arrays. Results are nan where there are none, `tier` is -1 where none is known.

    `gain` is what the strong model does better than all others of its set on average, for a weak model's
    results are also chance and its own habits: measured is by that one pair, learned from the gain.
    """

    ids: list[str] = field(default_factory=list)
    texts: list[str] = field(default_factory=list)
    sets: Any = field(default_factory=list)
    families: Any = field(default_factory=list)
    languages: Any = field(default_factory=list)
    weak: Any = field(default_factory=list)
    strong: Any = field(default_factory=list)
    gain: Any = field(default_factory=list)
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

    @property
    def needed(self) -> NDArray[np.bool_]:
        """Whether the strong model did better; without results, whether the tier is COMPLEX or REASONING."""
        gained = np.nan_to_num(self.strong - self.weak) >= 0.5
        return np.asarray(np.where(np.isnan(self.weak), self.tier >= 2, gained))


def read(folder: Path) -> Corpus:
    """The sets, the labelled prompts and our own."""
    corpus = Corpus()
    for path in sorted(folder.glob("*.jsonl.gz")):
        with gzip.open(path, "rt", encoding="utf-8") as lines:
            for row in map(json.loads, lines):
                if path.name.startswith("tiers"):
                    task = row["source"].partition(":")[2] or row["source"]
                    set_, family, results = "labelled", family_of(task), NO_RESULTS
                    tier, sure = TIERS.index(row["tier"]), 1.0
                else:
                    set_, family, results = row["dataset"], row["task"], _results(row)
                    tier, sure = tier_of_task(row["task"])
                corpus.add(
                    row["id"],
                    row["prompt"],
                    results,
                    sets=set_,
                    families=family,
                    languages=row["lang"],
                    tier=tier,
                    sure=sure,
                )
    _read_own(corpus, OWN, "routing_prompts.toml")
    return corpus.freeze()


def _results(row: dict[str, Any]) -> Results:
    quality = {model: result["q"] for model, result in row["models"].items()}
    strong = quality[row["strong"]]
    others = [q for model, q in quality.items() if model != row["strong"]]
    return Results(quality[row["weak"]], strong, strong - sum(others) / len(others))


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


def tier_of_task(task: str) -> tuple[int, float]:
    best = max((name for name in TASK_TIERS if task.startswith(name)), key=len, default="")
    tier, sure = TASK_TIERS.get(best, (None, 0.0))
    return (TIERS.index(tier), sure) if tier else (-1, 0.0)  # type: ignore[arg-type]


def family_of(task: str) -> str:
    """Tasks that are alike, for leaving them out together."""
    for start, family in (
        ("high_school", "high_school"), ("professional", "professional"), ("college", "professional"),
        ("abstract_algebra", "logic"), ("formal_logic", "logic"), ("agentverse", "gsm8k"),
        ("speed", "routing"), ("cost", "routing"), ("accuracy", "routing"), ("balance", "routing"),
    ):  # fmt: skip
        if task.startswith(start):
            return family
    return task


def auroc(score: Array, positive: NDArray[np.bool_]) -> float:
    """How likely a positive scores above a negative."""
    above, below = score[positive][:, None], score[~positive]
    return float((above > below).mean() + (above == below).mean() / 2)


def apgr(score: Array, weak: Array, strong: Array) -> float:
    """Average performance gap recovered (RouteLLM, arXiv 2406.18665), ties in expectation: random is .5."""
    order = np.argsort(-score, kind="stable")
    ends = np.r_[np.nonzero(np.diff(score[order]))[0], len(score) - 1]
    share = np.r_[0.0, (ends + 1) / len(score)]
    gained = np.r_[0.0, np.cumsum((strong - weak)[order])[ends]]
    return float(np.trapezoid(gained, share) / gained[-1])
