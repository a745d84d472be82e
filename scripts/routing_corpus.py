"""The prompts that the scorer is fitted and measured on, and the measure."""

from __future__ import annotations

import gzip
import json
import tomllib
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

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


@dataclass
class Corpus:
    """All prompts: parallel arrays. `gain` is nan without results, `tier` -1 without a tier."""

    texts: list[str] = field(default_factory=list)
    sets: Any = field(default_factory=list)
    families: Any = field(default_factory=list)
    languages: Any = field(default_factory=list)
    weak: Any = field(default_factory=list)
    strong: Any = field(default_factory=list)
    tier: Any = field(default_factory=list)
    sure: Any = field(default_factory=list)

    def add(
        self,
        text: str,
        set_: str,
        family: str,
        language: str,
        weak: float,
        strong: float,
        tier: int,
        sure: float,
    ) -> None:
        self.texts.append(text)
        row = (set_, family, language, weak, strong, tier, sure)
        for column, value in zip(
            (self.sets, self.families, self.languages, self.weak, self.strong, self.tier, self.sure),
            row,
            strict=True,
        ):
            column.append(value)

    def freeze(self) -> Corpus:
        for name in ("sets", "families", "languages", "weak", "strong", "tier", "sure"):
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
    nan = float("nan")
    for path in sorted(folder.glob("*.jsonl.gz")):
        with gzip.open(path, "rt", encoding="utf-8") as lines:
            for row in map(json.loads, lines):
                if path.name.startswith("tiers"):
                    family = family_of(row["source"].partition(":")[2] or row["source"])
                    corpus.add(
                        row["prompt"], "labelled", family, row["lang"], nan, nan, TIERS.index(row["tier"]), 1
                    )
                else:
                    tier, sure = tier_of_task(row["task"])
                    weak, strong = (row["models"][row[who]]["q"] for who in ("weak", "strong"))
                    corpus.add(
                        row["prompt"], row["dataset"], row["task"], row["lang"], weak, strong, tier, sure
                    )
    _read_own(corpus, "own", "routing_prompts.toml")
    return corpus.freeze()


def read_probes() -> Corpus:
    """Prompts of ours that nothing is fitted on; as a set they are called `probes`."""
    corpus = Corpus()
    _read_own(corpus, "probes", "routing_probes.toml")
    return corpus.freeze()


def _read_own(corpus: Corpus, set_: str, file: str) -> None:
    nan = float("nan")
    for language, tiers in tomllib.loads((Path(__file__).parent / file).read_text("utf-8")).items():
        for name, prompts in tiers.items():
            for prompt in prompts:
                corpus.add(prompt, set_, f"{set_}-{language}", language, nan, nan, TIERS.index(name), 1)


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
