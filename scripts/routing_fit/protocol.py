"""The quality of the fit on sources and task families used neither to choose its variant nor to fit."""

from __future__ import annotations

from functools import cache
from itertools import product

import numpy as np

from routing_corpus import Array, Corpus, apgr, family_of
from routing_fit.data import Data, Mask
from routing_fit.score import Parts, fit_score
from routing_fit.tiers import chosen_tiers, fit_tiers, tier_weight

SOURCES = (
    ("rllm_gsm8k",), ("rllm_mmlu",), ("ulab_llmrouter",), ("mmlupro",),
    ("ze_crux", "ze_math", "ze_numersense"), ("mifeval", "shaberi", "cla"), ("haltt", "thoughtsource"),
    ("mint", "intercode", "pot"),
)  # fmt: skip
"""Sets that are left out together: each group's prompts or results come from related projects."""

VARIANTS = tuple(product((0.0, 1.0), (0.0, 0.5, 1.0, 2.0)))
"""Shares of the words and of the curves to choose from."""

DRAWS, SEED = 500, 0
FOLDS = 8


def groups_of(data: Data) -> list[list[str]]:
    """The sets at hand by source; those of unknown source are one of their own each."""
    known = [[name for name in source if name in data.sets] for source in SOURCES]
    named = {name for source in SOURCES for name in source}
    return [group for group in known if group] + [[name] for name in data.sets if name not in named]


def report_score(data: Data) -> None:
    """Print the nested leave-source-out table and its mean with a 95 % interval."""
    groups = groups_of(data)
    masks = [np.isin(data.corpus.sets, group) for group in groups]
    everything = np.ones(len(data.corpus.texts), bool)

    @cache
    def parts(left_out: frozenset[int]) -> tuple[Parts, Mask]:
        train = everything & ~np.logical_or.reduce([masks[i] for i in left_out])
        return fit_score(data, train), train & data.learnable

    def scored(left_out: frozenset[int], variant: tuple[float, float]) -> Array:
        fitted, train = parts(left_out)
        return fitted.score(train, *variant)

    def inner(outer: int, variant: tuple[float, float]) -> float:
        others = [i for i in range(len(groups)) if i != outer]
        return float(
            np.mean([_mean(data, groups[i], scored(frozenset((outer, i)), variant)) for i in others])
        )

    print(
        f"Sources left out of choosing and fitting: APGR, random .500; chosen among {len(VARIANTS)} variants"
    )
    final = np.zeros(len(everything))
    for outer, group in enumerate(groups):
        variant = max(VARIANTS, key=lambda one, outer=outer: inner(outer, one))  # type: ignore[misc]
        final[masks[outer]] = scored(frozenset((outer,)), variant)[masks[outer]]
        values = "  ".join(f"{name} {_apgr(data.corpus, name, final):.3f}" for name in group)
        print(f"  words x {variant[0]:.0f}, curves x {variant[1]:.1f}:  {values}", flush=True)
    low, high = np.percentile(_draws(data, groups, final), [2.5, 97.5])
    print(f"mean of {len(data.sets)} sets {_mean(data, data.sets, final):.3f}, 95 % {low:.3f} to {high:.3f}")


def left_out(data: Data) -> Array:
    """The score of every prompt with results, by a fit without its source; no variant is chosen."""
    score = np.full(len(data.corpus.texts), np.nan)
    for group in groups_of(data):
        out = np.isin(data.corpus.sets, group)
        score[out] = fit_score(data, ~out).score(~out & data.learnable)[out]
    return score


def _apgr(corpus: Corpus, name: str, score: Array) -> float:
    rows = corpus.sets == name
    return apgr(score[rows], corpus.weak[rows], corpus.strong[rows])


def _mean(data: Data, sets: list[str], score: Array) -> float:
    return float(np.mean([_apgr(data.corpus, name, score) for name in sets]))


def _draws(data: Data, groups: list[list[str]], score: Array) -> list[float]:
    """The mean by drawing sources anew, and prompts within their sets."""
    rng = np.random.default_rng(SEED)
    corpus = data.corpus
    rows = {name: np.flatnonzero(corpus.sets == name) for name in data.sets}
    means = []
    for _ in range(DRAWS):
        values = []
        for group in rng.integers(0, len(groups), len(groups)):
            for name in groups[group]:
                drawn = rng.choice(rows[name], len(rows[name]))
                values.append(apgr(score[drawn], corpus.weak[drawn], corpus.strong[drawn]))
        means.append(float(np.mean(values)))
    return means


def report_tiers(data: Data) -> None:
    """Print the tiers' accuracy where a prompt's whole task family was left out of the fit."""
    corpus = data.corpus
    known, labelled = corpus.tier >= 0, corpus.sets == "labelled"
    alike = np.array([family_of(family) for family in corpus.families])
    rng = np.random.default_rng(SEED)
    families = rng.permutation(sorted(set(alike[known & ~_ours(corpus)])))
    chosen = np.full(len(known), -1)
    for fold in np.array_split(families, FOLDS):
        out = np.isin(alike, fold) & known
        weights = fit_tiers(data.values, corpus.tier, tier_weight(corpus, known & ~out))
        chosen[out] = chosen_tiers(data.values[out], weights)
    print("Tiers, task families left out (no hyper-parameter chosen)")
    for name, rows in (("labelled prompts", labelled), ("all families", known & ~_ours(corpus))):
        rows = _capped(alike, rows)
        true, got = corpus.tier[rows], chosen[rows]
        right, low = _interval(true == got), _interval(true - got >= 2)
        print(f"  {name:20} n {len(rows):5}  right {right}  two or more too low {low}", flush=True)


def _ours(corpus: Corpus) -> Mask:
    return np.array([family.startswith("own") for family in corpus.families])


def _capped(alike: Array, rows: Mask, most: int = 60) -> Array:
    """The places of the rows, at most so many of a family."""
    rng = np.random.default_rng(SEED)
    of = [np.flatnonzero(rows & (alike == family)) for family in sorted(set(alike[rows]))]
    return np.concatenate([rng.choice(some, min(most, len(some)), replace=False) for some in of])


def _interval(hits: Mask) -> str:
    rng = np.random.default_rng(SEED)
    low, high = np.percentile([rng.choice(hits, len(hits)).mean() for _ in range(DRAWS)], [2.5, 97.5])
    return f"{hits.mean():.3f} ({low:.3f} to {high:.3f})"
