"""The signals and words of all prompts as matrices, and the target of the fit."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass
from functools import cached_property

import numpy as np
from numpy.typing import NDArray
from scipy.sparse import csr_matrix

from routing_corpus import OWN, Array, Corpus
from smart_router.dry_run import from_prompt
from smart_router.routing.config import load_defaults
from smart_router.routing.fitted import grams_of
from smart_router.routing.prompt_text import prompt_of
from smart_router.routing.scoring import FOLLOW_UP
from smart_router.routing.signals import counted_words, measure
from smart_router.routing.weighing import Reading

Mask = NDArray[np.bool_]

BROKEN = "high_school_mathematics"
"""The strong model's recorded results on this task are broken (3 % right, below chance): they are noise."""

REPEATED = "ze_gsm"
"""This set's prompts are those of another set."""

REFERENCE, REFERENCE_WEIGHT = ("rllm_gsm8k", "rllm_mmlu", "ulab_llmrouter"), 3.0
"""Sets in common use for comparing routers, and the factor of their weight."""

GAIN_SHARE = 0.75
"""The share of the strong models' gain in the target; the rest is the weak models' failure."""

UNIT = 0.45
"""The target's unit, about the spread of a gain."""

FOREIGN_WEIGHT = 10.0
"""The factor of the weight of our own prompts in other languages: nearly all sets are in English."""

OWN_GAIN = np.array([0.05, 0.2, 0.45, 0.55])
"""The assumed gain of our own prompts, by tier."""

FEWEST_PROMPTS = 6
"""A word or pair in fewer prompts has no weight of its own."""

_ABSENT: Reading = (0.0, "")


@dataclass
class Data:
    """All prompts: `values` are prompts by signals (`names`), `grams` prompts by words and pairs
    (`vocabulary`).
    """

    corpus: Corpus
    names: list[str]
    values: Array
    vocabulary: list[str]
    grams: csr_matrix

    @cached_property
    def learnable(self) -> Mask:
        """The rows that the score is fitted on."""
        corpus = self.corpus
        known = ~np.isnan(corpus.weak) & (corpus.sets != REPEATED) & (corpus.families != BROKEN)
        return np.asarray(known | (corpus.sets == OWN))

    @cached_property
    def sets(self) -> list[str]:
        """The sets with results, whose prompts are not those of another."""
        return [name for name in self.corpus.scored_sets if name != REPEATED]

    @cached_property
    def target(self) -> Array:
        """The need of a strong model; 0 where nothing is known."""
        corpus = self.corpus
        gain, failure = corpus.strong_class - corpus.weak_class, 1 - corpus.weak_class
        target = np.nan_to_num((GAIN_SHARE * gain + (1 - GAIN_SHARE) * failure) / UNIT)
        own = corpus.sets == OWN
        target[own] = OWN_GAIN[corpus.tier[own]] / UNIT
        return np.asarray(target)

    def weights(self, train: Mask) -> Array:
        """Each row's weight, 1 on average over the rows fitted on: a set counts by the root of its size."""
        weight = np.zeros(len(train))
        for name in (*self.sets, OWN):
            rows = train & self.learnable & (self.corpus.sets == name)
            if rows.any():
                weight[rows] = rows.sum() ** -0.5 * (REFERENCE_WEIGHT if name in REFERENCE else 1)
        weight[(self.corpus.sets == OWN) & (self.corpus.languages != "en")] *= FOREIGN_WEIGHT
        return np.asarray(weight * (weight > 0).sum() / weight.sum())


def measured(corpus: Corpus) -> Data:
    """Read the signals and the words of all prompts."""
    lexicon = load_defaults().lexicon
    readings, grams = [], []
    for text in corpus.texts:
        prompt = prompt_of(from_prompt(text))
        words = counted_words(prompt)
        readings.append(measure(prompt, words, lexicon))
        grams.append(grams_of(words))
    names = sorted({name for reading in readings for name in reading} - {FOLLOW_UP})
    values = np.array([[reading.get(name, _ABSENT)[0] for name in names] for reading in readings])
    results = ~np.isnan(corpus.weak) | (corpus.sets == OWN)
    return Data(corpus, names, values, *_matrix(grams, results))


def _matrix(grams: list[frozenset[str]], counted: Mask) -> tuple[list[str], csr_matrix]:
    """The words and pairs that enough of the `counted` prompts have, divided by the root of their number."""
    prompts: Counter[str] = Counter()
    for i in np.flatnonzero(counted):
        prompts.update(grams[i])
    vocabulary = sorted(gram for gram, number in prompts.items() if number >= FEWEST_PROMPTS)
    place = {gram: i for i, gram in enumerate(vocabulary)}
    columns = [sorted(place[gram] for gram in some if gram in place) for some in grams]
    lengths = np.array([len(row) for row in columns])
    spread = np.sqrt([max(len(some), 1) for some in grams])
    entries = np.repeat(1 / spread, lengths)
    flat = np.fromiter((c for row in columns for c in row), dtype=np.int64, count=int(lengths.sum()))
    shape = (len(grams), len(vocabulary))
    return vocabulary, csr_matrix((entries, flat, np.r_[0, np.cumsum(lengths)]), shape=shape)
