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
from collections import Counter, defaultdict
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from routing_corpus import BROKEN, Array, Corpus, apgr, family_of, read
from smart_router.routing.config import load_defaults
from smart_router.routing.decision import TIERS
from smart_router.routing.rules import FOLLOW_UP
from smart_router.routing.signals import counted_words, measure, word_norm
from smart_router.routing.text import plain

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
