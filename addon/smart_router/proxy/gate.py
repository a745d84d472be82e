"""Keeps mitmproxy from serving as a plain proxy while the router is not loaded, configured and running.

mitmproxy logs an error in a script and goes on without it: clients' prompts and keys would go to the reverse
target. So the gate is an addon of mitmproxy's own, not of the script: a reload that fails leaves it closed.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any, Self

from mitmproxy import connection, ctx, exceptions, http
from mitmproxy.addonmanager import traverse

from smart_router.proxy.handlers import end_client

logger = logging.getLogger(__name__)


class Gate:
    """Closed from `close` to `open`: new connections wait, requests on established ones are cut off.

    After `fail` they are refused until a later `open`. At start mitmproxy ends on the error that this logs.
    """

    name = "smart-router-gate"

    def __init__(self) -> None:
        self._decided = asyncio.Event()
        self.failed = False
        self._refused = False

    @classmethod
    def refusing(cls, error: Exception) -> Self:
        """Return a closed gate to use in place of addons that cannot be imported."""
        logger.error("smart-router: cannot be imported, so nothing is served: %s", error, exc_info=error)
        gate = cls()
        gate.failed = True
        gate._decided.set()
        return gate

    @property
    def is_open(self) -> bool:
        """True while the router serves."""
        return self._decided.is_set() and not self.failed

    def close(self, addon: Any) -> None:
        """Let no client in; fails at the event loop's next turn unless mitmproxy has loaded `addon`."""
        self.failed = False
        self._decided.clear()
        if ctx.master.addons.get(self.name) is None:
            ctx.master.addons.add(self)
        # mitmproxy loads a script without interruption: the event loop's next turn comes after it
        asyncio.get_running_loop().call_soon(self._check, addon)

    def open(self) -> None:
        """Let clients in; while open the gate is not among the addons and costs nothing."""
        if self._refused:
            logger.info("smart-router: serves again")
        self._refused = False
        self._decided.set()
        if ctx.master.addons.get(self.name) is not None:
            ctx.master.addons.remove(self)

    @contextmanager
    def guard(self) -> Iterator[None]:
        """Fail the closed gate at an exception in the block; an OptionsError is logged in one line."""
        try:
            yield
        except Exception as error:
            if self.is_open:
                raise
            known = isinstance(error, exceptions.OptionsError)
            self.fail(str(error) or repr(error), None if known else error)

    def fail(self, reason: str, error: Exception | None = None) -> None:
        """Refuse all clients, and log the reason as an error, with the traceback of an unexpected one."""
        logger.error("smart-router: %s", reason, exc_info=error)
        self.failed = self._refused = True
        self._decided.set()
        for handler in ctx.master.addons.get("proxyserver").connections.values():
            end_client(handler, "the router is not loaded")

    def _check(self, addon: Any) -> None:
        """Fail unless the addon is loaded: mitmproxy drops a script that raised an error, often silently."""
        if not self.failed and not any(found is addon for found in traverse(ctx.master.addons.chain)):
            self.fail("not loaded, so nothing is served until the script loads without an error")

    async def client_connected(self, client: connection.Client) -> None:
        """Hold a client until the gate opens or fails."""
        await self._decided.wait()
        if self.failed:
            client.error = "the router is not loaded"

    def requestheaders(self, flow: http.HTTPFlow) -> None:
        """Kill the flow."""
        if flow.killable:
            flow.kill()

    request = requestheaders
