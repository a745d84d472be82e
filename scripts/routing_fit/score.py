"""The score's three parts: a linear one in the signals, the words on what it leaves, and a curve a signal.

The curves are boosted trees of a single split each, summed by signal. Trees of eight leaves did no better.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from scipy.sparse.linalg import LinearOperator, cg
from sklearn.ensemble import HistGradientBoostingRegressor
from threadpoolctl import threadpool_limits

from routing_corpus import Array
from routing_fit.data import Data, Mask
from smart_router.routing.shapes import KINDS

PENALTY, KIND_PENALTY, INTERCEPT_PENALTY = 100.0, 10.0, 0.01
WORD_PENALTY, WORD_STEPS = 10.0, 25
SPLITS, RATE, FEWEST_ROWS, LEAF_PENALTY, SIGNALS_A_SPLIT = 400, 0.09, 60, 50.0, 0.5
CENTRED = 0.7
"""How much of its set's mean the curves' target is less: they are to tell prompts apart, not sets."""

LEAST_SPREAD = 0.02


@dataclass
class Parts:
    """The fitted parts, and what each gives every prompt."""

    coefficients: Array
    word_weights: Array
    boosted: HistGradientBoostingRegressor
    linear: Array
    words: Array
    curves: Array

    def score(self, train: Mask, words: float = 1.0, curves: float = 1.0) -> Array:
        """The parts' sum. `curves` is their spread on the training rows, that of the others being 1."""
        z = self.linear + words * self.words
        return np.asarray(z / spread_of(z[train]) + curves * self.curves / spread_of(self.curves[train]))


def spread_of(values: Array) -> float:
    """The standard deviation, by which a part is divided; 1 of a part that is constant."""
    return float(values.std()) or 1.0


def fit_score(data: Data, train: Mask) -> Parts:
    """Fit all parts on the training rows."""
    weight = data.weights(train)
    coefficients = _ridge(data, weight)
    linear = data.values @ coefficients[:-1] + coefficients[-1]
    words = _fit_words(data, weight, data.target - linear)
    with threadpool_limits(1):  # each split is a small task: threads cost more than they bring
        boosted = _boost(data, weight)
        curves = boosted.predict(data.values)
    return Parts(coefficients, words, boosted, linear, data.grams @ words, curves)


def _ridge(data: Data, weight: Array) -> Array:
    """Coefficients of the signals and the intercept."""
    spread = np.r_[np.maximum(data.values.std(0), LEAST_SPREAD), 1.0]
    penalties = [KIND_PENALTY if name in KINDS else PENALTY for name in data.names]
    rows = weight > 0
    a = np.c_[data.values, np.ones(len(weight))][rows] / spread
    weighted = (a * weight[rows, None]).T
    matrix = weighted @ a + np.diag([*penalties, INTERCEPT_PENALTY])
    return np.asarray(np.linalg.solve(matrix, weighted @ data.target[rows]) / spread)


def _fit_words(data: Data, weight: Array, left: Array) -> Array:
    """Weights of words and pairs by ridge regression on what is `left`."""
    rows = np.flatnonzero(weight)
    a, w = data.grams[rows], weight[rows]
    size = a.shape[1]
    if not size:
        return np.zeros(0)

    def times(v: Array) -> Array:
        return np.asarray(a.T @ (w * (a @ v)) + WORD_PENALTY * v)

    solved, _ = cg(LinearOperator((size, size), matvec=times), a.T @ (w * left[rows]), maxiter=WORD_STEPS)
    return np.asarray(solved)


def _boost(data: Data, weight: Array) -> HistGradientBoostingRegressor:
    rows = weight > 0
    target = data.target.copy()
    for name in set(data.corpus.sets[rows]):
        some = rows & (data.corpus.sets == name)
        target[some] -= CENTRED * target[some].mean()
    boosted = HistGradientBoostingRegressor(
        max_iter=SPLITS,
        max_leaf_nodes=2,
        learning_rate=RATE,
        min_samples_leaf=FEWEST_ROWS,
        l2_regularization=LEAF_PENALTY,
        max_features=SIGNALS_A_SPLIT,
        max_bins=64,
        early_stopping=False,
        random_state=0,
    )
    return boosted.fit(data.values[rows], target[rows], sample_weight=weight[rows])


def curves_of(parts: Parts, names: list[str]) -> dict[str, tuple[list[float], Array]]:
    """Each signal's steps, and what its curve gives between them."""
    splits: dict[str, list[tuple[float, float, float]]] = {}
    for (tree,) in parts.boosted._predictors:  # scikit-learn has no public way to read its trees
        nodes = tree.nodes
        if len(nodes) == 3:
            root, left, right = nodes[0], nodes[nodes[0]["left"]], nodes[nodes[0]["right"]]
            split = (float(root["num_threshold"]), float(left["value"]), float(right["value"]))
            splits.setdefault(names[root["feature_idx"]], []).append(split)
    return {name: _curve(splits[name]) for name in names if name in splits}


def _curve(splits: list[tuple[float, float, float]]) -> tuple[list[float], Array]:
    """The sum of one-step functions, each a threshold with the values up to it and above it."""
    steps = sorted({threshold for threshold, _, _ in splits})
    places = np.r_[steps, np.inf]
    return steps, sum((np.where(places <= at, low, high) for at, low, high in splits), np.zeros(len(places)))
