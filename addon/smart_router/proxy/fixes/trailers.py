"""Reads chunked bodies without their trailers.

mitmproxy does not implement trailers in HTTP/1.1 messages and raises, so the request would hang. Nothing that
the router reads is in trailers.
"""

from __future__ import annotations

from typing import Any

import h11


class WithoutTrailers:
    """An h11 body reader whose end of message is bare."""

    def __init__(self, reader: Any) -> None:
        self.wrapped = reader
        self.read_eof = reader.read_eof

    def between_chunks(self) -> bool:
        """Return whether the next byte begins a chunk."""
        reader = self.wrapped
        return not (reader._bytes_in_chunk or reader._bytes_to_discard or reader._reading_trailer)

    def __call__(self, buffer: Any) -> h11.Event | None:
        event: h11.Event | None = self.wrapped(buffer)
        return h11.EndOfMessage() if isinstance(event, h11.EndOfMessage) else event
