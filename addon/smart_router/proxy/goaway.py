"""GOAWAY for HTTP/2 clients: their next request opens another connection (RFC 9113, section 6.8)."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from mitmproxy.proxy import commands, events, layer
from mitmproxy.proxy.layers.http import HttpLayer
from mitmproxy.proxy.layers.http._http2 import Http2Server

from smart_router.proxy.handlers import http_layers

Commands = layer.CommandGenerator[None]

_NO_MORE = bytes.fromhex("000008 07 00 000000007fffffff00000000")
"""A GOAWAY frame without an error. It names the highest possible stream, so it refuses none on its way."""


@dataclass
class GoAway(events.Event):
    """Have a client's HTTP/2 connection told to end, in the layer that speaks it.

    A `last` one closes HTTP/2: no stream may be running. A request on its way meanwhile is not read, and
    the frame says so: its client may send it again elsewhere. The other frame lets all streams go on.
    """

    http: HttpLayer
    last: bool

    def commands(self) -> Commands:
        """Send the frame."""
        client = self.http.context.client
        speaker = self.http.connections[client]
        assert isinstance(speaker, Http2Server)
        if self.last:
            speaker.h2_conn.close_connection()
            yield commands.SendData(client, speaker.h2_conn.data_to_send())
            speaker._handle_event = speaker.done  # type: ignore[method-assign]
        else:
            yield commands.SendData(client, _NO_MORE)


def http2_layers(top: layer.Layer | None) -> Iterator[HttpLayer]:
    """The layers that speak HTTP/2 to a client, within the layers of its connection."""
    for one in http_layers(top):
        if isinstance(one.connections.get(one.context.client), Http2Server):
            yield one


def last_stream(http: HttpLayer) -> int:
    """The id of the client's newest stream."""
    speaker = http.connections[http.context.client]
    assert isinstance(speaker, Http2Server)
    return speaker.h2_conn.highest_inbound_stream_id
