"""Records of finished exchanges, and the figures shown on their flows."""

from __future__ import annotations

import asyncio
import sqlite3
import time
from collections.abc import Awaitable, Callable, Collection, Mapping, Sequence
from contextlib import suppress
from pathlib import Path
from typing import Any

from mitmproxy import http

from smart_router.attempts.attempt import Attempt
from smart_router.attempts.exchange import Exchange, Exhausted
from smart_router.client_keys.reservation import Reservation
from smart_router.config import Config
from smart_router.dry_run import estimate_cost
from smart_router.errors import CUT_OFF, ClientError
from smart_router.providers.registry import PROVIDERS
from smart_router.routing.config import candidates
from smart_router.routing.decision import Candidate, Decision
from smart_router.routing.requirements import CHARACTERS_PER_TOKEN, lacks, prompt_tokens
from smart_router.routing.selector import rules_of
from smart_router.stats.database import reading
from smart_router.stats.formatting import dollars
from smart_router.stats.marks import mark_of, show_only
from smart_router.stats.prices import TYPICAL, PriceBook
from smart_router.stats.records import CLIENT_LEFT, AttemptRecord, RefusalRecord, RequestRecord, Tokens
from smart_router.stats.report import build_report, client_use
from smart_router.stats.since import read_since
from smart_router.stats.totals import Totals
from smart_router.stats.writer import RecordWriter
from smart_router.storage.sqlite_file import FILE_ERRORS

FLUSH_WITHIN = 5.0
"""Seconds to wait for the last records to be on disk."""

DAY = 86_400.0

MOST_PATH = 200
"""Characters of a refused request's path that are kept."""


class Recording:
    """Makes the records of one router: their file, their prices, and the figures made of them at once.

    `configured` tells the providers with a credential; `on_cost` is told the requests whose cost
    is now known, and stands in the metadata of their client flows. `shared` makes reports about all machines
    of a cluster, `mark` is that of requests without one of their own. Use from the event loop's thread.
    """

    def __init__(
        self,
        folder: Path,
        config: Config,
        configured: Callable[[], Collection[str]],
        mark: str | None = None,
    ) -> None:
        self.folder = folder
        self._mark = mark
        self.totals = Totals()
        self.writer = RecordWriter(folder, PriceBook(), priced=self._priced)
        self._configured = configured
        self.on_cost: Callable[[Sequence[Exchange]], None] = lambda exchanges: None
        self.shared: Callable[[float, float], dict[str, Any] | None] | None = None
        self._unpriced: dict[str, Exchange] = {}
        self._loop: asyncio.AbstractEventLoop | None = None
        self.apply(config)

    def apply(self, config: Config) -> None:
        """Use this configuration's prices and model names."""
        declared = {id_: one.base_url for id_, one in config.providers.items() if id_ not in PROVIDERS}
        self.writer.prices = PriceBook(config.prices, declared)
        self.totals.known = frozenset(
            f"{provider.id}/{model}" for provider in config.providers.values() for model in provider.models
        )
        self._config = config

    def ended(self, flow: http.HTTPFlow, exchange: Exchange, client: str | None, *, content: bool) -> None:
        """Record a routed request that has ended, and note its duration and its tokens on its flow.

        `client` is the name of its router key; `content` keeps the prompt. A record that cannot be made
        counts as lost.
        """
        try:
            self._record(flow, exchange, client, content=content)
        except Exception:
            self.writer.lose()
            raise
        finally:
            if exchange.reservation is not None:
                exchange.reservation.settle_unknown()

    def _record(self, flow: http.HTTPFlow, exchange: Exchange, client: str | None, *, content: bool) -> None:
        baselines = self._baselines(exchange.decision)
        record = request_record(flow, exchange, client=client, baselines=baselines, content=content)
        record.mark = mark_of(flow.request.path) or self._mark
        last = record.last
        flow.metadata["router_seconds"] = f"{record.duration:.2f}"
        if last and last.tokens:
            flow.metadata["router_tokens"] = f"{last.tokens.input}+{last.tokens.output}"
            self._price_at_once(record)
            if not _note_cost(flow, record):
                self._unpriced[record.id] = exchange
                self._loop = asyncio.get_running_loop()
        if exchange.reservation is not None:  # at once: the client's next request may need the rest
            self._settle(exchange.reservation, record)
        self.writer.record(record)

    def _price_at_once(self, record: RequestRecord) -> None:
        """Fill in costs at known prices; the writer's thread asks for the others, and logs errors."""
        try:
            for attempt in record.attempts:
                attempt.cost = self.writer.cost(attempt, record.time, at_once=True)
        except Exception:
            return

    def _settle(self, reservation: Reservation, record: RequestRecord) -> None:
        used = [one.tokens for one in record.attempts if one.tokens]
        costs = (
            [one.cost or self.writer.cost(one, record.time) for one in record.attempts]
            if reservation.client.has_money_limit
            else []
        )
        reservation.settle(
            attempts=len(record.attempts),
            tokens=sum(one.input + one.output for one in used),
            usd=sum(cost.usd for cost in costs if cost),
        )

    def learn_prices(self, candidates: Sequence[Candidate]) -> Awaitable[None] | None:
        """Look up these models' prices in a thread, since the first one may take a second; None if all are
        known."""
        prices = self.writer.prices
        if prices.knows(candidates):
            return None

        def look_up() -> None:
            for one in candidates:
                prices.cost(one.provider, one.model, TYPICAL, time.time())

        return asyncio.to_thread(look_up)

    def use_of(self, client: str) -> dict[str, Any]:
        """Return a client's use in the last day; slow. Raises ClientError."""
        self.writer.flush(FLUSH_WITHIN)
        return self._read(lambda db: client_use(db, client, time.time() - DAY))

    def _baselines(self, decision: Decision) -> tuple[Candidate, ...]:
        """The models of which the dearest is the baseline of a request's cost."""
        routing, providers = self._config.routing, self._config.providers
        virtual = routing.virtual_models.get(decision.asked)
        needs = decision.needs
        if virtual is None or needs is None:
            return ()
        if routing.baseline:
            return tuple(candidates((routing.baseline,)))
        having = self._configured()
        return tuple(
            [
                one
                for one in routing.strongest[virtual.tier_models]
                if one.provider in having and lacks(rules_of(one, providers), needs) is None
            ]
        )

    def refused(self, flow: http.HTTPFlow, id_: str, client: str | None, error: ClientError) -> None:
        """Record a request that was refused before routing; `id_` is the one in the log and the answer."""
        action = f"{flow.request.method} {flow.request.path.partition('?')[0][:MOST_PATH]}"
        action = action.encode(errors="surrogateescape").decode(errors="replace")  # a path may be any bytes
        outcome = error.code or error.type
        self.writer.record(
            RefusalRecord(time.time(), client, address_of(flow), action, error.status, outcome, id_)
        )

    def estimate(self, exchange: Exchange, candidate: Candidate) -> str | None:
        """Return an answer's estimated cost as text; None without price. May take a second."""
        usd = estimate_cost(self.writer.prices, exchange.request, candidate, time.time())
        return None if usd is None else dollars(usd)

    def report_run(self, mark: str) -> dict[str, Any]:
        """Return a report about one `smart-router run`; slow. Raises ClientError."""
        self.writer.flush(FLUSH_WITHIN)

        def build(db: sqlite3.Connection) -> dict[str, Any]:
            show_only(db, mark)
            return build_report(db, 0.0, time.time())

        try:
            return self._read(build)
        except ValueError as error:
            raise ClientError(400, str(error), param="run") from None

    def report(self, since: str) -> dict[str, Any]:
        """Return a report from the records of this machine, or of all in its cluster; slow. `machines` is
        None while those of the others cannot be read. Raises ClientError."""
        now = time.time()
        try:
            start = read_since(since, now)
        except ValueError as error:
            raise ClientError(400, str(error), param="since") from None
        self.writer.flush(FLUSH_WITHIN)
        if self.shared is not None and (report := self.shared(start, now)) is not None:
            return report
        own = self._read(lambda db: build_report(db, start, now))
        return own if self.shared is None else own | {"machines": None}

    def _read(self, query: Callable[[sqlite3.Connection], dict[str, Any]]) -> dict[str, Any]:
        try:
            with reading(self.folder) as db:
                return query(db)
        except FILE_ERRORS as error:
            raise ClientError(503, f"the records cannot be read: {error}") from None

    def _priced(self, records: Sequence[RequestRecord]) -> None:
        """Called in the writer's thread: costs are known."""
        self.totals.add(records)
        if self._loop is not None and self._unpriced:
            with suppress(RuntimeError):  # the loop has ended, and nobody looks any more
                self._loop.call_soon_threadsafe(self._show_costs, records)

    def _show_costs(self, records: Sequence[RequestRecord]) -> None:
        priced = []
        for record in records:
            if exchange := self._unpriced.pop(record.id, None):
                if not _note_cost(exchange.client_flow, record):
                    exchange.client_flow.metadata["router_cost"] = "unknown"
                priced.append(exchange)
        if priced:
            self.on_cost(priced)


def _note_cost(flow: http.HTTPFlow, record: RequestRecord) -> bool:
    """Note a request's cost on its flow, if it is known."""
    cost = record.cost
    if cost is not None:
        flow.metadata["router_cost"] = f"{cost.usd:.6f} {cost.basis}"
    return cost is not None


def address_of(flow: http.HTTPFlow) -> str:
    """The client's IP address; empty if there is none."""
    peer = flow.client_conn.peername
    return peer[0] if peer else ""


def request_record(
    flow: http.HTTPFlow,
    exchange: Exchange,
    *,
    client: str | None,
    baselines: tuple[Candidate, ...],
    content: bool = False,
) -> RequestRecord:
    """The record of a request that has just ended."""
    now = time.monotonic()
    duration = now - exchange.started
    failures = {failed.number: failed.error.kind for failed in exchange.failures}
    attempts = tuple([_attempt(exchange, attempt, failures, now) for attempt in exchange.attempts])
    answer = exchange.winner.measurements if exchange.winner else None
    began = answer.first_content - exchange.started if answer and answer.first_content else None
    waited = sum([attempt.duration for attempt in attempts]) + exchange.paused
    return RequestRecord(
        id=exchange.id,
        time=time.time() - duration,
        session=exchange.session,
        operation=exchange.dialect.operation,
        client=client,
        address=address_of(flow),
        decision=exchange.decision,
        streamed=exchange.streams,
        status=flow.response.status_code if flow.response else None,
        failure=_failure(flow, exchange),
        ttft=began,
        duration=duration,
        overhead=max(0.0, duration - waited),
        attempts=attempts,
        baselines=baselines,
        content=exchange.request.get("messages") if content else None,
    )


def _attempt(exchange: Exchange, attempt: Attempt, failures: Mapping[int, str], now: float) -> AttemptRecord:
    seen, response = attempt.measurements, attempt.flow.response
    ended = attempt.ended if attempt.ended is not None else now
    answered = attempt is exchange.winner
    return AttemptRecord(
        number=attempt.number,
        candidate=attempt.candidate,
        profile=attempt.profile_id,
        dialect=attempt.dialect.name,
        answered_model=seen.model,
        status=response.status_code if response else None,
        failure=failures.get(attempt.number, None if answered else CLIENT_LEFT),
        started=attempt.started - exchange.started,
        ttft=seen.first_content - attempt.started if seen.first_content else None,
        duration=ended - attempt.started,
        tokens=_tokens(exchange, attempt),
    )


def _tokens(exchange: Exchange, attempt: Attempt) -> Tokens | None:
    seen = attempt.measurements
    if seen.usage is not None:
        return Tokens.of(seen.usage, seen.service_tier)
    if not seen.characters:
        return None
    written = max(1, seen.characters // CHARACTERS_PER_TOKEN)
    return Tokens(
        input=prompt_tokens(exchange.request),
        output=written,
        estimated=True,
        service_tier=seen.service_tier,
    )


def _failure(flow: http.HTTPFlow, exchange: Exchange) -> str | None:
    if exchange.winner:
        return None
    if flow.error or flow.response is None:
        return CLIENT_LEFT
    if exchange.stopping:
        return CUT_OFF.kind
    if exchange.failures:
        return exchange.failures[-1].error.kind
    return (isinstance(exchange.step, Exhausted) and exchange.step.error.code) or "no_attempt"
