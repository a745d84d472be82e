"""Answers of the scripted provider: their bytes, chunks, pace and faults."""

from __future__ import annotations

import dataclasses
import enum
import json
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal

MODEL = b"$MODEL"
"""In a body: stands for the model that the request asked for, without the quotes."""

NOW = b"$NOW"
"""In a chunk: stands for `time.monotonic()` when it is sent, to measure latency between two processes."""

Cut = int | Sequence[int] | Literal["events"] | None
"""Where a body is cut into chunks: every n bytes, by these sizes (the rest is one more), after each event."""


class Point(enum.Enum):
    """A place in an answer where a fault occurs."""

    CONNECTION = "connection"
    BEFORE_HEAD = "before head"
    MID_HEAD = "mid head"
    AFTER_HEAD = "after head"
    MID_BODY = "mid body"
    MID_CHUNK = "mid chunk"
    AFTER_BODY = "after body"


class Action(enum.Enum):
    """The action of a fault. HTTP/1 has no RST_STREAM or GOAWAY: there the connection is reset or closed."""

    CLOSE = "close"
    RESET = "reset"
    SILENCE = "silence"
    RST_STREAM = "rst_stream"
    GOAWAY = "goaway"
    GRACEFUL_GOAWAY = "graceful goaway"
    DRIP = "drip"
    TLS_GARBAGE = "tls garbage"
    TLS_UNTRUSTED = "tls untrusted"
    TLS_WRONG_NAME = "tls wrong name"
    TLS_EXPIRED = "tls expired"


class Fault(enum.Enum):
    """A fault: place and action. Faults of the connection are the provider's own, the others an answer's.

    CLOSE is a FIN, RESET a RST. A SILENT answer goes on when the test calls `request.release()`. MID_BODY
    occurs between two chunks, MID_CHUNK with half of a chunk's frame sent (both at `Answer.fault_at`).
    SHORT_BODY and LONG_BODY have ten bytes less and more than their content-length says. DRIP sends each
    byte by itself. GOAWAY ends all streams, a GRACEFUL_GOAWAY lets the running ones complete. A
    refused connection is `refused_port()`; an error inside a 200 is an ordinary answer.
    """

    CLOSE_ON_ACCEPT = (Point.CONNECTION, Action.CLOSE)
    TLS_GARBAGE = (Point.CONNECTION, Action.TLS_GARBAGE)
    TLS_UNTRUSTED = (Point.CONNECTION, Action.TLS_UNTRUSTED)
    TLS_WRONG_NAME = (Point.CONNECTION, Action.TLS_WRONG_NAME)
    TLS_EXPIRED = (Point.CONNECTION, Action.TLS_EXPIRED)
    CLOSE_BEFORE_HEAD = (Point.BEFORE_HEAD, Action.CLOSE)
    CLOSE_MID_HEAD = (Point.MID_HEAD, Action.CLOSE)
    CLOSE_AFTER_HEAD = (Point.AFTER_HEAD, Action.CLOSE)
    CLOSE_MID_BODY = (Point.MID_BODY, Action.CLOSE)
    CLOSE_MID_CHUNK = (Point.MID_CHUNK, Action.CLOSE)
    RESET_BEFORE_HEAD = (Point.BEFORE_HEAD, Action.RESET)
    RESET_MID_HEAD = (Point.MID_HEAD, Action.RESET)
    RESET_AFTER_HEAD = (Point.AFTER_HEAD, Action.RESET)
    RESET_MID_BODY = (Point.MID_BODY, Action.RESET)
    RESET_MID_CHUNK = (Point.MID_CHUNK, Action.RESET)
    SILENT_BEFORE_HEAD = (Point.BEFORE_HEAD, Action.SILENCE)
    SILENT_MID_HEAD = (Point.MID_HEAD, Action.SILENCE)
    SILENT_AFTER_HEAD = (Point.AFTER_HEAD, Action.SILENCE)
    SILENT_MID_BODY = (Point.MID_BODY, Action.SILENCE)
    SILENT_MID_CHUNK = (Point.MID_CHUNK, Action.SILENCE)
    RST_STREAM_BEFORE_HEAD = (Point.BEFORE_HEAD, Action.RST_STREAM)
    RST_STREAM_AFTER_HEAD = (Point.AFTER_HEAD, Action.RST_STREAM)
    RST_STREAM_MID_BODY = (Point.MID_BODY, Action.RST_STREAM)
    GOAWAY_BEFORE_HEAD = (Point.BEFORE_HEAD, Action.GOAWAY)
    GOAWAY_AFTER_HEAD = (Point.AFTER_HEAD, Action.GOAWAY)
    GOAWAY_MID_BODY = (Point.MID_BODY, Action.GOAWAY)
    GRACEFUL_GOAWAY_BEFORE_HEAD = (Point.BEFORE_HEAD, Action.GRACEFUL_GOAWAY)
    GRACEFUL_GOAWAY_MID_BODY = (Point.MID_BODY, Action.GRACEFUL_GOAWAY)
    DRIP = (Point.BEFORE_HEAD, Action.DRIP)
    SHORT_BODY = (Point.AFTER_BODY, Action.CLOSE, 10)
    LONG_BODY = (Point.AFTER_BODY, Action.CLOSE, -10)

    def __init__(self, point: Point, action: Action, overstated: int = 0) -> None:
        self.point = point
        self.action = action
        self.overstated = overstated


class Framing(enum.Enum):
    """The framing of a body in HTTP/1.1. HTTP/2 has its own framing and only takes the length from it."""

    LENGTH = "length"
    CHUNKED = "chunked"
    CLOSE = "close"


@dataclass(frozen=True, slots=True)
class Answer:
    """One answer. `cut` says where its chunks begin, `pause` how many seconds lie between two of them.

    With `stepped` each chunk waits for one `request.release()`. `framing` defaults to chunked for a body
    that is cut and to content-length otherwise. `fault_at` counts body bytes and defaults to the middle.
    `interim` are statuses below 200 that come first. `then` is a chunk that follows the body so many times:
    a large answer that takes no memory here.
    """

    status: int = 200
    headers: Mapping[str, str] = field(default_factory=lambda: {"content-type": "application/json"})
    body: bytes = b""
    cut: Cut = None
    pause: float = 0.0
    stepped: bool = False
    framing: Framing | None = None
    trailers: Mapping[str, str] = field(default_factory=dict)
    fault: Fault | None = None
    fault_at: int | None = None
    interim: Sequence[int] = ()
    then: tuple[bytes, int] = (b"", 0)

    def but(self, **changes: object) -> Answer:
        """The same answer with other fields: `chat_stream(["a", "b"]).but(pause=0.01)`."""
        return dataclasses.replace(self, **changes)  # type: ignore[arg-type]

    def chunks(self, model: str) -> list[bytes]:
        """The body's chunks for a request that asked for `model`."""
        body = self.body.replace(MODEL, json.dumps(model)[1:-1].encode())
        more, times = self.then
        return [chunk for chunk in _cut(body, self.cut) if chunk] + [more] * times

    def frame(self) -> Framing:
        """The framing used, with the default decided."""
        if self.fault in (Fault.SHORT_BODY, Fault.LONG_BODY):
            return Framing.LENGTH
        if self.framing is not None:
            return self.framing
        return Framing.LENGTH if self.cut is None and not self.trailers else Framing.CHUNKED


_EVENT_END = re.compile(rb"\n(?=(\n|(?<=\r\n)\r\n))")
"""The first of the two line ends after an event; group 1 is the second."""


def _events(body: bytes) -> Iterator[bytes]:
    start = 0
    for ends in _EVENT_END.finditer(body):
        yield body[start : ends.end(1)]
        start = ends.end(1)
    yield body[start:]


def _cut(body: bytes, cut: Cut) -> Iterator[bytes]:
    if cut is None:
        yield body
    elif cut == "events":
        yield from _events(body)
    elif isinstance(cut, int):
        yield from (body[at : at + cut] for at in range(0, len(body), cut))
    else:
        start = 0
        for size in cut:
            assert isinstance(size, int)
            yield body[start : start + size]
            start += size
        yield body[start:]


_FRAMING_HEADERS = {"content-length", "transfer-encoding", "content-encoding", "connection"}


def recorded(folder: Path) -> Answer:
    """A recorded answer (`tests.testbed.cases.Case.folder`), as it was but for its framing headers.

    Some recordings lack the content type; real servers send one.
    Event streams are cut at their events; `but(cut=...)` cuts them elsewhere.
    """
    meta = json.loads((folder / "meta.json").read_bytes())
    headers = {
        name: value for name, value in meta["response_headers"].items() if name not in _FRAMING_HEADERS
    }
    file = folder / meta["response_file"]
    is_stream = file.suffix == ".sse"
    headers.setdefault("content-type", "text/event-stream" if is_stream else "application/json")
    return Answer(int(meta["status"]), headers, file.read_bytes(), cut="events" if is_stream else None)
