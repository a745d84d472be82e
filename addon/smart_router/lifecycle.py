"""Opening the runtime, keeping it up to date, and closing it."""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import Callable, Sequence
from contextlib import suppress

from mitmproxy import ctx, exceptions

from smart_router import background
from smart_router.addresses import LOOPBACK, SERVED
from smart_router.api.handler import RequestHandler
from smart_router.attempts.exchange import Exchange
from smart_router.attempts.limits import Limits
from smart_router.auth.storage.writer import StoreError
from smart_router.background import RepeatedStep
from smart_router.config_errors import ConfigError
from smart_router.local_trouble import report_unhandled
from smart_router.memory import collect_leftovers, return_freed_memory
from smart_router.options import read_limits, read_retention
from smart_router.proxy.fixes.slow_readers import SlowReaders
from smart_router.proxy.install import settle
from smart_router.recording import FLUSH_WITHIN
from smart_router.requests_in_progress import count_running
from smart_router.routing import Candidate
from smart_router.runtime import Runtime, open_runtime
from smart_router.start_line import pointed_at_itself, start_line
from smart_router.stats.writer import Retention
from smart_router.ui.flow_list import refresh, show_costs
from smart_router.ui.progress import Watch

logger = logging.getLogger(__name__)

RELOAD_EVERY = 1.0
"""Seconds between checks of the config file and of freed memory."""

STEPS: Sequence[tuple[str, str, Callable[[Runtime, float], object]]] = (
    ("config", "the config could not be checked for changes", lambda runtime, now: runtime.reload()),
    ("logins", "logins could not be refreshed", lambda runtime, now: runtime.refresher.refresh_due()),
    ("trouble", "troubles could not be checked", lambda runtime, now: runtime.troubles.look(now)),
    ("lessons-file", "lessons could not be read", lambda runtime, now: runtime.lessons.look(now)),
    ("threads", "threads could not be checked", lambda runtime, now: background.revive()),
)
"""Steps of each look: name, message of a failure, and the function, which is given the monotonic time."""


class Lifecycle:
    """Holds the runtime, None while there is no usable config. It outlives a reload of the script."""

    def __init__(self, slow_readers: SlowReaders) -> None:
        self.runtime: Runtime | None = None
        self._opened_at = ("", "")
        self._tasks: list[asyncio.Task[None]] = []
        self._end_reports: Callable[[], None] = lambda: None
        self._steps = {RepeatedStep(name, failure): step for name, failure, step in STEPS}
        self._slow_readers = slow_readers
        self._readers = RepeatedStep("readers", "clients that take nothing could not be looked for")
        self._memory = RepeatedStep("memory", "freed memory could not be returned")

    def start(self, handler: RequestHandler) -> None:
        """Read config and credentials, and watch the config file from now on. Raises OptionsError."""
        runtime = self.runtime or self._open(handler)
        handler.watcher.open()
        self._end_reports = report_unhandled(self._arose)
        _log_start(runtime)  # before `settle` reopens the sockets, which then have no address for a moment
        watch = Watch(handler.claims, refresh, self._estimate)
        on_loopback = ctx.options.listen_host == LOOPBACK
        settling = settle(ctx.master.addons.get("proxyserver"), on_loopback=on_loopback)
        self._tasks = [asyncio.create_task(work) for work in (self._watch(handler), watch.run(), settling)]

    def apply(self, handler: RequestHandler, limits: Limits, retention: Retention) -> None:
        """Use changed options. Reopens the runtime if its paths changed. Raises OptionsError."""
        if self.runtime is None:
            return
        self.runtime.set_limits(limits)
        self.runtime.recording.writer.retention = retention
        if self._opened_at != _paths():  # a reload of the script names all options as updated
            self._open(handler)

    def stop(self, handler: RequestHandler) -> None:
        """Stop watching, and write the records and logins that are not on disk yet."""
        handler.watcher.close()
        self._end_reports()
        for task in self._tasks:
            task.cancel()
        if self.runtime is not None:
            with suppress(StoreError):  # already logged
                self.runtime.auth.flush(last=True)
            self.runtime.clients.keep()
            self.runtime.recording.writer.flush(FLUSH_WITHIN, last=True)
            if self.runtime.cluster is not None:
                self.runtime.cluster.flush(FLUSH_WITHIN)

    def _open(self, handler: RequestHandler) -> Runtime:
        try:
            runtime = open_runtime(*_paths())
        except ConfigError as error:
            raise exceptions.OptionsError(str(error)) from error
        runtime.set_limits(read_limits(ctx.options))
        runtime.recording.writer.retention = read_retention(ctx.options)
        runtime.recording.on_cost = show_costs
        # a copy: another thread counts
        runtime.count_running = lambda: count_running(list(handler.claims))
        if self.runtime is not None:
            self.runtime.auth.close()
            self.runtime.clients.close()
            self.runtime.recording.writer.close()
            self.runtime.lessons.close()
            if self.runtime.cluster is not None:
                self.runtime.cluster.close()
        self.runtime = handler.router = runtime
        self._opened_at = _paths()
        return runtime

    async def _watch(self, handler: RequestHandler) -> None:
        while True:
            await asyncio.sleep(RELOAD_EVERY)
            for repeated, step in self._steps.items():
                with repeated:  # a failure must not keep the other steps, or the next look, from running
                    if self.runtime is not None:
                        step(self.runtime, time.monotonic())
            with self._readers:
                self._slow_readers.look(time.monotonic(), handler.claims.client_limits.unread)
            with self._memory:
                if not count_running(handler.claims):
                    collect_leftovers()
                await asyncio.to_thread(return_freed_memory)

    def _arose(self, advice: str) -> None:
        if self.runtime is not None:
            self.runtime.troubles.arose(advice, time.monotonic())

    def _estimate(self, exchange: Exchange, candidate: Candidate) -> str | None:
        return self.runtime.recording.estimate(exchange, candidate) if self.runtime else None


def _log_start(runtime: Runtime) -> None:
    servers = list(ctx.master.addons.get("proxyserver").servers)
    addresses = [address for server in servers for address in server.listen_addrs]
    page = next(
        (one for server in servers if isinstance(server.mode, SERVED) for one in server.listen_addrs), None
    )
    profiles = {id_: runtime.auth.statuses(id_, time.monotonic()) for id_ in runtime.config.providers}
    status = runtime.config_status()
    config = f"defaults (no {status['path']})" if status["defaults"] else status["path"]
    logger.info("%s", start_line(addresses, config, profiles, page))
    for warning in pointed_at_itself(addresses, runtime.config.providers, runtime.env):
        logger.warning("smart-router: %s", warning)


def _paths() -> tuple[str, str]:
    """The options for the config file and the state folder."""
    return ctx.options.router_config, ctx.options.router_state
