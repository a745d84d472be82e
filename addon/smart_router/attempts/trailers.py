"""HTTP/1.1 answers with trailers, which mitmproxy does not implement: it raises and the request hangs."""

from __future__ import annotations

from typing import Any

import h11
from h11._readers import ChunkedReader
from mitmproxy.proxy import events, layer
from mitmproxy.proxy.layers.http._http1 import Http1Client

from smart_router.attempts.quick import QuickHttp1


class LenientHttp1Client(QuickHttp1, Http1Client):
    """An `Http1Client` that leaves trailers out: nothing that the router reads is ever in them.

    Made by `ignore_trailers`, never constructed.
    """

    def read_body(self, event: events.Event) -> layer.CommandGenerator[None]:
        if type(self.body_reader) is ChunkedReader:
            bare: Any = _WithoutTrailers(self.body_reader)
            self.body_reader = bare
        yield from super().read_body(event)


class _WithoutTrailers:
    """An h11 body reader whose end of message is bare."""

    def __init__(self, reader: Any) -> None:
        self._reader = reader
        self.read_eof = reader.read_eof

    def __call__(self, buffer: Any) -> h11.Event | None:
        event: h11.Event | None = self._reader(buffer)
        return h11.EndOfMessage() if isinstance(event, h11.EndOfMessage) else event


def ignore_trailers(top: layer.Layer | None) -> None:
    """Make the `Http1Client` of a provider connection's stack of layers lenient, if it has one."""
    while top is not None:
        if type(top) is Http1Client:
            top.__class__ = LenientHttp1Client
        top = getattr(top, "child_layer", None)
