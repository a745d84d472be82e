"""The bytes of a streamed Gemini answer: server-sent events, or JSON where an endpoint sends that instead."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from smart_router.dialects.gemini.answer import AnswerReader
from smart_router.dialects.half_characters import parse
from smart_router.dialects.hub import Event
from smart_router.dialects.sse import MAX_EVENT_BYTES, SseParser

_BLANK = b"\xef\xbb\xbf \t\r\n"
_UNREADABLE = "the provider's answer is not JSON"
_TOO_LARGE = "the provider's answer is too large to read"


class GeminiStream:
    """Reads one streamed answer: a response object per event, the end is the connection's close.

    An endpoint that was not asked for `alt=sse` sends a JSON array of the same objects, and errors come as
    an array of one or as an object: such a body is read when it is whole. `unwrap` takes the response out
    of what an endpoint wraps round it. `limit` bounds an event, and a body that is JSON, in bytes.
    """

    def __init__(
        self, reader: AnswerReader, unwrap: Callable[[Any], Any] | None = None, limit: int = MAX_EVENT_BYTES
    ) -> None:
        self._limit = limit
        self._reader = reader
        self._unwrap = unwrap
        self._sse = SseParser(limit)
        self.events_read = 0
        self._begun = False
        self._is_json = False
        self._json = bytearray()

    @property
    def finished(self) -> bool:
        """True if all of the answer is there."""
        return self._reader.finished

    def feed(self, data: bytes) -> list[Event]:
        """The events that these bytes complete; none after End or Failure."""
        if self._reader.ended:
            return []
        if not self._begun:
            data = data.lstrip(_BLANK)
            self._begun = bool(data)
            self._is_json = data.startswith((b"[", b"{"))
        if self._is_json:
            self._json += data
            return self._reader.fail(_TOO_LARGE) if len(self._json) > self._limit else []
        events: list[Event] = []
        for item in self._sse.feed(data):
            events += self._read(item.data)
            self.events_read += not self._reader.ended
        return events + self._reader.fail(_TOO_LARGE) if self._sse.overflowed else events

    def close(self) -> list[Event]:
        """The provider closed: the remaining events and how the answer ended."""
        if self._is_json:
            events = self._read(self._json)
        else:
            events = [event for item in self._sse.close() for event in self._read(item.data, self.finished)]
        return events + self._reader.close()

    def _read(self, data: bytes | bytearray, cut_off: bool = False) -> list[Event]:
        if self._reader.ended:
            return []
        try:
            answer = parse(data)
        except ValueError:
            return [] if cut_off else self._reader.fail(_UNREADABLE)
        return self._reader.read(answer if self._unwrap is None else self._unwrap(answer))
