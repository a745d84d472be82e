"""Answers whose content type does not fit their body: events as text/plain, JSON in place of events."""

from __future__ import annotations

from smart_router.dialects.base import CallContext, Dialect, StreamReader
from smart_router.dialects.fold import unfold
from smart_router.dialects.hub import Event, Failure
from smart_router.errors import UpstreamError

_BLANK = b"\xef\xbb\xbf \t\r\n"
_JSON = (b"{", b"[")
_FIELDS = (b"data:", b"event:", b":", b"id:", b"retry:")
"""The beginnings of an event stream's lines."""


def is_event_stream(body: bytes) -> bool:
    """Return whether a body begins as an event stream does."""
    return body[:64].lstrip(_BLANK).startswith(_FIELDS)


class AnyFormReader:
    """Reads an answer of unknown form: events as they come, JSON at its end; see `StreamReader`."""

    def __init__(self, dialect: Dialect, call: CallContext) -> None:
        self._dialect = dialect
        self._call = call
        self._reader: StreamReader | None = None
        self._whole: bytearray | None = None

    @property
    def events_read(self) -> int:
        """How many events were read so far."""
        return 0 if self._reader is None else self._reader.events_read

    @property
    def finished(self) -> bool:
        """True if all of a stream's answer is there."""
        return self._reader is not None and self._reader.finished

    def feed(self, data: bytes) -> list[Event]:
        """Return the events that these bytes complete."""
        if self._reader is None and self._whole is None:
            data = data.lstrip(_BLANK)
            if not data:
                return []
            if data.startswith(_JSON):
                self._whole = bytearray()
            else:
                self._reader = self._dialect.open_stream(self._call)
        if self._reader is not None:
            return self._reader.feed(data)
        assert self._whole is not None
        self._whole += data
        return []

    def close(self) -> list[Event]:
        """Return the remaining events, or those of a whole answer."""
        if self._whole is None:
            return (self._reader or self._dialect.open_stream(self._call)).close()
        answer = self._dialect.read_answer(bytes(self._whole), self._call)
        return [Failure(answer)] if isinstance(answer, UpstreamError) else unfold(answer)
