#!/usr/bin/env python3
"""Measure the scorer: `uv run python scripts/bench_routing.py --data ../shared/routing/dev`.

Prints APGR per set (average performance gap recovered, RouteLLM, arXiv 2406.18665: random is .5, and the
weights were fitted on these sets, so see fit_routing.py for what to expect elsewhere), the table of tiers
against labels, that of prompts that nothing was fitted on, and the time per prompt. `--data` is a folder as
fit_routing.py reads it.

`--against 'FOLDER/other_{}.jsonl'` sets another scorer beside ours, by its scores of the same prompts: lines
of {"id", "score"} in a file per set. Ours are shown as shipped, and as fitted without these prompts.
"""

from __future__ import annotations

import argparse
import time
from pathlib import Path

import numpy as np

from fit_routing import ScoreFit, features, left_out, ways_to_leave_out
from routing_against import read_scores, show_against
from routing_corpus import OWN, Corpus, apgr, auroc, read, read_probes
from smart_router.routing.config import load_defaults
from smart_router.routing.decision import TIERS
from smart_router.routing.prompt_text import plain
from smart_router.routing.scoring import Scored, score_prompt


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


def show_tiers(corpus: Corpus, scored: list[Scored], names: dict[str, np.ndarray]) -> None:
    chosen = np.array([TIERS.index(one.tier) for one in scored])
    score = np.array([one.score for one in scored])
    for name, rows in names.items():
        true, got = corpus.tier[rows], chosen[rows]
        low = (true - got >= 2).mean()
        order = auroc(score[rows], true >= 2)
        right = (true == got).mean()
        print(f"\n{name}: {len(true)}, right {right:.3f}, two tiers too low {low:.3f}, AUROC {order:.3f}")
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


def show_other(corpus: Corpus, pattern: str, shipped: np.ndarray) -> None:
    fit = ScoreFit(corpus, *features(corpus))
    ours = {way: left_out(corpus, fit, outs) for way, outs in ways_to_leave_out(corpus).items()}
    show_against(corpus, read_scores(pattern, corpus), {"ours as shipped": shipped} | ours)


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--data", type=Path, default=Path(__file__).parents[2] / "shared" / "routing" / "dev")
    parser.add_argument("--against", metavar="PATTERN", help="files with another scorer's scores")
    options = parser.parse_args()
    corpus = read(options.data)
    scored, took = measure(corpus)
    score = np.array([one.score for one in scored])
    show_score(corpus, score)
    if options.against:
        show_other(corpus, options.against, score)
    foreign = corpus.languages != "en"
    labelled, own = corpus.sets == "labelled", corpus.sets == OWN
    show_tiers(
        corpus,
        scored,
        {"labelled prompts": labelled, "our own": own, "not English": foreign & (labelled | own)},
    )
    probes = read_probes()
    foreign = probes.languages != "en"
    show_tiers(probes, measure(probes)[0], {"not fitted on, English": ~foreign, "others": foreign})
    show_time(took)


if __name__ == "__main__":
    main()
