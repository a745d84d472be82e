"""Loaded by the harness after the script under test: logs a line after that one's `running` hook."""

from __future__ import annotations

import asyncio
import logging

LINE = "ready for requests"


class Ready:
    def running(self) -> None:
        # mitmproxy ends a moment after this hook if anything logged an error while it started
        asyncio.get_running_loop().call_later(0.02, logging.info, LINE)


addons = [Ready()]
