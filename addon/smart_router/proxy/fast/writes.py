"""Joins consecutive writes to one connection."""

from __future__ import annotations

from collections.abc import Iterable

from mitmproxy.proxy import commands, layer

Commands = layer.CommandGenerator[None]


def join_writes(all_commands: Iterable[commands.Command]) -> Commands:
    """Join consecutive writes to one connection: head and body of a message would otherwise be two writes
    here and two reads there.
    """
    first: commands.SendData | None = None
    more: list[bytes] = []
    for command in all_commands:
        if not isinstance(command, commands.SendData):
            if first:
                yield _joined(first, more)
                first = None
            yield command
        elif first and command.connection is first.connection:
            more.append(command.data)
        else:
            if first:
                yield _joined(first, more)
            first = command
    if first:
        yield _joined(first, more)


def _joined(first: commands.SendData, more: list[bytes]) -> commands.SendData:
    """Append these bytes to the first write."""
    if more:
        first.data = b"".join((first.data, *more))
        more.clear()
    return first
