#!/usr/bin/env python3
"""Fit the scorer: `uv run --extra dev python scripts/fit_routing.py --data FOLDER FOLDER [--report]
[--write]`.

Reads sets of prompts with the results of models on each (`*.jsonl.gz`), prompts with tiers
(`tiers*.jsonl.gz`) and our own (routing_prompts.toml).

- Score: ridge regression over the signals, of how much a strong model is needed: its gain over a weak one,
  and the weak one's failure. Words and pairs of words are fitted on what the signals leave, with a penalty of
  their own, and a curve a signal beside both. Our own prompts, in many languages, are one more set.
- Tiers: softmax regression over the same signals, no task family outweighing another.

--report prints the only figures to be called quality. Each source of prompts is left out in turn: the shares
of words and curves are chosen on the others, by leaving out each of those in turn; then all is fitted on
them, and the source left out is scored. The interval draws sources and prompts anew. The settings in
routing_fit/ were found by cross-validation over the same sources, some forty variants in all, so that these
figures, too, flatter a little. Within a source never seen, ranking is barely above chance for every scorer
tried: what transfers is the kind of task.

Everything is deterministic: all seeds are fixed.
"""

from __future__ import annotations

import argparse
from pathlib import Path

import numpy as np

from routing_corpus import DATA, read
from routing_fit.data import measured
from routing_fit.package import write
from routing_fit.protocol import report_score, report_tiers
from routing_fit.score import fit_score
from routing_fit.tiers import fit_tiers, tier_weight


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--data", type=Path, nargs="+", default=DATA)
    parser.add_argument("--report", action="store_true", help="measure on sources left out (half an hour)")
    parser.add_argument("--write", action="store_true", help="replace the package's data")
    options = parser.parse_args()
    corpus = read(options.data)
    data = measured(corpus)
    if options.write:
        tiers = fit_tiers(data.values, corpus.tier, tier_weight(corpus, corpus.tier >= 0), steps=1500)
        write(data, fit_score(data, np.ones(len(corpus.texts), bool)), tiers)
    if options.report:
        report_tiers(data)
        report_score(data)


if __name__ == "__main__":
    main()
