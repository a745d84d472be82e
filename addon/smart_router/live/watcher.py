"""Collects the state that pages show, only while somebody watches."""

from __future__ import annotations

import asyncio
import secrets
import time
from collections.abc import Awaitable, Callable
from typing import Any

from mitmproxy import ctx

from smart_router.background import RepeatedStep
from smart_router.errors import ClientError
from smart_router.live.feed import Feed, Viewer
from smart_router.live.records import Records
from smart_router.live.state import facts, provider_rows, running_rows
from smart_router.proxy.claims import Claims
from smart_router.requests_in_progress import listed
from smart_router.runtime import Runtime

LOOK_EVERY = 0.5
"""Seconds between two updates."""

LINGER = 3.0
"""Seconds for which a feed goes on after its last page has left: a page may reconnect at once."""

MOST_VIEWERS = 50
"""Pages that may watch at the same time."""

Listed = list[dict[str, Any]]


async def _alone(own: Listed) -> Listed:
    return own


class Watcher:
    """The feed of one process, which exists while pages watch. Use from the event loop's thread.

    `everywhere` turns this process's requests in progress into those of all workers.
    """

    def __init__(self, claims: Claims) -> None:
        self.everywhere: Callable[[Listed], Awaitable[Listed]] = _alone
        self._claims = claims
        self._viewers: set[Viewer] = set()
        self._feed = Feed("", time.time)
        self._task: asyncio.Task[None] | None = None
        self._ready = asyncio.Event()
        self._closed = False
        self._step = RepeatedStep("live-page", "the live page could not be brought up to date")

    async def watch(self, runtime: Runtime, last: str) -> Viewer:
        """Return a new page's place in the feed, at the message after `last`, if that is still kept.

        Raises ClientError.
        """
        if self._closed or len(self._viewers) >= MOST_VIEWERS:
            why = "the router is about to end" if self._closed else f"{MOST_VIEWERS} pages watch already"
            raise ClientError(503, why, code="not_watched")
        if self._task is None or self._task.done():
            self._feed, self._ready = Feed(secrets.token_hex(4), time.time), asyncio.Event()
            self._task = asyncio.create_task(self._run(runtime))
        viewer = Viewer(self._feed, time.monotonic(), last)
        self._viewers.add(viewer)
        await self._ready.wait()
        return viewer

    def open(self) -> None:
        """Let pages watch."""
        self._closed = False

    def close(self) -> None:
        """End all pages' events, and let no page watch any more."""
        self._closed = True
        for viewer in self._viewers:
            viewer.close()
        if self._task is not None:
            self._task.cancel()
        self._ready.set()

    async def _run(self, runtime: Runtime) -> None:
        records = Records(runtime.recording.folder, runtime.recording.shared)
        watched = time.monotonic()
        while (now := time.monotonic()) - watched < LINGER:
            with self._step:  # a page must not end for one odd record
                await self._look(runtime, records)
            self._ready.set()
            self._viewers = {one for one in self._viewers if one.watches(now)}
            watched = now if self._viewers else watched
            await asyncio.sleep(LOOK_EVERY)

    async def _look(self, runtime: Runtime, records: Records) -> None:
        found = await asyncio.to_thread(records.read) if records.news() else {}
        now = time.monotonic()
        running = await self.everywhere(listed(self._claims, now, time.time()))
        rows = {"running": running_rows(running), "providers": provider_rows(runtime, now)}
        self._feed.publish(rows=rows, router=facts(runtime, now, _mitmweb(), len(running)), **found)


def _mitmweb() -> str | None:
    """The address of this process's mitmweb, if it runs one."""
    if ctx.master.addons.get("webauth") is None:
        return None
    host = ctx.options.web_host
    return f"http://{f'[{host}]' if ':' in host else host}:{ctx.options.web_port}"
