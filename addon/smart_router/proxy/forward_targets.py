"""Addresses that clients of a forward proxy do not reach through it.

These are the ports of this very process, among them mitmweb's, and link-local addresses, at which clouds hand
out a machine's own credentials (169.254.169.254). A client beyond this machine could not reach them itself.
mitmproxy refuses its own ports under loopback names alone.
"""

from __future__ import annotations

import socket
from collections.abc import Collection
from contextlib import suppress

from mitmproxy.connection import Address, Server
from mitmproxy.proxy.server import ConnectionHandler

from smart_router.addresses import ip_address_in, is_loopback
from smart_router.proxy.handlers import transport_of


def before_dialling(address: Address, own_ports: Collection[int]) -> str | None:
    """Return why an address must not be dialled, as far as its text tells; None if it may be."""
    host, port = _literal(address[0]), address[1]
    if _is_link_local(host):
        return "this proxy does not connect to link-local addresses"
    if port in own_ports and (host == "localhost" or is_loopback(host)):
        return "this proxy does not connect to itself"
    return None


def after_dialling(server: Server, own_ports: Collection[int]) -> str | None:
    """Return why a connection must not be used, whatever name it was dialled by; None if it may be."""
    if server.peername is None or server.sockname is None:
        return None
    itself = server.peername[1] in own_ports and server.peername[0] == server.sockname[0]
    return "this proxy does not connect to itself" if itself else before_dialling(server.peername, own_ports)


def hang_up(server: Server, handler: ConnectionHandler | None) -> None:
    """Close a connection to a provider before anything is sent on it."""
    transport = transport_of(server, handler)
    if transport is not None and transport.writer is not None:
        transport.writer.close()


def _literal(host: str) -> str:
    """The usual form of an IPv4 address, which resolvers also take as one number or in hex."""
    with suppress(OSError):
        return socket.inet_ntoa(socket.inet_aton(host))
    return host.lower().removesuffix(".")


def _is_link_local(host: str) -> bool:
    address = ip_address_in(host)
    return address is not None and address.is_link_local
