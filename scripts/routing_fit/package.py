"""Writes the fitted scorer as the package's data: weights.toml, curves.json and wording.txt."""

from __future__ import annotations

import json
from collections import defaultdict
from pathlib import Path

import numpy as np

from routing_corpus import Array
from routing_fit.data import Data
from routing_fit.score import Parts, curves_of, spread_of
from smart_router.routing.decision import TIERS
from smart_router.routing.scoring import PATTERN, WORDING

PACKAGE = Path(__file__).parents[2] / "addon" / "smart_router" / "routing"

MOST_WORDS = 14_000
"""Words and pairs that ship: the strongest, so that the package stays small."""

# Signals that prompts without a conversation never show: set by hand. An agent's turn is rarely trivial.
BY_HAND = {
    "tools": {"score": 0.1, "SIMPLE": -0.5, "COMPLEX": 0.3},
    "tool_turns": {"score": 0.05},  # no tier: a tool loop keeps that of the user's turn
    "images": {"score": 0.1, "SIMPLE": -0.3, "MEDIUM": 0.2},
    "turns": {"score": 0.02},
    "output_format": {"score": 0.02, "MEDIUM": 0.2},
}


def write(data: Data, parts: Parts, tiers: Array, folder: Path = PACKAGE) -> None:
    """Write all three files. A score of 0.5 is the weighted median of the prompts fitted on."""
    rows = data.learnable
    words = _strongest(data, parts.word_weights)
    plain = parts.linear + data.grams @ words
    by_plain, by_curve = 1 / spread_of(plain[rows]), 1 / spread_of(parts.curves[rows])
    unit = (plain * by_plain + parts.curves * by_curve)[rows].std()
    by_plain, by_curve = by_plain / unit, by_curve / unit
    z = plain * by_plain + parts.curves * by_curve
    median = _weighted_median(z[rows], data.weights(np.ones(len(z), bool))[rows])
    base = _write_curves(folder, data, parts, by_curve)
    _write_words(folder, data, words * by_plain)
    bias = parts.coefficients[-1] * by_plain + base - median
    _write_weights(folder, data.names, parts.coefficients[:-1] * by_plain, bias, tiers)


def _strongest(data: Data, weights: Array) -> Array:
    """The weights but for those that matter least: a word matters by its weight and how often it occurs."""
    if len(weights) <= MOST_WORDS:
        return weights
    matters = np.abs(weights) * np.sqrt(data.grams[data.learnable].getnnz(0))
    return np.where(matters >= np.sort(matters)[-MOST_WORDS], weights, 0.0)


def _weighted_median(values: Array, weights: Array) -> float:
    order = np.argsort(values)
    return float(values[order][np.searchsorted(np.cumsum(weights[order]), weights.sum() / 2)])


def _write_curves(folder: Path, data: Data, parts: Parts, scale: float) -> float:
    """Write the curves so that an absent signal adds nothing; returns what all prompts have in common."""
    curves = curves_of(parts, data.names)
    found = parts.curves[0] * scale
    lines = []
    for name, (steps, values) in curves.items():
        values = values * scale
        values -= values[np.searchsorted(steps, 0.0)]
        found -= values[np.searchsorted(steps, data.values[0, data.names.index(name)])]
        curve = {"at": [float(f"{step:.5g}") for step in steps], "adds": [round(1000 * v) for v in values]}
        lines.append(f"{json.dumps(name)}: {json.dumps(curve, separators=(',', ':'))}")
    (folder / "curves.json").write_text("{\n" + ",\n".join(lines) + "\n}\n", "utf-8")
    return float(found)


def _write_words(folder: Path, data: Data, weights: Array) -> None:
    by_weight = defaultdict(list)
    for gram, weight in zip(data.vocabulary, np.round(100 * weights).astype(int), strict=True):
        if weight:
            by_weight[weight].append(gram)
    lines = [f"{weight} {'|'.join(by_weight[weight])}\n" for weight in sorted(by_weight)]
    (folder / "wording.txt").write_text("".join(lines), "utf-8")


def _write_weights(folder: Path, names: list[str], score: Array, bias: float, tiers: Array) -> None:
    lines = [
        "# Fitted by scripts/fit_routing.py, which says how. What a signal of strength 1 adds to the log",
        "# odds of the score and to each tier's logit; tables of your own override numbers.",
        "",
        "[routing.bias]",
        *_table(bias, tiers[-1]),
    ]
    for i, name in enumerate(names):
        lines += ["", f"[routing.weights.{name}]", *_table(score[i], tiers[i])]
    for name in (WORDING, PATTERN):
        lines += ["", f"[routing.weights.{name}]  # {name}'s own table has the weights", "score = 1.0"]
    for name, weights in BY_HAND.items():
        lines += ["", f"[routing.weights.{name}]  # by hand", *(f"{k} = {v}" for k, v in weights.items())]
    (folder / "weights.toml").write_text("\n".join(lines) + "\n", "utf-8")


def _table(score: float, tiers: Array) -> list[str]:
    pairs = zip(("score", *TIERS), (score, *tiers), strict=True)
    return [f"{name} = {value:.3f}" for name, value in pairs]
