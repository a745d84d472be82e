"""A client of `/v1/responses` over a WebSocket: one turn on a connection of its own."""

from __future__ import annotations

import json
from typing import Any

from websockets.asyncio.client import connect
from websockets.exceptions import ConnectionClosed

from tests.testbed.client_formats import FORMATS, Got
from tests.testbed.harness import Router

LAST = ("response.completed", "response.incomplete", "response.failed", "error")
"""Events that end a turn."""


async def ask_turn(router: Router, model: str, text: str) -> Got:
    """Ask the model, and read the answer as far as it goes."""
    got, format_ = Got(200), FORMATS["responses"]
    try:
        async with connect(f"ws://127.0.0.1:{router.port}/v1/responses", max_size=1 << 24) as socket:
            await socket.send(json.dumps({"type": "response.create", **format_.body(model, text, True)}))
            while True:
                event: dict[str, Any] = json.loads(await socket.recv())
                if event["type"] == "error":
                    got.status = event.get("status", got.status)
                if error := format_.error_of(event):
                    got.error = error
                else:
                    got.text += format_.read(got, event)
                if event["type"] in LAST:
                    return got
    except ConnectionClosed:
        got.broken = True
        return got
