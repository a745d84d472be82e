"""Watches requests in progress: updates their comments and logs a line about silent providers."""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from mitmproxy import ctx, http

from smart_router.attempts.exchange import Exchange
from smart_router.background import RepeatedStep
from smart_router.proxy.claims import Claims
from smart_router.requests_in_progress import Running, observe
from smart_router.routing.decision import Candidate
from smart_router.ui import comments

logger = logging.getLogger(__name__)

LOOK_EVERY = 1.0
"""Seconds between checks."""

UNREMARKABLE = 1.0
"""Seconds a request may take before it gets a progress comment."""

COMMENT_EVERY = 3.0
"""Seconds between two changes of one flow's comment: mitmweb sends each change to every open page."""

Estimate = Callable[[Exchange, Candidate], str | None]


@dataclass(slots=True)
class _Watched:
    """State of one watched request: `commented` is the time of its last comment (monotonic seconds), `warned`
    the attempt a warning was logged for, `estimated` the candidate whose cost was estimated."""

    commented: float = float("-inf")
    warned: int = 0
    estimated: Candidate | None = None


class Watch:
    """One task for all requests in progress, instead of a timer for each.

    `refresh` redraws flows. `estimate` returns the cost of an answer in words; it may be slow and runs in a
    thread.
    """

    def __init__(
        self, claims: Claims, refresh: Callable[[Sequence[http.HTTPFlow]], None], estimate: Estimate
    ) -> None:
        self._claims = claims
        self._refresh = refresh
        self._estimate = estimate
        self._watched: dict[str, _Watched] = {}
        self._step = RepeatedStep("watch-requests", "a check of the requests in progress failed")

    async def run(self) -> None:
        """Check until cancelled."""
        while True:
            await asyncio.sleep(LOOK_EVERY)
            with self._step:  # one request must not end the watch
                if ctx.master.addons.get("view"):
                    await asyncio.to_thread(self._estimate_costs, self.find(time.monotonic()))
                self._refresh(self.look(time.monotonic(), time.time()))

    def find(self, now: float) -> list[Exchange]:
        """Exchanges older than UNREMARKABLE."""
        return [
            claim.exchange
            for claim in self._claims
            if claim.exchange is not None and now - claim.exchange.started >= UNREMARKABLE
        ]

    def look(self, now: float, wall: float) -> list[http.HTTPFlow]:
        """Write due comments and warnings; return the changed flows. `wall` is the unix time."""
        watched, changed = {}, []
        for exchange in self.find(now):
            known = watched[exchange.id] = self._watched.get(exchange.id, _Watched())
            seen = observe(exchange)
            if seen.silent(now) >= exchange.limits.silence_warning and known.warned != exchange.number:
                known.warned = exchange.number
                logger.warning(warning(seen, now, wall))
            if now - known.commented < COMMENT_EVERY:
                continue
            flow, comment = exchange.client_flow, comments.in_progress(exchange, seen.describe(now, wall))
            if flow.comment != comment:
                flow.comment, known.commented = comment, now
                changed.append(flow)
        self._watched = watched
        return changed

    def _estimate_costs(self, exchanges: Sequence[Exchange]) -> None:
        for exchange in exchanges:
            known = self._watched.setdefault(exchange.id, _Watched())
            attempt = exchange.attempt
            if attempt is None or known.estimated == attempt.candidate:
                continue
            known.estimated = attempt.candidate
            if text := self._estimate(exchange, attempt.candidate):
                exchange.client_flow.metadata["router_estimate"] = text


def warning(seen: Running, now: float, wall: float) -> str:
    """Log line for a request with a silent provider."""
    exchange, attempt = seen.exchange, seen.attempt
    who = f"{attempt.candidate} ({attempt.profile_id})" if attempt else ""
    what = f"{exchange.id} {exchange.decision.asked}: {seen.describe(now, wall)}"
    return f"{what}; attempt {exchange.number}, {who}"
