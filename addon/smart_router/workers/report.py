"""A worker's reports: its state, and its counts as a tree that can be added to others."""

from __future__ import annotations

import time
from itertools import zip_longest
from typing import Any

from pydantic_core import from_json, to_json

from smart_router import __version__
from smart_router.api import local_answers
from smart_router.proxy.claims import Claims
from smart_router.requests_in_progress import running
from smart_router.runtime import Runtime
from smart_router.stats.totals import Histogram, Labels, Totals
from smart_router.workers.counters import Tree

COUNTERS = ("requests", "attempts", "costs")
HISTOGRAMS = ("tokens", "durations", "ttft")
NUMBERS = ("failovers", "baseline", "saved")
"""Attributes of Totals, by shape."""

MOST_REPORTED = 100
"""Most requests in progress that one report describes."""


def report(router: Runtime, connections: int, claims: Claims) -> dict[str, Any]:
    """Return this worker's state: whether a profile is usable, its requests, and its counts.

    `running` lists the MOST_REPORTED longest running requests; `running_requests` counts all.
    """
    now, wall = time.monotonic(), time.time()
    in_progress = running(claims)
    status, _ = local_answers.health(router.config, router.auth, now, 0.0)
    return {
        "version": __version__,
        "usable": status == 200,
        "connections": connections,
        "requests": len(claims),
        "running_requests": len(in_progress),
        "running": [one.to_dict(now, wall) for one in in_progress[:MOST_REPORTED]],
        "counts": to_tree(router.recording.totals, router.recording.writer.lost),
    }


def to_tree(totals: Totals, lost: int) -> dict[str, Any]:
    """Return counts as a tree; `lost` is the number of lost records."""
    with totals.lock:
        tree: dict[str, Any] = {"lost": lost, "overhead": _histogram(totals.overhead)}
        tree |= {name: getattr(totals, name) for name in NUMBERS}
        for name in COUNTERS:
            tree[name] = {_key(labels): count for labels, count in getattr(totals, name).items()}
        for name in HISTOGRAMS:
            tree[name] = {_key(labels): _histogram(found) for labels, found in getattr(totals, name).items()}
    return tree


def from_tree(tree: Tree) -> tuple[Totals, int]:
    """Return a tree's counts, and its number of lost records."""
    totals = Totals()
    _fill(totals.overhead, tree.get("overhead", {}))
    for name in NUMBERS:
        setattr(totals, name, tree.get(name, 0))
    for name in COUNTERS:
        for key, count in tree.get(name, {}).items():
            getattr(totals, name)[_labels(key)] = count
    for name in HISTOGRAMS:
        for key, found in tree.get(name, {}).items():
            _fill(getattr(totals, name)[_labels(key)], found)
    return totals, tree.get("lost", 0)


def _key(labels: Labels) -> str:
    return to_json(labels).decode()


def _labels(key: str) -> Labels:
    return tuple(from_json(key))


def _histogram(found: Histogram) -> dict[str, Any]:
    return {"counts": found.counts, "sum": found.sum}


def _fill(histogram: Histogram, found: Tree) -> None:
    counts = found.get("counts", [])
    histogram.counts = [count for count, _ in zip_longest(counts, histogram.counts, fillvalue=0)]
    histogram.sum = found.get("sum", 0.0)
