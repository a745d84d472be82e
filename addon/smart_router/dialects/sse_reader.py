"""The parts of reading a streamed answer that are the same in all formats."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping
from typing import Any, ClassVar

from smart_router.dialects.base import CallContext
from smart_router.dialects.errors import broken, read_error
from smart_router.dialects.hub import Event, Failure
from smart_router.dialects.sse import SseEvent, SseParser


class SseReader(ABC):
    """Reads one stream of server-sent events; see `StreamReader`. A subclass translates the events.

    `_done` is true after End or Failure, which nothing follows. `finished` stays False in formats whose end
    marker has a part of the answer, or repeats it.
    """

    _TOO_LARGE: ClassVar[str]
    """The message about an event beyond `CallContext.max_event`."""

    def __init__(self, call: CallContext) -> None:
        self.events_read = 0
        self.finished = False
        self._call = call
        self._done = False
        self._sse = SseParser(call.max_event)

    def feed(self, data: bytes) -> list[Event]:
        """Return the events that these bytes complete; none after End or Failure."""
        events: list[Event] = []
        if self._done:
            return events
        for sse in self._sse.feed(data):
            events += self._read(sse)
            if self._done:
                return events
            self.events_read += 1
        return events + self._overflow() if self._sse.overflowed else events

    def close(self) -> list[Event]:
        """Return the remaining events at the end of the stream, a Failure if the answer is not complete."""
        events = [event for sse in self._sse.close() if not self._done for event in self._read_cut_off(sse)]
        return events if self._done else events + self._end()

    @abstractmethod
    def _read(self, sse: SseEvent) -> list[Event]:
        """Translate one event."""

    @abstractmethod
    def _end(self) -> list[Event]:
        """Return the last events, where the connection ends before End or Failure."""

    def _read_cut_off(self, sse: SseEvent) -> list[Event]:
        """Translate the event that the end of the connection cut off."""
        return self._read(sse)

    def _overflow(self) -> list[Event]:
        return self._fail(self._TOO_LARGE)

    def _fail(self, message: str) -> list[Event]:
        """End with the failure of a provider whose answer cannot be read."""
        self._done = True
        return [Failure(broken(message))]

    def _refuse(self, body: Mapping[str, Any], status: int = 200) -> list[Event]:
        """End with an error that the provider reported within its 200."""
        self._done = True
        return [Failure(read_error(status, {}, body, self._call.error_rules, self._call.now))]
