"""A listening socket that several processes accept from."""

from __future__ import annotations

import os
import socket

BACKLOG = 1024
"""Connections waiting to be accepted; the kernel may allow fewer."""


class Shared(socket.socket):
    """A worker's handle of a listening socket. It listens already; asyncio would set its backlog to the
    number of connections accepted per turn, which is one, so that an idle worker gets the next."""

    def listen(self, backlog: int = 0) -> None:
        """Keep the backlog."""

    @classmethod
    def handle(cls, number: int) -> Shared:
        """Duplicate an inherited descriptor: closing the handle leaves the descriptor open."""
        # asyncio sends at once (TCP_NODELAY) only where it is told that this is TCP
        return cls(proto=socket.IPPROTO_TCP, fileno=os.dup(number))
