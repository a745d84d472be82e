"""A streamed body as the UI and saved files keep it: complete, or head and tail with a note between them."""

from __future__ import annotations

import re

_NOTE = b"\n\n: smart-router left out %d bytes here (option router_keep_body)\n\n"
"""An SSE comment, so that readers of event streams pass over it."""

NOTE = re.compile(rb": smart-router left out (\d+) bytes here")
"""Finds the note in a body that was cut."""

_EVENT_END = b"\n\n"
_LONGEST_PIECE = 64 * 1024
"""Bytes in which the end of an event is looked for where the body is cut."""


class CapturedBody:
    """Takes a body as it passes and keeps at most `limit` bytes of it, half of them from its end.

    mitmproxy calls an instance for each chunk of a streamed body: it passes them on unchanged.
    """

    def __init__(self, limit: int) -> None:
        self.size = 0
        self._half = max(0, limit) // 2
        self._head = bytearray()
        self._tail = bytearray()

    def __call__(self, data: bytes) -> bytes:
        self.add(data)
        return data

    def add(self, data: bytes) -> None:
        """Capture another chunk."""
        self.size += len(data)
        if room := self._half - len(self._head):
            self._head += data[:room]
            data = data[room:]
        self._tail += data
        if len(self._tail) > 2 * self._half:  # seldom enough to cost little
            del self._tail[: len(self._tail) - self._half]

    def body(self) -> bytes:
        """Return the kept bytes. A shortened body is cut between events if there is a boundary nearby."""
        if self.size <= 2 * self._half:
            return bytes(self._head + self._tail)
        head, tail = bytes(self._head), bytes(self._tail[-self._half :] if self._half else b"")
        if (end := head.rfind(_EVENT_END, max(0, len(head) - _LONGEST_PIECE))) > 0:
            head = head[:end]
        if (begin := tail.find(_EVENT_END, 0, _LONGEST_PIECE)) >= 0:
            tail = tail[begin + len(_EVENT_END) :]
        return head + _NOTE % (self.size - len(head) - len(tail)) + tail
