"""Joins consecutive writes to one connection: head and body of a message leave as one."""

from __future__ import annotations

from collections.abc import Iterable

from mitmproxy.proxy import commands, layer

Commands = layer.CommandGenerator[None]


def in_few_writes(all_commands: Iterable[commands.Command]) -> Commands:
    """What is sent to one connection without anything in between goes out in one piece: head and body of a
    message would otherwise be two writes here and two reads there.
    """
    held: commands.SendData | None = None
    more: list[bytes] = []
    for command in all_commands:
        if not isinstance(command, commands.SendData):
            if held:
                yield _joined(held, more)
                held = None
            yield command
        elif held and command.connection is held.connection:
            more.append(command.data)
        else:
            if held:
                yield _joined(held, more)
            held = command
    if held:
        yield _joined(held, more)


def _joined(first: commands.SendData, more: list[bytes]) -> commands.SendData:
    """The command with all that is to be sent after it."""
    if more:
        first.data = b"".join((first.data, *more))
        more.clear()
    return first
