#!/usr/bin/env python3
"""Measure the scorer: `uv run python scripts/bench_routing.py --data ../shared/routing/dev`.

Prints APGR per set (average performance gap recovered, RouteLLM, arXiv 2406.18665: random is .5, and the
weights were fitted on these sets, so see fit_routing.py for what to expect elsewhere), the table of tiers
against labels, and the time per prompt. `--data` is a folder as fit_routing.py reads it.
"""

from __future__ import annotations

import argparse
import time
from pathlib import Path

import numpy as np

from routing_corpus import Corpus, apgr, read
from smart_router.routing.config import load_defaults
from smart_router.routing.decision import TIERS
from smart_router.routing.rules import Scored, score_prompt
from smart_router.routing.text import plain


def measure(corpus: Corpus) -> tuple[list[Scored], np.ndarray]:
    """All decisions, and the microseconds that each took."""
    config = load_defaults()
    _ = config.lexicon
    scored, took = [], []
    for text in corpus.texts:
        begin = time.perf_counter_ns()
        scored.append(score_prompt(plain(text), config))
        took.append((time.perf_counter_ns() - begin) / 1e3)
    return scored, np.array(took)


def show_score(corpus: Corpus, score: np.ndarray) -> None:
    print(f"{'set':20}{'prompts':>8}{'APGR':>8}{'length':>8}   by its length alone")
    lengths = np.array([float(len(text)) for text in corpus.texts])
    for set_ in corpus.scored_sets:
        rows = corpus.sets == set_
        values = (apgr(by[rows], corpus.weak[rows], corpus.strong[rows]) for by in (score, lengths))
        print(f"{set_:20}{rows.sum():8}" + "".join(f"{value:8.3f}" for value in values))


def show_tiers(corpus: Corpus, chosen: np.ndarray) -> None:
    for name, rows in (
        ("labelled prompts", corpus.sets == "labelled"),
        ("our own", corpus.sets == "own"),
        ("not English", (corpus.languages != "en") & np.isin(corpus.sets, ("labelled", "own"))),
    ):
        true, got = corpus.tier[rows], chosen[rows]
        low = (true - got >= 2).mean()
        print(f"\n{name}: {len(true)}, right {(true == got).mean():.3f}, two tiers too low {low:.3f}")
        print(f"{'needed / chosen':18}" + "".join(f"{tier:>11}" for tier in TIERS))
        for t, tier in enumerate(TIERS):
            print(f"{tier:18}" + "".join(f"{((true == t) & (got == g)).sum():11}" for g in range(len(TIERS))))


def show_time(took: np.ndarray) -> None:
    percentiles = " ".join(f"p{p} {np.percentile(took, p):.0f}" for p in (50, 95, 99))
    long = "word " * 40_000
    times = []
    for _ in range(20):
        begin = time.perf_counter_ns()
        score_prompt(plain(long), load_defaults())
        times.append((time.perf_counter_ns() - begin) / 1e3)
    print(f"\nmicroseconds per prompt: {percentiles}; 200 kB: {np.median(times):.0f}")


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--data", type=Path, default=Path(__file__).parents[2] / "shared" / "routing" / "dev")
    corpus = read(parser.parse_args().data)
    scored, took = measure(corpus)
    show_score(corpus, np.array([one.score for one in scored]))
    show_tiers(corpus, np.array([TIERS.index(one.tier) for one in scored]))
    show_time(took)


if __name__ == "__main__":
    main()
