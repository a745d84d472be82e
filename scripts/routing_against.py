"""Compares our scores with those of another scorer on the same prompts."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path

import numpy as np

from routing_corpus import Array, Corpus, apgr
from smart_router.routing.decision import TIERS

DRAWS = 1000


def read_scores(pattern: str, corpus: Corpus) -> Array:
    """Another scorer's scores of the sets' prompts, nan for all others.

    They stand in a file per set, whose name replaces {} in the pattern, as lines of {"id", "score"}; a tier's
    name as the score is its rank.
    """
    score = np.full(len(corpus.ids), np.nan)
    for set_ in corpus.scored_sets:
        path = Path(pattern.replace("{}", set_))
        rows = map(json.loads, path.read_text("utf-8").splitlines())
        by_id = {row["id"]: _number(row["score"]) for row in rows}
        for i in np.flatnonzero(corpus.sets == set_):
            if corpus.ids[i] not in by_id:
                raise ValueError(f"{path} has no score of {corpus.ids[i]}")
            score[i] = by_id[corpus.ids[i]]
    return score


def _number(score: float | str) -> float:
    return float(TIERS.index(score.upper())) if isinstance(score, str) else float(score)  # type: ignore[arg-type]


def show_against(corpus: Corpus, theirs: Array, ours: Mapping[str, Array], number: int) -> None:
    """APGR of theirs and of each of ours by set, and the mean's difference with its 95 % interval.

    The interval is of a paired bootstrap: prompts are drawn anew within each set, `number` times, for both
    the same.
    """
    draws = _draws(corpus, number)
    base, their_means = _by_set(corpus, theirs), _means(corpus, theirs, draws)
    print(
        f"\n{'APGR':26}"
        + "".join(f"{set_:>17}" for set_ in corpus.scored_sets)
        + f"{'mean':>8}   ours less theirs"
    )
    print(f"{'theirs':26}" + _row(base))
    for name, score in ours.items():
        per_set = _by_set(corpus, score)
        low, high = np.percentile(_means(corpus, score, draws) - their_means, [2.5, 97.5])
        print(f"{name:26}{_row(per_set)}   {np.mean(per_set) - np.mean(base):+.3f} [{low:+.3f}, {high:+.3f}]")


def _row(per_set: list[float]) -> str:
    return "".join(f"{value:17.3f}" for value in per_set) + f"{np.mean(per_set):8.3f}"


def _draws(corpus: Corpus, number: int) -> list[list[Array]]:
    rng = np.random.default_rng(0)
    rows = [np.flatnonzero(corpus.sets == set_) for set_ in corpus.scored_sets]
    return [[rng.choice(row, len(row)) for row in rows] for _ in range(number)]


def _by_set(corpus: Corpus, score: Array) -> list[float]:
    rows = [corpus.sets == set_ for set_ in corpus.scored_sets]
    return [apgr(score[row], corpus.weak[row], corpus.strong[row]) for row in rows]


def _means(corpus: Corpus, score: Array, draws: list[list[Array]]) -> Array:
    return np.array(
        [np.mean([apgr(score[row], corpus.weak[row], corpus.strong[row]) for row in rows]) for rows in draws]
    )
