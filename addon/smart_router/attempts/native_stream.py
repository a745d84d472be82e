"""Native streams: read for their events, while their bytes go to the client as they came."""

from __future__ import annotations

from smart_router.dialects.base import StreamReader
from smart_router.dialects.hub import Event, Failure
from smart_router.dialects.sse import SseParser

_EVENT_ENDS = (b"\n\n", b"\r\n\r\n")


def read_native(reader: StreamReader, data: bytes, unsent: bytearray) -> list[Event]:
    """Return the events that `data` completes, and add it to `unsent`, up to an event that is a failure.

    Data is read at once and split only after a failure: reading it event by event costs 20 % more.
    """
    before = reader.events_read
    events = reader.feed(data)
    if events and type(events[-1]) is Failure:
        data = _before_failure(bytes(unsent), data, reader.events_read - before)
    unsent += data
    return events


def end_of_events(unsent: bytearray) -> int:
    """Return the length of the complete events."""
    return max((at + len(end) for end in _EVENT_ENDS if (at := unsent.rfind(end)) >= 0), default=0)


def _before_failure(begun: bytes, data: bytes, events: int) -> bytes:
    """The part of `data` before the failure, which follows so many events.

    The first of them may have begun in `begun`. Comments are kept as well. A failure that is no complete
    event, such as one too large to read, comes last.
    """
    parser = SseParser(len(begun) + len(data))
    parser.feed(begun)
    kept = at = 0
    for line in data.splitlines(keepends=True):
        at += len(line)
        events -= len(parser.feed(line))
        if events < 0:
            break
        if not line.strip(b"\r\n"):
            kept = at
    return data[:kept]
