"""`smart-router serve` as a child process, like `tests.harness.Router`."""

from __future__ import annotations

import signal
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from tests import ready_addon
from tests.harness import MITMDUMP, Router, RouterError

SMART_ROUTER = MITMDUMP.with_name("smart-router")


class Served(Router):
    """The server that `arguments` of the command start, at a free port; the rest is as Router's."""

    def __init__(self, folder: Path, arguments: Sequence[str], **kwargs: Any) -> None:
        super().__init__(folder, options={}, **kwargs)
        settings = [
            f"confdir={folder / 'confdir'}",
            f"ssl_verify_upstream_trusted_ca={folder / 'trusted.pem'}",
        ]
        sets = [argument for setting in settings for argument in ("--set", setting)]
        ready = ["--", "-s", str(ready_addon.__file__)]
        self._command = [str(SMART_ROUTER), *arguments, "--port", "0", *sets, *ready]

    def start(self) -> Served:
        super().start()
        self.wait_for_log("serving at")
        return self

    def end(self) -> None:
        """End it, if it has not ended by itself. Raises RouterError if it logged a traceback."""
        self._end()
        if "Traceback" in self.log:
            raise RouterError("a worker logged a traceback", self.log)

    def send(self, what: signal.Signals) -> None:
        """Send the supervisor a signal."""
        self.process.send_signal(what)

    async def workers(self) -> list[dict[str, Any]]:
        """What /health says of the workers."""
        async with self.http() as http:
            listed: list[dict[str, Any]] = (await http.get("/health")).json()["workers"]
        return listed

    async def serving(self) -> set[int]:
        """The process ids of the workers that serve."""
        return {worker["pid"] for worker in await self.workers() if worker["state"] == "serving"}
