"""The faults of the soak's provider, on three wires. Pure: a fault follows from seed and request."""

from __future__ import annotations

import json
import random
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, Literal

from tests.testbed.answers import Answer, Fault
from tests.testbed.record import Request
from tests.testbed.wires import speak

Wire = Literal["chat", "anthropic", "gemini"]

_HTML = b"<html><head><title>502 Bad Gateway</title></head><body>nginx</body></html>"
_FULL_WORDS = 3
"""Words of a stream that are complete before a fault after the first content."""

_ERRORS: Mapping[str, Mapping[Wire, tuple[int, str]]] = {
    "server error": {
        "chat": (500, "server_error"),
        "anthropic": (500, "api_error"),
        "gemini": (500, "INTERNAL"),
    },
    "overloaded": {
        "chat": (503, "server_is_overloaded"),
        "anthropic": (529, "overloaded_error"),
        "gemini": (503, "UNAVAILABLE"),
    },
    "rate limit": {
        "chat": (429, "rate_limit_exceeded"),
        "anthropic": (429, "rate_limit_error"),
        "gemini": (429, "RESOURCE_EXHAUSTED"),
    },
}
"""Status and error type of a failure, by wire."""


@dataclass(frozen=True, slots=True)
class Planned:
    """The right answer to a request, for a fault to spoil."""

    wire: Wire
    answer: Answer
    events: list[bytes]

    @property
    def streams(self) -> bool:
        return self.answer.cut == "events"

    @property
    def middle(self) -> int:
        """The offset of a stream's event that comes after the first complete words."""
        mark = f":{_FULL_WORDS}".encode()
        sizes = [len(event) for event in self.events]
        return sum(sizes[: next(number for number, event in enumerate(self.events) if mark in event)])


def planned(request: Request, text: str) -> Planned:
    """The answer `text` on the wire that the request's path belongs to."""
    answer = speak(request, text)
    path = request.path.partition("?")[0]
    wire: Wire = "chat" if path.endswith("/completions") else "anthropic"
    return Planned("gemini" if "enerateContent" in path else wire, answer, answer.chunks(request.model))


def _error_body(wire: Wire, kind: str) -> dict[str, Any]:
    status, name = _ERRORS[kind][wire]
    message = f"The scripted provider plays: {kind}."
    if wire == "anthropic":
        return {"type": "error", "error": {"type": name, "message": message}}
    if wire == "gemini":
        return {"error": {"code": status, "message": message, "status": name}}
    return {"error": {"message": message, "type": name, "param": None, "code": name}}


def _error(kind: str, **headers: str) -> Callable[[Planned], Answer]:
    def make(due: Planned) -> Answer:
        body = json.dumps(_error_body(due.wire, kind)).encode()
        return Answer(
            _ERRORS[kind][due.wire][0],
            {"content-type": "application/json", **{n.replace("_", "-"): v for n, v in headers.items()}},
            body,
        )

    return make


def _breaks(fault: Fault, *, after_content: bool = False) -> Callable[[Planned], Answer]:
    def make(due: Planned) -> Answer:
        return due.answer.but(fault=fault, fault_at=due.middle if after_content else None)

    return make


def _error_in_200(due: Planned) -> Answer:
    body = json.dumps(_error_body(due.wire, "overloaded")).encode()
    return due.answer.but(body=_error_event(body) if due.streams else body)


def _error_after_content(due: Planned) -> Answer:
    body = json.dumps(_error_body(due.wire, "overloaded")).encode()
    return due.answer.but(body=due.answer.body[: due.middle] + _error_event(body))


def _error_event(body: bytes) -> bytes:
    return b"event: error\ndata: %b\n\n" % body


def _malformed(due: Planned) -> Answer:
    return due.answer.but(body=b'data: {"choices": [{\n\n' + due.answer.body if due.streams else b"{choices}")


def _truncated(due: Planned) -> Answer:
    """The end is missing, but the transfer is whole: a stream ends in the middle of an event."""
    at = due.middle + 20 if due.streams else len(due.answer.body) // 2
    return due.answer.but(body=due.answer.body[:at])


def _no_terminal_marker(due: Planned) -> Answer:
    return due.answer.but(body=due.answer.body[: due.middle])


FAULTS: Mapping[str, Callable[[Planned], Answer]] = {
    "server error": _error("server error"),
    "overloaded": _error("overloaded"),
    "rate limit": _error("rate limit"),
    "rate limit, retry-after": _error("rate limit", retry_after="1"),
    "dropped before the head": _breaks(Fault.RESET_BEFORE_HEAD),
    "dropped after the head": _breaks(Fault.CLOSE_AFTER_HEAD),
    "silent": _breaks(Fault.SILENT_BEFORE_HEAD),
    "slow drip": _breaks(Fault.DRIP),
    "HTML page": lambda due: Answer(502, {"content-type": "text/html"}, _HTML),
    "malformed": _malformed,
    "error in a 200": _error_in_200,
    "truncated": _truncated,
}
"""Faults of every answer. The slow drip is one that nobody may notice."""

STREAM_FAULTS: Mapping[str, Callable[[Planned], Answer]] = {
    **FAULTS,
    "cut after content": _breaks(Fault.CLOSE_MID_BODY, after_content=True),
    "error after content": _error_after_content,
    "silent after content": _breaks(Fault.SILENT_MID_BODY, after_content=True),
    "no terminal marker": _no_terminal_marker,
}
"""Faults of a stream."""


def draw(seed: int, rate: float, number: int, attempt: int, *, streams: bool) -> str | None:
    """The fault of the `attempt`-th try of a request, or None.

    It depends on nothing else, so each run with a seed meets the same faults, however it is timed.
    """
    rng = random.Random(f"{seed}/{number}/{attempt}")  # noqa: S311  # repeatable on purpose
    if rng.random() >= rate:
        return None
    return rng.choice(list(STREAM_FAULTS if streams else FAULTS))
