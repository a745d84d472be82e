"""A listening socket that several owners accept from: another process, or a second asyncio server."""

from __future__ import annotations

import os
import socket

BACKLOG = 1024
"""Connections that wait for a worker; the kernel may allow fewer."""


class Shared(socket.socket):
    """A worker's handle of a listening socket. It listens already, and asyncio would make its backlog that
    of the number of connections to be accepted at once, which is one: so an idle worker gets the next."""

    def listen(self, backlog: int = 0) -> None:
        """Leave it as it is."""

    @classmethod
    def handle(cls, number: int) -> Shared:
        """A handle of its own for an inherited descriptor, so that closing it leaves that open."""
        # asyncio sends at once (TCP_NODELAY) only where it is told that this is TCP
        return cls(proto=socket.IPPROTO_TCP, fileno=os.dup(number))
