"""The parts of a page's state, as rows of plain values. Times are unix seconds.

They have no text of prompts or answers; the explanation of a decision is the same as in `x-router-why`.
"""

from __future__ import annotations

import time
from collections.abc import Iterable, Mapping
from itertools import islice
from typing import Any

from smart_router import __version__
from smart_router.auth.cooldowns import Cooled, Health, State
from smart_router.auth.status import ProfileStatus, window_end
from smart_router.runtime import Runtime

MOST_RUNNING = 50
"""Requests in progress that a page is shown, the longest running first."""

MOST_ROWS = 40
"""Rows of each breakdown that a page is shown: clients can invent any number of models."""

_TICKING = ("running_seconds", "silent_seconds")
"""Figures that change with the clock alone."""


def running_rows(found: Iterable[Mapping[str, Any]]) -> list[dict[str, Any]]:
    """Rows of `/router/running`, without the figures that change with the clock alone."""
    shown = islice(found, MOST_RUNNING)
    return [{name: value for name, value in one.items() if name not in _TICKING} for one in shown]


def provider_rows(runtime: Runtime, now: float) -> list[dict[str, Any]]:
    """Providers that have a profile, with their profiles and the windows of these and their models."""
    statuses = {id_: runtime.auth.statuses(id_, now) for id_ in runtime.config.providers}
    return [
        {"id": id_, "profiles": [_profile(one) for one in profiles]}
        for id_, profiles in statuses.items()
        if profiles
    ]


def facts(runtime: Runtime, now: float, mitmweb: str | None, running: int) -> dict[str, Any]:
    """Facts of the router itself. `running` is the number of requests in progress, `now` monotonic."""
    config = runtime.config_status()
    return {
        "version": __version__,
        "mitmweb": mitmweb,
        "running": running,
        "trouble": runtime.current_trouble(now),
        "config": {"path": config["path"], "error": config["error"], "warnings": config["warnings"]},
    }


def today(wall: float) -> float:
    """The beginning of the local day at a time (unix seconds)."""
    local = time.localtime(wall)
    return time.mktime((local.tm_year, local.tm_mon, local.tm_mday, 0, 0, 0, 0, 0, -1))


def bounded(figures: Mapping[str, Any]) -> dict[str, Any]:
    """A report's figures with at most MOST_ROWS rows of each breakdown, and the number of the others."""
    by: Mapping[str, list[Any]] = figures["by"]
    more = {name: len(rows) - MOST_ROWS for name, rows in by.items() if len(rows) > MOST_ROWS}
    return {**figures, "by": {name: rows[:MOST_ROWS] for name, rows in by.items()}, "more": more}


def _profile(status: ProfileStatus) -> dict[str, Any]:
    told = status.as_dict()
    models = [
        {"model": one.model, **_window(told["models"][one.model], one.state, one.health, status.lead)}
        for one in status.models
        if told["models"][one.model]["why"]
    ]
    own = _window(told, status.state, status.health, status.lead)
    return {"id": status.id, "kind": status.kind, **own, "models": models}


def _window(told: Mapping[str, Any], state: State, health: Health, lead: float) -> dict[str, Any]:
    """The state, its reason, and the period of its window, if that has not ended."""
    since = until = None
    if isinstance(state, Cooled):
        since = round(health.window.since + lead) if health.window else None
        until = round(window_end(state, health) + lead)
    return {"state": told["state"], "why": told["why"], "since": since, "until": until}
