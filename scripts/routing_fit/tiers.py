"""The tiers: a softmax regression over the signals."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from routing_corpus import OWN, Array, Corpus
from routing_fit.data import Mask
from smart_router.routing.config import load_defaults
from smart_router.routing.decision import TIERS
from smart_router.routing.scoring import choose

SHRINK, SHRINK_BIAS = 3.0, 0.01
OWN_WEIGHT = 3.0
FAMILY_CAP, LABELLED_CAP = 12.0, 24.0
"""The most that all prompts of a task family weigh together, and the same of a family with labelled prompts.
"""


def fit_tiers(values: Array, tier: NDArray[np.int64], weight: Array, steps: int = 400) -> Array:
    """Softmax regression by accelerated gradient descent; the last row of the result is the bias."""
    rows = weight > 0
    x, weight = np.c_[values, np.ones(len(values))][rows], weight[rows][:, None]
    wanted = np.eye(len(TIERS))[tier[rows]]
    shrink = np.r_[np.full(x.shape[1] - 1, SHRINK), SHRINK_BIAS][:, None]
    step = 1 / (0.5 * np.linalg.norm(x.T @ (x * weight), 2) + SHRINK)
    current = ahead = np.zeros((x.shape[1], len(TIERS)))
    momentum = 1.0
    for _ in range(steps):
        new = ahead - step * (x.T @ ((_softmax(x @ ahead) - wanted) * weight) + shrink * ahead)
        following = (1 + np.sqrt(1 + 4 * momentum**2)) / 2
        ahead = new + (momentum - 1) / following * (new - current)
        current, momentum = new, following
    return current


def tier_weight(corpus: Corpus, train: Mask) -> Array:
    """Each prompt's weight in the fit: no task family outweighs the others."""
    weight = np.where(train, corpus.sure, 0.0)
    own = corpus.sets == OWN
    weight[own] *= OWN_WEIGHT
    for family in set(corpus.families[~own & (weight > 0)]):
        rows = (corpus.families == family) & ~own
        cap = LABELLED_CAP if (corpus.sets[rows] == "labelled").any() else FAMILY_CAP
        weight[rows] *= min(1.0, cap / weight[rows].sum())
    return np.asarray(weight)


def chosen_tiers(values: Array, weights: Array) -> NDArray[np.int64]:
    """The tiers that the router would choose."""
    chances = _softmax(np.c_[values, np.ones(len(values))] @ weights)
    undershoot = load_defaults().undershoot
    return np.array([choose(list(row), undershoot)[0] for row in chances])


def _softmax(z: Array) -> Array:
    p = np.exp(z - z.max(1, keepdims=True))
    return np.asarray(p / p.sum(1, keepdims=True))
