"""The soak's outcome as tables and as JSON."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import asdict
from typing import Any

from rich import box
from rich.console import Console
from rich.table import Table
from scripts.gateway_soak.memory import Growth, Idle
from scripts.gateway_soak.plan import AUTO, EXPLICIT
from scripts.gateway_soak.soak import Outcome
from scripts.gateway_soak.storm import Storm
from scripts.gateway_soak.verdicts import SDK, Tallies, Tally, Verdict, explicit

_WIDTH = 100


def percentile(seconds: Sequence[float], share: int) -> float:
    """In milliseconds; 0 without any times."""
    ordered = sorted(seconds)
    return ordered[min(len(ordered) - 1, len(ordered) * share // 100)] * 1e3 if ordered else 0.0


def _count(*verdicts: Verdict) -> Callable[[Tally], str]:
    return lambda tally: f"{sum(tally.verdicts[one] for one in verdicts):,}"


ROWS: dict[str, Callable[[Tally], str]] = {
    "requests": lambda tally: f"{tally.verdicts.total():,}",
    "ok": _count(Verdict.OK),
    "refused, no attempt": _count(Verdict.UNTRIED),
    "failed before content": _count(Verdict.TRIED),
    "every attempt met a fault": _count(Verdict.SPENT),
    "failed after content": _count(Verdict.AFTER),
    "connection lost": _count(Verdict.LOST),
    "silently cut": _count(Verdict.CUT),
    "doubled, mixed, wrong": _count(Verdict.DOUBLED, Verdict.MIXED, Verdict.WRONG),
    "not ok": lambda tally: f"{tally.failed:.2%}",
    "p50 ms": lambda tally: f"{percentile(tally.seconds, 50):,.0f}",
    "p99 ms": lambda tally: f"{percentile(tally.seconds, 99):,.0f}",
}


def shown(tallies: Tallies) -> Iterator[tuple[str, Tally]]:
    """The kinds of requests that are shown, by name."""
    yield AUTO, tallies.get(AUTO, Tally())
    yield "explicit", explicit(tallies)
    yield from ((wire, tallies[wire]) for wire in EXPLICIT if wire in tallies)
    yield SDK, tallies.get(SDK, Tally())


def answers(outcome: Outcome) -> Table:
    """The verdicts, a column for each kind of request."""
    kinds = dict(shown(outcome.tallies))
    table = Table(title="Answers", title_justify="left", box=box.SIMPLE_HEAD, pad_edge=False)
    table.add_column("")
    for kind in kinds:
        table.add_column(kind, justify="right")
    for name, cell in ROWS.items():
        table.add_row(name, *(cell(tally) for tally in kinds.values()))
    return table


def errors(outcome: Outcome) -> Table:
    """The errors told, most frequent first."""
    table = Table(title="Errors", title_justify="left", box=box.SIMPLE_HEAD, pad_edge=False)
    table.add_column("asked")
    table.add_column("error")
    table.add_column("times", justify="right")
    for kind, tally in outcome.tallies.items():
        for error, count in tally.errors.most_common(8):
            table.add_row(kind, error, f"{count:,}")
    return table


def storms(phases: Sequence[Storm]) -> Table:
    """A row for each way to be dead."""
    table = Table(title="Storm", title_justify="left", box=box.SIMPLE_HEAD, pad_edge=False)
    table.add_column("all providers")
    for heading in ("requests", "attempts", "budget", "p50 ms", "p99 ms", "first ok s"):
        table.add_column(heading, justify="right")
    for one in phases:
        counts = [f"{count:,}" for count in (one.requests, one.attempts, one.budget)]
        times = [f"{percentile(one.seconds, share):,.0f}" for share in (50, 99)]
        table.add_row(one.dead, *counts, *times, "never" if one.recovery is None else f"{one.recovery:.2f}")
    return table


def memory(found: Sequence[Growth | Idle]) -> Table:
    """Resident memory before, within, and after each part."""
    table = Table(title="Memory", title_justify="left", box=box.SIMPLE_HEAD, pad_edge=False)
    table.add_column("streams")
    table.add_column("MiB")
    table.add_column("")
    for one in found:
        rss = " ".join(f"{mib:.0f}" for mib in one.rss)
        if isinstance(one, Growth):
            table.add_row(
                f"{one.requests:,} through {one.program}", rss, f"{one.growth:+.1%} after the first batch"
            )
        else:
            each = f"{one.each * 1024:.0f} KiB each; another client waited at most {one.others * 1e3:.0f} ms"
            table.add_row(f"{one.at_once:,} idle at once", rss, each)
    return table


def show(
    outcome: Outcome | None, phases: Sequence[Storm], found: Sequence[Growth | Idle], broken: Sequence[str]
) -> None:
    """Print everything to standard output."""
    console = Console(highlight=False)
    if not console.is_terminal:
        console.width = _WIDTH
    if outcome:
        setting, rss, faults = outcome.setting, outcome.memory, sum(outcome.faults.values())
        console.print(
            f"{setting.clients} clients, {setting.keys} keys for each provider, seed {setting.seed}: "
            f"{outcome.attempts:,} attempts by the router, {faults:,} faults in all; "
            f"RSS {rss.start:.0f} MiB at start, {rss.end:.0f} at end, {rss.peak:.0f} at most",
            soft_wrap=True,
        )
        console.print(answers(outcome))
        if any(tally.errors for tally in outcome.tallies.values()):
            console.print(errors(outcome))
    if phases:
        console.print(storms(phases))
    if found:
        console.print(memory(found))
    for sentence in broken:
        console.print(f"! {sentence}", markup=False, soft_wrap=True)


def as_json(
    outcome: Outcome | None, phases: Sequence[Storm], found: Sequence[Growth | Idle], broken: Sequence[str]
) -> dict[str, Any]:
    """Everything, for programs."""
    told: dict[str, Any] = {"broken": list(broken), "memory": [asdict(one) for one in found]}
    if outcome:
        told["answers"] = {
            name: {
                "requests": tally.verdicts.total(),
                **{verdict.name.lower(): tally.verdicts[verdict] for verdict in Verdict},
                "p50_ms": percentile(tally.seconds, 50),
                "p99_ms": percentile(tally.seconds, 99),
                "errors": dict(tally.errors),
            }
            for name, tally in shown(outcome.tallies)
        }
        rss = outcome.memory
        told["rss_mib"] = {"start": rss.start, "end": rss.end, "peak": rss.peak}
        told |= {"attempts": outcome.attempts, "faults": outcome.faults, "samples": outcome.samples}
    told["storm"] = [
        {
            "dead": one.dead,
            "requests": one.requests,
            "attempts": one.attempts,
            "budget": one.budget,
            "p50_ms": percentile(one.seconds, 50),
            "p99_ms": percentile(one.seconds, 99),
            "first_success_s": one.recovery,
        }
        for one in phases
    ]
    return told
