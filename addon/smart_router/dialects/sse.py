"""Server-sent events, read incrementally and written (WHATWG HTML, section 9.2).

Two departures from the standard, both because of what providers do: an event that the end of the stream
cuts off before its blank line is kept, and an event has a largest size. Payloads stay bytes, so that JSON
is decoded once and a character split over two chunks needs no care.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import NamedTuple

MAX_EVENT_BYTES = 32 * 1024 * 1024
"""Largest event that a parser without another limit reads; an image in 4K takes 8 to 30 MiB as base64."""

_CR = ord("\r")  # found in bytes several times faster than b"\r" is
_BOM = b"\xef\xbb\xbf"


class SseEvent(NamedTuple):
    """One event: its name ("" where the stream gave none) and its data, lines joined by LF."""

    event: str
    data: bytes


class SseParser:
    """Bytes in, events out; any split of the bytes gives the same events. Never raises.

    `comments` counts the comment lines so far (keep-alives: the provider lives). Once `overflowed` is
    true, an event had more than `limit` bytes and nothing more is read.
    """

    def __init__(self, limit: int = MAX_EVENT_BYTES) -> None:
        self._limit = limit
        self.comments = 0
        self.overflowed = False
        self._line: list[bytes] = []  # pieces of the line that has not ended
        self._line_size = 0
        self._after_cr = False  # a LF that comes next belongs to this CR
        self._at_start = True
        self._event = ""
        self._data: list[bytes] = []
        self._data_size = 0

    def feed(self, data: bytes) -> list[SseEvent]:
        """Return the events that these bytes complete."""
        if not data or self.overflowed:
            return []
        if _CR in data or self._after_cr:
            data = self._normalise(data)
        lines = data.split(b"\n")
        unfinished = lines.pop()
        if lines and (self._line or self._at_start):
            lines[0] = self._end_line(lines[0])
        events = self._read_lines(lines)
        if unfinished:
            self._hold(unfinished)
        return events

    def close(self) -> list[SseEvent]:
        """Return the event that the end of the stream cut off, if it has data."""
        return self._read_lines([self._end_line(b""), b""])

    def _normalise(self, data: bytes) -> bytes:
        """Replace CRLF and CR by LF, also where CR and LF came in different chunks."""
        if self._after_cr and data.startswith(b"\n"):
            data = data[1:]
            self._after_cr = False
        if data:
            self._after_cr = data.endswith(b"\r")
        return data.replace(b"\r\n", b"\n").replace(b"\r", b"\n")

    def _hold(self, piece: bytes) -> None:
        self._line.append(piece)
        self._line_size += len(piece)
        self.overflowed |= self._line_size > self._limit

    def _end_line(self, piece: bytes) -> bytes:
        self._hold(piece)
        line = b"".join(self._line)
        self._line.clear()
        self._line_size = 0
        if self._at_start:
            line = line.removeprefix(_BOM)
            self._at_start = False
        return line

    def _read_lines(self, lines: Iterable[bytes]) -> list[SseEvent]:
        events: list[SseEvent] = []
        for line in lines:
            if self.overflowed or len(line) > self._limit:
                self.overflowed = True
                break
            if not line:
                if self._data:
                    events.append(SseEvent(self._event, b"\n".join(self._data)))
                    self._data.clear()
                    self._data_size = 0
                self._event = ""
            elif line.startswith(b"data:") or line == b"data":
                value = line[6:] if line.startswith(b"data: ") else line[5:]
                self._data.append(value)
                self._data_size += len(value) + 1
                self.overflowed = self._data_size > self._limit
            elif line.startswith(b":"):
                self.comments += 1
            elif line.startswith(b"event:"):
                self._event = line[6:].removeprefix(b" ").decode("utf-8", "replace")
        return events


def sse_event(data: bytes, event: str | None = None) -> bytes:
    """Return one event as bytes. `data` is JSON on one line, or a marker such as `[DONE]`."""
    if event is None:
        return b"data: " + data + b"\n\n"
    return b"event: " + event.encode() + b"\ndata: " + data + b"\n\n"
