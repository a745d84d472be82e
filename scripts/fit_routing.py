#!/usr/bin/env python3
"""Fit the scorer's weights: `uv run python scripts/fit_routing.py --data ../shared/routing/dev [--write]`.

Reads sets of prompts with the results of a weak and a strong model on each (`*.jsonl.gz`), prompts labelled
with tiers (`tiers.jsonl.gz`) and our own (routing_prompts.toml). Prints a cross-validation that leaves out
whole sets, task families and languages; with --write replaces weights.toml in the package.

- Score: ridge regression of the strong model's gain over all others, each set standardised and weighted by
  the root of its size, shrunk towards PRIOR instead of zero (three sets know little about what is in none of
  them). Every task family has an intercept of its own that is thrown away: what sets a family apart, be it a
  format or a strong model that fails on it, would otherwise be laid on the signals that it happens to show.
  Our own prompts, in many languages, are one more set, whose gain is that the tier is one of the two higher
  ones; it weighs little. Platt-calibrated over the sets, a score is a chance of needing the strong model.
- Tiers: softmax regression over the same signals.

Tried without success on what is left out: single words and pairs of them (they raise what is seen of sets
that are known), boosted trees, the weak model's failures mixed into the gain, forty more shapes of text.

Everything is deterministic: no randomness but the folds' fixed seed.
"""

from __future__ import annotations

import argparse
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from routing_corpus import BROKEN, OWN, Array, Corpus, apgr, family_of, read
from smart_router.routing.config import load_defaults
from smart_router.routing.decision import TIERS
from smart_router.routing.prompt_text import plain
from smart_router.routing.scoring import FOLLOW_UP
from smart_router.routing.signals import Reading, counted_words, measure

HERE = Path(__file__).parent
PACKAGE = HERE.parent / "addon" / "smart_router" / "routing"
ABSENT: Reading = (0.0, "")

# What we expect of a signal of typical strength before seeing data; measured strengths are standardised.
PRIOR = {
    "length": 0.12, "proof": 0.1, "maths": 0.06, "code": 0.08, "law": 0.06, "ethics": 0.06, "medicine": 0.03,
    "science": 0.05, "analysis": 0.06, "systems": 0.05, "design": 0.05, "step_by_step": 0.06, "long": 0.04,
    "word_problem": 0.06, "short": -0.06, "fact": -0.08, "greeting": -0.06, "quick_task": -0.06,
    "search_query": -0.08, "question": -0.04, "repetition": 0.05, "commas": 0.05, "number_share": 0.03,
    "long_words": 0.03, "debugging": 0.05, "constraints": 0.04, "depth": 0.03, "agentic": 0.04,
    "sentences": 0.03, "creative": -0.05, "explain": -0.04, "relations": 0.06,
}  # fmt: skip
SHRINK_SCORE, SHRINK_FAMILIES, SHRINK_TIERS = 2000.0, 25.0, 2.0
OWN_IN_SCORE = 0.05  # the weight of our own prompts together, against that of a set of as many
OWN_IN_TIERS, FAMILY_CAP = 6.0, 10.0  # of one of our own prompts; of all prompts of a task family together

# Signals that prompts without a conversation never show: set by hand. An agent's turn is rarely trivial.
BY_HAND = {
    "tools": {"score": 0.1, "SIMPLE": -0.5, "COMPLEX": 0.3},
    "tool_turns": {"score": 0.05, "SIMPLE": -0.3, "COMPLEX": 0.2},
    "images": {"score": 0.1, "SIMPLE": -0.3, "MEDIUM": 0.2},
    "turns": {"score": 0.02},
    "output_format": {"score": 0.02, "MEDIUM": 0.2},
}


def features(corpus: Corpus) -> tuple[list[str], Array]:
    """Names of the signals, and their values: prompts by signals."""
    lexicon = load_defaults().lexicon
    prompts = [plain(text) for text in corpus.texts]
    readings = [measure(prompt, counted_words(prompt), lexicon) for prompt in prompts]
    names = sorted({name for reading in readings for name in reading} - {FOLLOW_UP})
    return names, np.array([[reading.get(name, ABSENT)[0] for name in names] for reading in readings])


class ScoreFit:
    """The score's regression over the signals."""

    def __init__(self, corpus: Corpus, names: list[str], values: Array) -> None:
        self.corpus = corpus
        self.spread = np.maximum(values.std(0), 0.05)
        self.matrix = np.c_[values / self.spread, np.ones(len(values))]
        self.prior = np.array([PRIOR.get(name, 0.0) for name in names] + [0.0])
        kinds = np.array(
            [f"{set_}/{family}" for set_, family in zip(corpus.sets, corpus.families, strict=True)]
        )
        self.families = (kinds[:, None] == np.unique(kinds)).astype(float)
        self.shrink = np.r_[
            np.full(len(names), SHRINK_SCORE), 0.01, np.full(self.families.shape[1], SHRINK_FAMILIES)
        ]

    def fit(self, train: NDArray[np.bool_]) -> Array:
        """Coefficients of the gain, from the training rows."""
        target, weight = self._target(train)
        rows = np.flatnonzero(weight)
        a = np.c_[self.matrix, self.families][rows] * np.sqrt(weight[rows])[:, None]
        residual = (target - self.matrix @ self.prior)[rows] * np.sqrt(weight[rows])
        change = np.linalg.solve(a.T @ a + np.diag(self.shrink), a.T @ residual)
        return np.asarray(change[: len(self.prior)] + self.prior)

    def _target(self, train: NDArray[np.bool_]) -> tuple[Array, Array]:
        corpus = self.corpus
        target, weight = np.zeros(len(train)), np.zeros(len(train))
        for set_ in (*corpus.scored_sets, OWN):
            own = set_ == OWN
            gain = (corpus.tier >= 2).astype(float) if own else corpus.gain
            rows = train & (corpus.sets == set_) & (corpus.families != BROKEN)
            if rows.any():
                target[rows] = (gain[rows] - gain[rows].mean()) / gain[rows].std()
                weight[rows] = (OWN_IN_SCORE if own else 1) * 60 / np.sqrt((corpus.sets == set_).sum())
        return target, weight

    def calibrate(self, z: Array, train: NDArray[np.bool_]) -> tuple[float, float]:
        """Slope and offset of the log odds of needing the strong model, every set counting the same."""
        corpus = self.corpus
        rows = train & (corpus.families != BROKEN)
        groups = np.where(np.isnan(corpus.weak), "tiers", corpus.sets)[rows]
        _, which, counts = np.unique(groups, return_inverse=True, return_counts=True)
        weight = 1 / counts[which]
        x, y = np.c_[z, np.ones(len(z))][rows], corpus.needed[rows].astype(float)
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
    own = corpus.sets == OWN
    weight[own] *= OWN_IN_TIERS
    for family in set(corpus.families[~own]):
        rows = (corpus.families == family) & ~own
        weight[rows] *= min(1.0, FAMILY_CAP / max(weight[rows].sum(), 1e-9))
    return np.asarray(weight)


def choose(p: Array) -> NDArray[np.int64]:
    """As rules.py does it."""
    above = np.c_[p[:, 2] + p[:, 3], p[:, 3], np.zeros((len(p), 2))]
    return np.asarray(np.argmax(p - load_defaults().undershoot * above, 1))


def left_out(corpus: Corpus, fit: ScoreFit, outs: list[NDArray[np.bool_]]) -> Array:
    """The chance of needing the strong model, each prompt's by a fit that saw none of its group in `outs`."""
    alike = np.array([family_of(family) for family in corpus.families])
    score = np.full(len(corpus.texts), np.nan)
    for out in outs:
        kin = (corpus.sets == "labelled") & np.isin(alike, alike[out])
        train = ~out & ~kin
        z = fit.matrix @ fit.fit(train)
        slope, offset = fit.calibrate(z, train)
        score[out] = 1 / (1 + np.exp(-slope * z[out] - offset))
    return score


def ways_to_leave_out(corpus: Corpus) -> dict[str, list[NDArray[np.bool_]]]:
    """What is left out together, by the name of the way."""
    results = ~np.isnan(corpus.weak)
    names = sorted(set(corpus.families[results]))
    shuffled = np.random.default_rng(0).permutation(len(names)) % 6
    fold = dict(zip(names, shuffled, strict=True))
    folds = np.array([fold.get(family, -1) for family in corpus.families])
    tenths = np.arange(len(results)) % 10
    return {
        "whole sets left out": [corpus.sets == set_ for set_ in corpus.scored_sets],
        "task families left out": [results & (folds == k) for k in range(6)],
        "tenths left out": [results & (tenths == k) for k in range(10)],
    }


def cross_validate_score(corpus: Corpus, fit: ScoreFit) -> None:
    rows = [corpus.sets == set_ for set_ in corpus.scored_sets]
    print(f"APGR{'':24}" + "".join(f"{set_:>17}" for set_ in corpus.scored_sets) + f"{'macro':>8}")
    for way, outs in ways_to_leave_out(corpus).items():
        score = left_out(corpus, fit, outs)
        macro, spread = _macro(corpus, score, rows)
        per_set = [apgr(score[r], corpus.weak[r], corpus.strong[r]) for r in rows]
        print(f"  {way:26}" + "".join(f"{v:17.3f}" for v in per_set) + f"{macro:8.3f} ± {spread:.3f}")
        if way == "whole sets left out":
            reliability = [_reliability(set_, corpus, score) for set_ in corpus.scored_sets]
    print("Needed the strong model, by score (whole sets left out; share foretold → share found)")
    print("\n".join(reliability))


def _macro(corpus: Corpus, score: Array, sets: list[NDArray[np.bool_]]) -> tuple[float, float]:
    """Mean APGR of the sets, and its standard error by drawing prompts anew."""
    rng = np.random.default_rng(0)
    rows = [np.flatnonzero(set_) for set_ in sets]
    drawn = [[rng.choice(row, len(row)) for row in rows] for _ in range(100)]
    means = [
        np.mean([apgr(score[r], corpus.weak[r], corpus.strong[r]) for r in some]) for some in (rows, *drawn)
    ]
    return float(means[0]), float(np.std(means[1:]))


def _reliability(set_: str, corpus: Corpus, score: Array) -> str:
    rows = np.flatnonzero((corpus.sets == set_) & (corpus.families != BROKEN))
    thirds = np.array_split(rows[np.argsort(score[rows])], 3)
    pairs = [f"{score[third].mean():.2f} → {corpus.needed[third].mean():.2f}" for third in thirds]
    return f"  {set_:26}" + "".join(f"{pair:>17}" for pair in pairs)


def cross_validate_tiers(corpus: Corpus, values: Array) -> None:
    labelled = corpus.sets == "labelled"
    alike = np.array([family_of(family) for family in corpus.families])
    known = corpus.tier >= 0

    def report(name: str, rows: NDArray[np.bool_], outs: list[NDArray[np.bool_]]) -> None:
        chosen = np.full(len(known), -1)
        for out in outs:
            w = fit_tiers(values, corpus.tier, tier_weight(corpus, known & ~out))
            chosen[out] = choose(_softmax(np.c_[values[out], np.ones(out.sum())] @ w))
        true, chosen = corpus.tier[rows], chosen[rows]
        low = (true - chosen >= 2).mean()
        print(f"  {name:48} n {rows.sum():4}  right {(true == chosen).mean():.3f}  two too low {low:.3f}")

    print("Tiers")
    report("labelled prompts left out", labelled, [labelled])
    families = sorted(set(alike[labelled]))
    report(
        "labelled prompts and their task family left out",
        labelled,
        [(alike == f) | (labelled & (alike == f)) for f in families],
    )
    own = (corpus.sets == OWN) & (corpus.languages != "en")
    languages = [own & (corpus.languages == language) for language in sorted(set(corpus.languages[own]))]
    report("our prompts, their language left out", own, languages)


def write(names: list[str], fit: ScoreFit, score: Array, slope: float, offset: float, tiers: Array) -> None:
    """weights.toml."""
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
    names, values = features(corpus)
    fit = ScoreFit(corpus, names, values)
    cross_validate_score(corpus, fit)
    cross_validate_tiers(corpus, values)
    everything = np.ones(len(corpus.texts), bool)
    tiers = fit_tiers(values, corpus.tier, tier_weight(corpus, corpus.tier >= 0), steps=1500)
    score = fit.fit(everything)
    slope, offset = fit.calibrate(fit.matrix @ score, everything)
    if options.write:
        write(names, fit, score, slope, offset, tiers)


if __name__ == "__main__":
    main()
