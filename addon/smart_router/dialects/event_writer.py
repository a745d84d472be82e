"""The parts of writing a streamed answer that are the same in all formats."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from typing import Any

from smart_router.dialects.hub import (
    Delta,
    End,
    Event,
    Failure,
    Finish,
    FinishReason,
    Start,
    Usage,
    UsageEvent,
)
from smart_router.errors import ApiError


class EventWriter(ABC):
    """Writes one streamed answer; see `AnswerWriter`. A subclass writes the events of its format."""

    content_type = "text/event-stream; charset=utf-8"
    extension: Mapping[str, Any] | None = None
    _reason: FinishReason | None = None
    _usage: Usage | None = None

    def write(self, events: Sequence[Event]) -> bytes:
        """Write these events; the bytes may be empty."""
        if len(events) == 1 and type(event := events[0]) is Delta:  # nearly always
            return self._delta(event.delta, event.choice, event.extra)
        delta = self._delta
        return b"".join([delta(*event) if type(event) is Delta else self._write(event) for event in events])

    @abstractmethod
    def write_error(self, error: ApiError) -> bytes:
        """Write an error in place of the rest of the answer."""

    def _write(self, event: Event) -> bytes:
        match event:
            case Start():
                return self._start(event)
            case Finish():
                return self._finish(*event)
            case End():
                return self._end()
            case UsageEvent():
                return self._use(event.usage)
            case Failure():
                return self.write_error(event.error)
            case Delta():
                return self._delta(event.delta, event.choice, event.extra)

    @abstractmethod
    def _start(self, start: Start) -> bytes: ...

    @abstractmethod
    def _delta(self, delta: dict[str, Any], choice: int, extra: Mapping[str, Any]) -> bytes: ...

    def _finish(self, reason: FinishReason, choice: int, extra: Mapping[str, Any]) -> bytes:
        """Keep the reason of the first choice for `_end`: most formats have no others."""
        if choice == 0:
            self._reason = reason
        return b""

    def _use(self, usage: Usage) -> bytes:
        """Keep the usage for `_end`."""
        self._usage = usage
        return b""

    @abstractmethod
    def _end(self) -> bytes: ...
