"""Conversations that move between machines: which model answered them, and the reasoning that it must get
back.

Both are written as they arise and read only when a request shows earlier turns that this machine does not
know. A request waits for that at most `WITHIN`; then it goes on without. Rows go to nobody: they are looked
up by key.
"""

from __future__ import annotations

import asyncio
import logging
import queue
import time
from collections.abc import Awaitable, Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from functools import partial
from math import inf
from typing import Any, NamedTuple

from pydantic import SecretStr
from pydantic_core import from_json, to_json

from smart_router.attempts.exchange import Exchange
from smart_router.attempts.reasoning_cache import ReasoningCache, scope_of
from smart_router.background import BackgroundThread
from smart_router.cluster.database import LOST, DataError, SharedDatabase, reason
from smart_router.cluster.replica import Replica
from smart_router.cluster.sealing import SealError
from smart_router.cluster.settings import ClusterSettings
from smart_router.dialects.hub import ReasoningDetail
from smart_router.routing.decision import Candidate, Decision
from smart_router.routing.sticky import StickyEntry, StickyTable

logger = logging.getLogger(__name__)

WITHIN = 0.05
"""Seconds that a request waits. The machine that answered the last turn may still be writing it."""

MOST = 0.25
"""Seconds that a request waits at most, where this machine is busy and not the database."""

LOOK_EVERY = 0.005
"""Seconds between looks for a row that is not there yet."""

REASONING_KEPT = 6 * 3600.0
"""Seconds for which reasoning is kept."""

RETELL = 1 / 8
"""Share of a sticky entry's time to live after which an unchanged one is written again."""

MOST_TOLD = 10_000

AWAY = 1.0
"""Seconds for which nothing is asked after the database failed to answer."""

TIDY_EVERY = 60.0

STICKY, REASONING = "sticky", "reasoning"

_PUT = """
INSERT INTO smart_router.remembered SELECT * FROM json_populate_recordset(NULL::smart_router.remembered, %s)
ON CONFLICT (kind, key) DO UPDATE SET value = excluded.value, deadline = excluded.deadline
"""

_GET = """
SELECT kind, key, r.value FROM smart_router.remembered AS r
JOIN json_populate_recordset(NULL::smart_router.remembered, %s) AS wanted USING (kind, key)
"""

_TIDY = """
DELETE FROM smart_router.remembered WHERE (kind, key) IN (
    SELECT kind, key FROM smart_router.remembered WHERE deadline < %s LIMIT 1000
)
"""


class Name(NamedTuple):
    """The key of a row."""

    kind: str
    key: str


Found = dict[Name, str]


@dataclass(slots=True)
class _Question:
    """A request's look-up, awaited on its event loop. `until` is when the thread stops to look for it."""

    wanted: Sequence[Name]
    loop: asyncio.AbstractEventLoop
    answered: asyncio.Event
    until: float
    asked: float = field(default_factory=time.monotonic)
    found: Found = field(default_factory=dict)

    def tell(self) -> None:
        with suppress(RuntimeError):  # the loop has ended
            self.loop.call_soon_threadsafe(self.answered.set)


_Job = dict[str, Any] | _Question | None
"""A row to write, a question, or nothing: to connect."""


class Recall:
    """Writes and looks up rows in a thread with a connection of its own."""

    def __init__(self, settings: ClusterSettings, replica: Replica) -> None:
        self._settings = settings
        self._replica = replica
        self._jobs: queue.SimpleQueue[_Job] = queue.SimpleQueue()
        self._thread = BackgroundThread("cluster-recall", self._run)
        self._away_until = self._tidy_at = 0.0
        self._asked_at = inf
        self._told: dict[str, tuple[Candidate, float]] = {}

    def start(self) -> None:
        """Start the thread, which connects at once: the first request to ask has no time for that."""
        self._thread.start()
        self._jobs.put(None)

    def tell_sticky(self, key: tuple[str, str], kept: StickyEntry, ttl: float) -> None:
        """Write which candidate answered a conversation."""
        name = "|".join(key)
        candidate, at = self._told.get(name, (None, 0.0))
        if candidate == kept.candidate and kept.at - at < ttl * RETELL:
            return
        if len(self._told) >= MOST_TOLD:
            self._told.clear()
        self._told[name] = kept.candidate, kept.at
        value = to_json([kept.candidate.provider, kept.candidate.model, kept.tier]).decode()
        self._put(Name(STICKY, name), value, ttl)

    def tell_reasoning(self, keys: Sequence[str], details: Sequence[ReasoningDetail]) -> None:
        """Write a turn's reasoning, sealed; an empty list says that it has none."""
        seal = self._settings.seal
        if seal is None:
            return  # answers' texts are not stored in the clear
        text = SecretStr(to_json(details).decode())
        for key in keys:
            self._put(Name(REASONING, key), seal.close(text, key), REASONING_KEPT)

    async def find(self, wanted: Sequence[Name], until: float) -> Found:
        """Return the rows that are there before `until` (monotonic); each is looked for at least once.

        Only the database's time is limited so strictly: where this machine's own thread is late, because
        others have the CPU, as the request will be, it waits for `MOST` at most.
        """
        now = time.monotonic()
        away = self._replica.state.get("state") != "ok" or now < self._away_until or self._is_slow(now)
        if away or not wanted:
            return {}
        until = max(until, now + LOOK_EVERY)
        question = _Question(wanted, asyncio.get_running_loop(), asyncio.Event(), until)
        self._jobs.put(question)
        while not question.answered.is_set():
            now = time.monotonic()
            if now >= until and (self._is_slow(now) or now >= until + MOST - WITHIN):
                break
            with suppress(TimeoutError):
                await asyncio.wait_for(question.answered.wait(), max(LOOK_EVERY, until - now))
        return question.found

    def _is_slow(self, now: float) -> bool:
        """Return whether the database has been thinking for too long about what it was asked last."""
        return now - self._asked_at > WITHIN

    def open(self, sealed: str, key: str) -> list[ReasoningDetail] | None:
        """Return the reasoning of a row; None if it cannot be opened."""
        try:
            assert self._settings.seal is not None
            details: list[ReasoningDetail] = from_json(
                self._settings.seal.open(sealed, key).get_secret_value()
            )
            return details
        except (SealError, ValueError):
            return None

    @property
    def seals(self) -> bool:
        """True if reasoning is shared."""
        return self._settings.seal is not None

    def _put(self, name: Name, value: str, seconds: float) -> None:
        self._jobs.put({**name._asdict(), "value": value, "deadline": self._replica.now() + seconds})

    def _run(self) -> None:
        waiting: list[_Question] = []
        rows: dict[Name, dict[str, Any]] = {}
        db: SharedDatabase | None = None
        while True:
            for job in self._next_jobs(LOOK_EVERY if waiting else AWAY if rows else None):
                if isinstance(job, _Question):
                    job.until += max(0.0, time.monotonic() - job.asked)  # in which nobody has looked
                    waiting.append(job)
                elif job is not None:
                    rows[Name(job["kind"], job["key"])] = job
            while len(rows) > MOST_TOLD:
                del rows[next(iter(rows))]
            connected = db is not None
            try:
                self._asked_at = time.monotonic()
                db = db or SharedDatabase(self._settings.url)
                self._write(db, list(rows.values()))
                rows.clear()
                waiting = self._answer(db, waiting)
            except BaseException as error:  # a thread that has ended would cost each request its wait
                if isinstance(error, LOST):
                    logger.debug("conversations are not looked up: %s", reason(error))
                else:
                    logger.exception("conversations could not be looked up")
                if db is not None:
                    db.close()
                db = None
                if isinstance(error, DataError) or not isinstance(error, LOST):
                    rows.clear()  # they would be refused again
                if not connected:  # else it may be back already
                    self._away_until = time.monotonic() + AWAY  # in which nothing new is asked
                    for question in waiting:
                        question.tell()
                    waiting = []
            self._asked_at = inf

    def _next_jobs(self, within: float | None) -> list[_Job]:
        jobs = []
        try:
            jobs.append(self._jobs.get(timeout=within))
            while True:
                jobs.append(self._jobs.get_nowait())
        except queue.Empty:
            return jobs

    def _ask(self, db: SharedDatabase, sql: str, values: Sequence[object]) -> list[tuple[Any, ...]]:
        self._asked_at = time.monotonic()
        return db.execute(sql, values)

    def _write(self, db: SharedDatabase, rows: Sequence[dict[str, Any]]) -> None:
        if rows:
            self._ask(db, _PUT, (to_json(rows).decode(),))
        if time.monotonic() >= self._tidy_at:
            self._tidy_at = time.monotonic() + TIDY_EVERY
            self._ask(db, _TIDY, (self._replica.now(),))

    def _answer(self, db: SharedDatabase, waiting: Sequence[_Question]) -> list[_Question]:
        """Answer what can be; return the questions that are asked again. Each is asked once, however late."""
        left = []
        for question in waiting:
            names = to_json([name._asdict() for name in question.wanted]).decode()
            rows = self._ask(db, _GET, (names,))
            question.found.update({Name(kind, key): value for kind, key, value in rows})
            if not rows and time.monotonic() + LOOK_EVERY < question.until:
                left.append(question)
            else:
                question.tell()
        return left


class Conversation:
    """Brings what is known elsewhere of one request's earlier turns into this machine's tables."""

    def __init__(self, recall: Recall, sticky: StickyTable, reasoning: ReasoningCache) -> None:
        self._recall = recall
        self._sticky = sticky
        self._reasoning = reasoning

    def missing(
        self, exchange: Exchange, keys: Sequence[str], decide: Callable[[], Decision]
    ) -> Callable[[], Awaitable[None]] | None:
        """Return what looks up the earlier turns; None if this machine knows them. `keys` are
        SessionKeys.earlier."""
        if self._unknown_keys(exchange, keys) or self._unknown_reasoning(exchange):
            return partial(self._look_up, exchange, keys, decide)
        return None

    async def _look_up(self, exchange: Exchange, keys: Sequence[str], decide: Callable[[], Decision]) -> None:
        """Look them up, and decide again if the conversation is on a candidate."""
        until = time.monotonic() + WITHIN
        names = self._unknown_keys(exchange, keys)
        found = await self._recall.find(names, until)
        for key, name in zip(keys, names, strict=False):
            if name in found:
                provider, model, tier = from_json(found[name])
                entry = StickyEntry(Candidate(provider, model), tier, time.monotonic())
                self._sticky.put((key, exchange.decision.asked), entry)
                exchange.decision = decide()
                exchange.remaining = list(exchange.decision.candidates)
                break
        lacking = self._unknown_reasoning(exchange)
        known = await self._recall.find([Name(REASONING, key) for key in lacking], until)
        for name, sealed in known.items():
            if (details := self._recall.open(sealed, name.key)) is not None:
                self._reasoning.put([name.key], details)

    def _unknown_keys(self, exchange: Exchange, keys: Sequence[str]) -> list[Name]:
        decision = exchange.decision
        if decision.tier is None or self._sticky.get(keys, decision.asked, time.monotonic()):
            return []
        return [Name(STICKY, f"{key}|{decision.asked}") for key in keys]

    def _unknown_reasoning(self, exchange: Exchange) -> list[str]:
        # clients of the other formats carry it themselves
        if (
            not self._recall.seals
            or exchange.dialect.name != "openai-chat"
            or not exchange.decision.candidates
        ):
            return []
        scope = scope_of(exchange.client, exchange.decision.candidates[0])
        return self._reasoning.unknown(exchange.request, exchange.history, scope)
