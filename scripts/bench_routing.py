#!/usr/bin/env python3
"""Measure the scorer as it ships: `uv run --extra dev python scripts/bench_routing.py --data FOLDER FOLDER`.

Prints for each set APGR (average performance gap recovered, RouteLLM, arXiv 2406.18665; random .5) of ours,
of the prompts' length and of the weights before (routing_weights_before.toml); the tables of tiers against
labels; and the time per prompt. Ours were fitted on these very sets, the weights before on three of them: see
fit_routing.py for what to expect elsewhere. `--data` are folders as fit_routing.py reads them.

`--against 'FOLDER/other_{}.jsonl'` sets another scorer beside these, by its scores of the same prompts: lines
of {"id", "score"} in a file per set. Ours is shown as fitted without these sources, too.
"""

from __future__ import annotations

import argparse
import time
import tomllib
from pathlib import Path

import numpy as np

from routing_against import DRAWS, read_scores, show_against
from routing_corpus import DATA, OWN, Corpus, apgr, auroc, read, read_probes
from smart_router.dry_run import from_prompt
from smart_router.routing.config import RoutingConfig, Weights, load
from smart_router.routing.decision import TIERS
from smart_router.routing.scoring import Scored, score_request

BEFORE, UNDERSHOOT_BEFORE = Path(__file__).parent / "routing_weights_before.toml", 0.75


def config_before() -> RoutingConfig:
    """The defaults with the weights before; signals that are not among those weigh nothing."""
    table = tomllib.loads(BEFORE.read_text("utf-8"))["routing"]
    weights = {name: Weights(**row) for name, row in table["weights"].items()}
    bias = Weights(**table["bias"])
    return load({"undershoot": UNDERSHOOT_BEFORE}).model_copy(update={"weights": weights, "bias": bias})


def measure(corpus: Corpus, config: RoutingConfig) -> tuple[list[Scored], np.ndarray]:
    """All decisions, and the microseconds that each took."""
    score_request(from_prompt("warm up"), config)
    scored, took = [], []
    for text in corpus.texts:
        begin = time.perf_counter_ns()
        scored.append(score_request(from_prompt(text), config))
        took.append((time.perf_counter_ns() - begin) / 1e3)
    return scored, np.array(took)


def show_score(corpus: Corpus, scores: dict[str, np.ndarray]) -> None:
    print(f"{'APGR':20}{'prompts':>8}" + "".join(f"{name:>8}" for name in scores))
    for set_ in corpus.scored_sets:
        rows = corpus.sets == set_
        values = (apgr(score[rows], corpus.weak[rows], corpus.strong[rows]) for score in scores.values())
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


def show_time(took: np.ndarray, config: RoutingConfig) -> None:
    percentiles = " ".join(f"p{p} {np.percentile(took, p):.0f}" for p in (50, 95, 99))
    long = "word " * 40_000
    times = []
    for _ in range(20):
        begin = time.perf_counter_ns()
        score_request(from_prompt(long), config)
        times.append((time.perf_counter_ns() - begin) / 1e3)
    print(f"\nmicroseconds per prompt: {percentiles}; 200 kB: {np.median(times):.0f}")


def show_other(corpus: Corpus, pattern: str, ours: dict[str, np.ndarray], draws: int) -> None:
    from routing_fit.data import measured  # with scikit-learn, which takes seconds to import
    from routing_fit.protocol import left_out

    without = {"ours, sources left out": left_out(measured(corpus))}
    show_against(corpus, read_scores(pattern, corpus), ours | without, draws)


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--data", type=Path, nargs="+", default=DATA)
    parser.add_argument("--against", metavar="PATTERN", help="files with another scorer's scores")
    parser.add_argument("--draws", type=int, default=DRAWS, help="of the bootstrap (default: %(default)s)")
    options = parser.parse_args()
    corpus, config, before = read(options.data), load({}), config_before()
    scored, took = measure(corpus, config)
    scores = {
        "ours": np.array([one.score for one in scored]),
        "length": np.array([float(len(text)) for text in corpus.texts]),
        "before": np.array([one.score for one in measure(corpus, before)[0]]),
    }
    show_score(corpus, scores)
    if options.against:
        show_other(corpus, options.against, scores, options.draws)
    labelled, own = corpus.sets == "labelled", corpus.sets == OWN
    show_tiers(corpus, scored, {"labelled prompts": labelled, "our own": own})
    probes = read_probes()
    foreign = probes.languages != "en"
    for which, its in (("", config), (", weights before", before)):
        names = {f"not fitted on, English{which}": ~foreign, f"other languages{which}": foreign}
        show_tiers(probes, measure(probes, its)[0], names)
    show_time(took, config)


if __name__ == "__main__":
    main()
