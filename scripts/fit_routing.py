#!/usr/bin/env python3
"""Fit the scorer's weights: `uv run python scripts/fit_routing.py --data ../shared/routing/dev [--write]`.

Reads sets of prompts with the results of a weak and a strong model on each (`*.jsonl.gz`), prompts labelled
with tiers (`tiers.jsonl.gz`) and our own (routing_prompts.toml). Prints a cross-validation that leaves out
whole sets, task families and languages; with --write replaces weights.toml and words.tsv in the package.

- Score: ridge regression of the strong model's gain, each set standardised and weighted by the root of its
  size, shrunk towards PRIOR instead of zero (three sets know little about what is in none of them), then
  Platt-calibrated over the sets, so that a score is a chance of needing the strong model.
- Tiers: softmax regression over the named signals only; single words would learn the data sets' jargon.

Everything is deterministic: no randomness but the folds' fixed seed.
"""

from __future__ import annotations

import argparse
import gzip
import json
import tomllib
from collections import Counter, defaultdict
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from smart_router.routing.config import load_defaults
from smart_router.routing.decision import TIERS
from smart_router.routing.rules import FOLLOW_UP
from smart_router.routing.signals import counted_words, measure, word_norm
from smart_router.routing.text import plain

Array = NDArray[np.float64]

HERE = Path(__file__).parent
PACKAGE = HERE.parent / "addon" / "smart_router" / "routing"

# What we expect of a signal of typical strength before seeing data; measured strengths are standardised.
PRIOR = {
    "length": 0.12, "proof": 0.1, "maths": 0.06, "code": 0.08, "law": 0.06, "ethics": 0.06, "medicine": 0.03,
    "science": 0.05, "analysis": 0.06, "systems": 0.05, "design": 0.05, "step_by_step": 0.06, "long": 0.04,
    "word_problem": 0.06, "short": -0.06, "fact": -0.08, "greeting": -0.06, "quick_task": -0.06,
    "search_query": -0.08, "question": -0.04, "repetition": 0.05, "commas": 0.05, "number_share": 0.03,
    "long_words": 0.03, "debugging": 0.05, "constraints": 0.04, "depth": 0.03, "agentic": 0.04,
    "sentences": 0.03, "choice_of_numbers": 0.05, "creative": -0.05, "explain": -0.04,
}  # fmt: skip
SHRINK_NAMED, SHRINK_WORDS, SHRINK_TIERS = 1000.0, 40.0, 1.0
TIER_SET_WEIGHT = 0.1  # of the tier prompts in the score's fit, against a set of the same size
OWN_WEIGHT, FAMILY_CAP = 3.0, 40.0  # of one of our own prompts; of all prompts of a task family together
WORDS, WORD_COUNT, WORD_FAMILIES = 1500, 12, 4  # at most; each seen so often, in so many task families

# Signals that prompts without a conversation never show: set by hand. An agent's turn is rarely trivial.
BY_HAND = {
    "tools": {"score": 0.1, "SIMPLE": -0.5, "COMPLEX": 0.3},
    "tool_turns": {"score": 0.05, "SIMPLE": -0.3, "COMPLEX": 0.2},
    "images": {"score": 0.1, "SIMPLE": -0.3, "MEDIUM": 0.2},
    "turns": {"score": 0.02},
    "output_format": {"score": 0.02, "MEDIUM": 0.2},
    "words": {"score": 1.0},
}

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
    for language, tiers in tomllib.loads((HERE / "routing_prompts.toml").read_text("utf-8")).items():
        for name, prompts in tiers.items():
            for prompt in prompts:
                corpus.add(prompt, "own", f"own-{language}", language, nan, nan, TIERS.index(name), 1)
    return corpus.freeze()


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


def features(corpus: Corpus) -> tuple[list[str], Array, list[str], Array]:
    """Names and values of the signals, then the vocabulary and which words each prompt has (normalised)."""
    lexicon = load_defaults().lexicon
    prompts = [plain(text) for text in corpus.texts]
    words = [counted_words(prompt) for prompt in prompts]
    readings = [measure(prompt, cut, lexicon, {}) for prompt, cut in zip(prompts, words, strict=True)]
    names = sorted({name for reading in readings for name in reading} - {FOLLOW_UP})
    column = {name: i for i, name in enumerate(names)}
    named = np.zeros((len(prompts), len(names)), np.float32)
    for i, reading in enumerate(readings):
        for name, (value, _) in reading.items():
            if name in column:
                named[i, column[name]] = value
    distincts = [cut.distinct for cut in words]
    vocabulary = _vocabulary(corpus, distincts)
    column = {word: i for i, word in enumerate(vocabulary)}
    bag = np.zeros((len(prompts), len(vocabulary)), np.float32)
    for i, distinct in enumerate(distincts):
        for word in distinct & column.keys():
            bag[i, column[word]] = 1 / word_norm(len(distinct))
    return names, named, vocabulary, bag  # type: ignore[return-value]


def _vocabulary(corpus: Corpus, words: list[frozenset[str]]) -> list[str]:
    count: Counter[str] = Counter()
    families: defaultdict[str, set[str]] = defaultdict(set)
    for distinct, family, set_ in zip(words, corpus.families, corpus.sets, strict=True):
        if set_ not in ("own", "labelled"):
            count.update(distinct)
            for word in distinct:
                families[word].add(family)
    common = (
        word
        for word, n in sorted(count.items(), key=lambda pair: (-pair[1], pair[0]))
        if n >= WORD_COUNT and len(families[word]) >= WORD_FAMILIES and word.isalpha() and len(word) > 1
    )
    return [word for word, _ in zip(common, range(WORDS), strict=False)]


class ScoreFit:
    """The score's regression over named signals and words."""

    def __init__(self, corpus: Corpus, names: list[str], named: Array, bag: Array) -> None:
        self.corpus, self.names = corpus, names
        self.spread = np.maximum(named.std(0), 0.05)
        self.matrix = np.hstack([named / self.spread, bag, np.ones((len(named), 1))]).astype(np.float32)
        self.prior = np.zeros(self.matrix.shape[1])
        self.prior[: len(names)] = [PRIOR.get(name, 0.0) for name in names]
        self.shrink = np.r_[np.full(len(names), SHRINK_NAMED), np.full(bag.shape[1], SHRINK_WORDS), 0.01]

    def fit(self, train: NDArray[np.bool_]) -> Array:
        """Coefficients from the training rows."""
        target, weight = self._target(train)
        rows = np.flatnonzero(weight)
        root = np.sqrt(weight[rows])[:, None].astype(np.float32)
        a = self.matrix[rows] * root
        residual = (target - self.matrix @ self.prior)[rows, None].astype(np.float32) * root
        gram = (a.T @ a).astype(np.float64) + np.diag(self.shrink)
        return np.linalg.solve(gram, (a.T @ residual).astype(np.float64))[:, 0] + self.prior

    def _target(self, train: NDArray[np.bool_]) -> tuple[Array, Array]:
        corpus = self.corpus
        target, weight = np.zeros(len(train)), np.zeros(len(train))
        gain = corpus.strong - corpus.weak
        for set_ in corpus.scored_sets:
            rows = train & (corpus.sets == set_) & (corpus.families != BROKEN)
            if rows.any():
                target[rows] = (gain[rows] - gain[rows].mean()) / gain[rows].std()
                weight[rows] = 60 / np.sqrt((corpus.sets == set_).sum())
        rows = train & np.isin(corpus.sets, ("own", "labelled"))
        if rows.any():
            hard = np.array([0.0, 0.5, 1.5, 2.0])[corpus.tier[rows]]
            target[rows] = (hard - hard.mean()) / hard.std()
            weight[rows] = TIER_SET_WEIGHT * 60 / np.sqrt(rows.sum())
        return target, weight

    def calibrate(self, z: Array) -> tuple[float, float]:
        """Slope and offset of the log odds of needing the strong model, every set counting the same."""
        corpus = self.corpus
        needed = np.where(np.isnan(corpus.weak), corpus.tier >= 2, corpus.strong - corpus.weak >= 0.5)
        rows = corpus.families != BROKEN
        groups = np.where(np.isnan(corpus.weak), "tiers", corpus.sets)
        weight = np.array([1 / (groups[rows] == group).sum() for group in groups[rows]])
        x, y = np.c_[z, np.ones(len(z))][rows], needed[rows].astype(float)
        slope = np.zeros(2)
        for _ in range(30):  # Newton
            p = 1 / (1 + np.exp(-x @ slope))
            hessian = (x * (weight * p * (1 - p))[:, None]).T @ x
            slope += np.linalg.solve(hessian, x.T @ (weight * (y - p)))
        return float(slope[0]), float(slope[1])


def fit_tiers(x: Array, y: NDArray[np.int64], weight: Array, steps: int = 400) -> Array:
    """Softmax regression by accelerated gradient descent; the last row of the result is the bias."""
    rows = weight > 0
    x, weight = np.c_[x, np.ones(len(x))][rows], weight[rows][:, None]
    wanted = np.eye(len(TIERS))[y[rows]]
    shrink = np.r_[np.full(x.shape[1] - 1, SHRINK_TIERS), 0.01][:, None]
    step = 1 / (0.5 * np.linalg.norm(x.T @ (x * weight), 2) + SHRINK_TIERS)
    current = ahead = np.zeros((x.shape[1], len(TIERS)))
    momentum = 1.0
    for _ in range(steps):
        new = ahead - step * (x.T @ ((_softmax(x @ ahead) - wanted) * weight) + shrink * ahead)
        following = (1 + np.sqrt(1 + 4 * momentum**2)) / 2
        ahead = new + (momentum - 1) / following * (new - current)
        current, momentum = new, following
    return current


def _softmax(z: Array) -> Array:
    p = np.exp(z - z.max(1, keepdims=True))
    return np.asarray(p / p.sum(1, keepdims=True))


def tier_weight(corpus: Corpus, train: NDArray[np.bool_]) -> Array:
    """Weights for the tiers' fit: no task family outweighs the others."""
    weight = np.where(train, corpus.sure, 0.0)
    own = corpus.sets == "own"
    weight[own] *= OWN_WEIGHT
    for family in set(corpus.families[~own]):
        rows = (corpus.families == family) & ~own
        weight[rows] *= min(1.0, FAMILY_CAP / max(weight[rows].sum(), 1e-9))
    return np.asarray(weight)


def choose(p: Array) -> NDArray[np.int64]:
    """As rules.py does it."""
    above = np.c_[p[:, 2] + p[:, 3], p[:, 3], np.zeros((len(p), 2))]
    return np.asarray(np.argmax(p - load_defaults().undershoot * above, 1))


def apgr(score: Array, weak: Array, strong: Array) -> float:
    """Average performance gap recovered (RouteLLM, arXiv 2406.18665), ties in expectation: random is .5."""
    order = np.argsort(-score, kind="stable")
    ends = np.r_[np.nonzero(np.diff(score[order]))[0], len(score) - 1]
    share = np.r_[0.0, (ends + 1) / len(score)]
    gained = np.r_[0.0, np.cumsum((strong - weak)[order])[ends]]
    return float(np.trapezoid(gained, share) / gained[-1])


def cross_validate_score(corpus: Corpus, fit: ScoreFit) -> None:
    everything = np.ones(len(corpus.texts), bool)
    results = ~np.isnan(corpus.weak)
    names = sorted(set(corpus.families[results]))
    shuffled = np.random.default_rng(0).permutation(len(names)) % 6
    fold = dict(zip(names, shuffled, strict=True))
    ways = {
        "whole sets left out": [corpus.sets == set_ for set_ in corpus.scored_sets],
        "task families left out": [
            np.array([fold.get(family, -1) == k for family in corpus.families]) for k in range(6)
        ],
        "tenths left out": [(np.arange(len(everything)) % 10 == k) & results for k in range(10)],
    }
    print(f"APGR{'':24}" + "".join(f"{set_:>17}" for set_ in corpus.scored_sets) + f"{'macro':>8}")
    for way, outs in ways.items():
        score = np.full(len(everything), np.nan)
        for out in outs:
            score[out] = fit.matrix[out] @ fit.fit(~out)
        rows = [(corpus.sets == set_) & ~np.isnan(score) for set_ in corpus.scored_sets]
        values = [apgr(score[r], corpus.weak[r], corpus.strong[r]) for r in rows]
        print(f"  {way:26}" + "".join(f"{v:17.3f}" for v in values) + f"{np.mean(values):8.3f}")


def cross_validate_tiers(corpus: Corpus, named: Array) -> None:
    labelled = corpus.sets == "labelled"
    alike = np.array([family_of(family) for family in corpus.families])
    known = corpus.tier >= 0

    def report(name: str, rows: NDArray[np.bool_], outs: list[NDArray[np.bool_]]) -> None:
        chosen = np.full(len(known), -1)
        for out in outs:
            w = fit_tiers(named, corpus.tier, tier_weight(corpus, known & ~out))
            chosen[out] = choose(_softmax(np.c_[named[out], np.ones(out.sum())] @ w))
        true, chosen = corpus.tier[rows], chosen[rows]
        low = (true - chosen >= 2).mean()
        print(f"  {name:44} n {rows.sum():4}  right {(true == chosen).mean():.3f}  two too low {low:.3f}")

    print("Tiers")
    report("labelled prompts left out", labelled, [labelled])
    families = sorted(set(alike[labelled]))
    report(
        "labelled prompts and their task family left out",
        labelled,
        [(alike == f) | (labelled & (alike == f)) for f in families],
    )
    own = (corpus.sets == "own") & (corpus.languages != "en")
    languages = sorted(set(corpus.languages[own]))
    report(
        "our prompts, their language left out", own, [corpus.languages == language for language in languages]
    )


def write(
    names: list[str], fit: ScoreFit, score: Array, slope: float, offset: float, tiers: Array, words: list[str]
) -> None:
    """weights.toml and words.tsv."""
    lines = [
        "# Fitted by scripts/fit_routing.py, which says how. What a signal of strength 1 adds to the log",
        "# odds of the score and to each tier's logit; tables of your own override numbers.",
        "",
        "[routing.bias]",
        *_table(slope * score[-1] + offset, tiers[-1]),
    ]
    for i, name in enumerate(names):
        lines += ["", f"[routing.weights.{name}]", *_table(slope * score[i] / fit.spread[i], tiers[i])]
    for name, weights in BY_HAND.items():
        lines += ["", f"[routing.weights.{name}]  # by hand", *(f"{k} = {v}" for k, v in weights.items())]
    (PACKAGE / "weights.toml").write_text("\n".join(lines) + "\n", "utf-8")
    thousandths = np.rint(slope * score[len(names) : -1] * 1000).astype(int)
    pairs = sorted((word, n) for word, n in zip(words, thousandths, strict=True) if n)
    (PACKAGE / "words.tsv").write_text("".join(f"{word}\t{n}\n" for word, n in pairs), "utf-8")


def _table(score: float, tiers: Array) -> list[str]:
    pairs = zip(("score", *TIERS), (score, *tiers), strict=True)
    return [f"{name} = {value:.3f}" for name, value in pairs]


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--data", type=Path, default=HERE.parent.parent / "shared" / "routing" / "dev")
    parser.add_argument("--write", action="store_true", help="replace the package's weights")
    options = parser.parse_args()
    corpus = read(options.data)
    names, named, words, bag = features(corpus)
    fit = ScoreFit(corpus, names, named, bag)
    cross_validate_score(corpus, fit)
    cross_validate_tiers(corpus, named)
    score = fit.fit(np.ones(len(corpus.texts), bool))
    slope, offset = fit.calibrate(fit.matrix @ score)
    tiers = fit_tiers(named, corpus.tier, tier_weight(corpus, corpus.tier >= 0), steps=1500)
    if options.write:
        write(names, fit, score, slope, offset, tiers, words)


if __name__ == "__main__":
    main()
