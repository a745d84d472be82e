"""The listening sockets, which the supervisor opens and all workers accept from."""

from __future__ import annotations

import errno
import socket
from collections.abc import Iterable, Mapping, Sequence
from contextlib import ExitStack

from mitmproxy.proxy.mode_specs import ProxyMode
from mitmproxy.utils.human import format_address

from smart_router.proxy.shared_socket import BACKLOG

SHARED_MODES = ("reverse", "regular", "upstream", "socks5", "transparent")
"""Modes that only listen on TCP. The others use resources that only one process can hold."""

Sockets = Mapping[str, Sequence[socket.socket]]
"""By the address that a mode names, in the form of `address`; a name such as localhost may have two
sockets."""


def address(host: str, port: int) -> str:
    """Format a configured address; supervisor and workers use it as a key."""
    return f"{host}:{port}"


def open_sockets(modes: Iterable[str], host: str, port: int) -> Sockets:
    """Listen where mitmproxy would for these modes; `host` and `port` are its options.

    Raises ValueError for a mode that is invalid or cannot be shared, OSError naming an address that cannot be
    used.
    """
    opened: dict[str, list[socket.socket]] = {}
    with ExitStack() as undo:
        for text in modes:
            served = ", ".join(SHARED_MODES)
            try:
                mode = ProxyMode.parse(text)
            except ValueError as error:
                raise ValueError(
                    f"{text!r} is not a mode of mitmproxy ({error}); use one of {served}"
                ) from None
            if mode.type_name not in SHARED_MODES:
                raise ValueError(f"serve does not support the mode {mode.type_name}; use one of {served}")
            at_host, at_port = mode.listen_host(host), mode.listen_port(port)
            assert at_port is not None, "modes that listen on TCP have a port"
            named = address(at_host, at_port)
            if named in opened:
                raise ValueError(
                    f"two modes cannot listen at {named}: give one of them another port, as MODE@PORT"
                )
            opened[named] = _listen(at_host, at_port, undo)
        undo.pop_all()
    return opened


def _listen(host: str, port: int, undo: ExitStack) -> list[socket.socket]:
    opened: list[socket.socket] = []
    try:
        found = socket.getaddrinfo(host or None, port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE)
        for family, *_, bind_to in dict.fromkeys(found):
            own = undo.enter_context(socket.socket(family, socket.SOCK_STREAM))
            own.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            if family == socket.AF_INET6:
                own.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 1)
            # with port 0, all sockets share the port chosen for the first
            chosen = opened[0].getsockname()[1] if opened else port
            own.bind((bind_to[0], chosen, *bind_to[2:]))
            own.listen(BACKLOG)
            own.setblocking(False)
            opened.append(own)
    except OSError as error:
        why = "the address is in use" if error.errno == errno.EADDRINUSE else error.strerror
        raise OSError(error.errno, why, format_address((host or "*", port))) from error
    return opened


def addresses(sockets: Sockets) -> list[str]:
    """Return the actual addresses for messages."""
    return [format_address(own.getsockname()) for owned in sockets.values() for own in owned]


def numbers(sockets: Sockets) -> dict[str, list[int]]:
    """Return the file descriptors, for a worker's command line."""
    return {named: [own.fileno() for own in owned] for named, owned in sockets.items()}
