"""The addon that makes a mitmproxy process a worker: it reports to the supervisor and drains on command."""

from __future__ import annotations

import asyncio
import logging
import os
import socket
from typing import Any

from mitmproxy import ctx, http

from smart_router.addon import SmartRouter, _smart_router
from smart_router.background import RepeatedStep
from smart_router.recording import FLUSH_WITHIN
from smart_router.runtime import Runtime
from smart_router.ui import flow_marks
from smart_router.workers.aggregate import SharedRequestHandler, count_running
from smart_router.workers.channel import Channel, Message
from smart_router.workers.drain import drain
from smart_router.workers.inherited_sockets import Inherited
from smart_router.workers.report import report
from smart_router.workers.session_sync import SessionSync

logger = logging.getLogger(__name__)

REPORT_EVERY = 0.5
"""Seconds between reports. Counts of other workers are at most this old; a killed worker loses at most this
much."""

ORPHANED = 30.0
"""Grace period in seconds if the supervisor dies."""

TELL_WITHIN = 0.01
"""Seconds for which session state is collected before it is sent."""

VIEW_WITHIN = 3.0
"""Seconds the supervisor may take to answer; it has nothing else to do."""


class WorkerAddon:
    """Connects the router to its supervisor. Inactive until `join`."""

    name = "smart-router-worker"

    def __init__(self, router: SmartRouter) -> None:
        self._addon = router
        self._inherited = Inherited({})
        self._control: socket.socket | None = None
        self._channel: Channel | None = None
        self._view: asyncio.Future[Message] | None = None
        self._untold: list[Any] = []
        self._tasks: set[asyncio.Task[None]] = set()
        self._reporting = RepeatedStep("report", "the supervisor was not told of this worker's state")
        self.leaving = False

    def join(self, inherited: Inherited, control: socket.socket) -> None:
        """Become a worker: `control` leads to the supervisor, `inherited` are the listening sockets."""
        self._inherited = inherited
        self._control = control
        self._addon.serving = SharedRequestHandler(self._addon.claims, flow_marks, self.view)

    def running(self) -> None:
        """Start to serve. Without a router mitmproxy is about to exit on an error."""
        router = self._addon.router()
        if self._control is not None and router is not None:
            control, self._control = self._control, None
            self._start(self._serve(control, router))

    def responseheaders(self, flow: http.HTTPFlow) -> None:
        """While draining, make HTTP/1 clients reconnect: their next request must reach another worker."""
        if not self.leaving or flow.id in self._addon.attempts or flow.request.is_http2:
            return
        if flow.response is not None and flow.response.status_code != 101:
            flow.response.headers["connection"] = "close"

    async def view(self) -> Message | None:
        """Ask the supervisor for the state of all workers; None if it does not answer."""
        if self._channel is None:
            return None
        if self._view is None:
            self._view = asyncio.get_running_loop().create_future()
            self._report()
            self._channel.send("ask")
        try:
            return await asyncio.wait_for(asyncio.shield(self._view), VIEW_WITHIN)
        except TimeoutError:
            self._view = None
            return None

    def _start(self, work: Any) -> None:
        task = asyncio.create_task(work)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    async def _serve(self, control: socket.socket, router: Runtime) -> None:
        """Obey the supervisor's messages until the channel closes."""
        try:
            self._channel = channel = await Channel.open(control)
            sharing = SessionSync(router, self._tell)
            while message := await channel.receive():
                match message["type"]:
                    case "sync":
                        sharing.learn(message["told"])
                    case "begin":
                        await self._inherited.open()
                        channel.send("serving")
                        self._start(self._report_regularly())
                    case "view" if self._view is not None:
                        self._view.set_result(message)
                        self._view = None
                    case "drain":
                        self._leave(message["grace"])
            logger.error("the supervisor has exited; shutting down")
            self._leave(ORPHANED)
        except Exception:
            logger.exception("worker failed; shutting down")
            ctx.master.shutdown()

    def _tell(self, what: list[Any]) -> None:
        """Queue an entry for the other workers; entries are sent in batches."""
        if not self._untold:
            asyncio.get_running_loop().call_later(TELL_WITHIN, self._tell_all)
        self._untold.append(what)

    def _tell_all(self) -> None:
        untold, self._untold = self._untold, []
        if self._channel is not None:
            self._channel.send("sync", told=untold)

    async def _report_regularly(self) -> None:
        while True:
            with self._reporting:
                router = self._addon.router()
                if router is None or router.cluster is None:
                    self._report()
                elif view := await self.view():  # reports as well; the cluster tells other machines
                    router.running_elsewhere = count_running(view, but=os.getpid())
            await asyncio.sleep(REPORT_EVERY)

    def _report(self) -> None:
        router = self._addon.router()
        if self._channel is not None and router is not None:
            connections = len(ctx.master.addons.get("proxyserver").connections)
            self._channel.send("report", **report(router, connections, self._addon.claims))

    def _leave(self, grace: float) -> None:
        if not self.leaving:
            self.leaving = True
            self._addon.serving.watcher.close()
            self._start(self._end(grace))

    async def _end(self, grace: float) -> None:
        """Stop accepting, drain, and send a last report."""
        try:
            await self._inherited.close()
            await drain(ctx.master.addons.get("proxyserver"), grace)
            if router := self._addon.router():
                await asyncio.to_thread(router.recording.writer.flush, FLUSH_WITHIN)
            self._report()
            if self._channel is not None:
                await self._channel.flush()
        finally:
            ctx.master.shutdown()


member = WorkerAddon(_smart_router)
