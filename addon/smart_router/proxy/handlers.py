"""The handlers of mitmproxy's client connections, and their HTTP layers."""

from __future__ import annotations

from asyncio import Transport
from collections.abc import Iterator

from mitmproxy import ctx
from mitmproxy.connection import Connection
from mitmproxy.proxy import layer
from mitmproxy.proxy.layers.http import HttpLayer
from mitmproxy.proxy.server import ConnectionHandler, ConnectionIO


def handler_of(client_id: str) -> ConnectionHandler | None:
    """Return the handler of a client's connection, if mitmproxy accepted it."""
    handler: ConnectionHandler | None = ctx.master.addons.get("proxyserver").connections.get(client_id)
    return handler


def transport_of(connection: Connection, handler: ConnectionHandler | None) -> ConnectionIO | None:
    """Return the reader and writer of a connection that a handler has."""
    return handler.transports.get(connection) if handler else None


def socket_of(io: ConnectionIO | None) -> Transport | None:
    """Return asyncio's transport of a connection: it has none in mitmproxy's own modes."""
    return getattr(io.writer, "transport", None) if io else None


def end_client(handler: ConnectionHandler, why: str) -> None:
    """End a client's connection."""
    transport = handler.transports.get(handler.client)
    if transport is not None and transport.handler is not None:
        transport.handler.cancel(why)


def http_layers(top: layer.Layer | None) -> Iterator[HttpLayer]:
    """Yield the HTTP layers in the layers of a client's connection, which may have tunnels."""
    if isinstance(top, HttpLayer):
        yield top
        for stream in top.streams.values():
            yield from http_layers(stream.child_layer)
    elif top is not None:
        inner = top.layer if isinstance(top, layer.NextLayer) else getattr(top, "child_layer", None)
        yield from http_layers(inner)
