"""Reads the live page's events as the page does: a state, brought up to date by changes."""

from __future__ import annotations

import json
from typing import Any, NamedTuple

from smart_router.live.feed import MOST_RECENT


class Event(NamedTuple):
    """One server-sent event."""

    id: str
    name: str
    data: dict[str, Any]


def read_events(data: bytes) -> list[Event]:
    """The events of complete messages; comments are left out."""
    found = []
    for message in data.decode().split("\n\n"):
        fields = dict(line.split(": ", 1) for line in message.splitlines() if not line.startswith(":"))
        if fields:
            found.append(Event(fields["id"], fields["event"], json.loads(fields["data"])))
    return found


class Page:
    """The state that a page has after the messages so far; `last` is the last one's id."""

    def __init__(self) -> None:
        self.state: dict[str, Any] = {}
        self.last = ""
        self.names: list[str] = []
        self._held = b""

    def take(self, data: bytes) -> None:
        """Take more of the stream."""
        *complete, self._held = (self._held + data).split(b"\n\n")
        for event in read_events(b"\n\n".join(complete)):
            self.last = event.id
            self.names.append(event.name)
            told = {name: value for name, value in event.data.items() if name != "now"}
            if event.name == "snapshot":
                keyed = {name: {row["id"]: row for row in told[name]} for name in ("running", "providers")}
                self.state = {**told, **keyed}
            else:
                self._change(told)

    def _change(self, told: dict[str, Any]) -> None:
        for name, value in told.items():
            if name in ("running", "providers"):
                for id_ in value["gone"]:
                    del self.state[name][id_]
                self.state[name] |= {row["id"]: row for row in value["rows"]}
            elif name == "recent":
                self.state[name] = [*reversed(value), *self.state[name]][:MOST_RECENT]
            else:
                self.state[name] = value
