"""Every turn of a WebSocket ends with an event that says so."""

from __future__ import annotations

import json
from typing import Any

import pytest

from smart_router.dialects.openai_responses.socket import SocketSession


@pytest.mark.parametrize(
    ("last", "told"),
    [
        ({"type": "response.completed", "response": {"id": "r", "output": []}}, []),
        ({"type": "response.failed", "response": {}}, []),
        ({"type": "error", "message": "no"}, []),
        ({"type": "response.output_text.delta", "delta": "a"}, ["error"]),
        (None, ["error"]),
    ],
)
def test_a_turn_whose_answer_breaks_off_ends_with_an_error(
    last: dict[str, Any] | None, told: list[str]
) -> None:
    session = SocketSession("s")
    session.receive(json.dumps({"type": "response.create", "model": "m", "input": "Hi"}))
    session.begin()
    session.head(200)
    if last is not None:
        session.data(b"data: %b\n\n" % json.dumps(last).encode())
    assert [json.loads(event)["type"] for event in session.end()] == told
