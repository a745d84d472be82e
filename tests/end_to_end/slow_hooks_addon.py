"""Loaded beside the router: hooks that take their time, as an addon of the user's may."""

from __future__ import annotations

import asyncio

from mitmproxy import http

from smart_router.attempts.exchange import Exchange

SECONDS = 0.6


class SlowHooks:
    async def responseheaders(self, flow: http.HTTPFlow) -> None:
        if flow.request.path.startswith("/slow_head/"):
            await asyncio.sleep(SECONDS)

    async def router_next_attempt(self, exchange: Exchange) -> None:
        if exchange.decision.asked.startswith("slow_pick"):
            await asyncio.sleep(SECONDS)


addons = [SlowHooks()]
