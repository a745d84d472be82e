"""Server-sent events for pages that watch the router: a snapshot, then changes. Pure.

All pages read the same messages, each at its own pace. A page that falls behind the kept messages gets a new
snapshot: nothing waits for it, and nothing is kept for it.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any

from pydantic_core import to_json

KEPT = 60
"""Messages that are kept: those of half a minute, within which a page that lost its connection can resume."""

MOST_RECENT = 100
"""Finished requests that a page is shown."""

KEEP_ALIVE = 15.0
"""Seconds without a message after which a comment is sent, so that no proxy between closes the connection."""

MOST_UNSENT = 64 * 1024
"""Bytes that may wait for a page's connection; beyond them the page gets nothing until it has read."""

MOST_AT_ONCE = 256 * 1024
"""Bytes of changes beyond which a page gets a snapshot, which has less."""

STUCK = 60.0
"""Seconds without reading after which a page is dropped. It connects anew when it is alive."""

Row = Mapping[str, Any]


class Feed:
    """The state that pages show now, and its latest changes, numbered.

    `name` tells this feed from those of other processes and times in the messages' ids; `clock` is unix time.
    The state has the parts `running` and `providers` (rows by id), `recent` (rows, the newest first), and any
    others that are replaced as a whole.
    """

    def __init__(self, name: str, clock: Callable[[], float]) -> None:
        self.name = name
        self._clock = clock
        self.number = 0
        self._messages: deque[bytes] = deque(maxlen=KEPT)
        self._keyed: dict[str, dict[str, Row]] = {"running": {}, "providers": {}}
        self._recent: deque[Row] = deque(maxlen=MOST_RECENT)
        self._whole: dict[str, Any] = {}

    def publish(
        self, *, rows: Mapping[str, Iterable[Row]], recent: Sequence[Row] = (), **whole: object
    ) -> None:
        """Take the present rows of each keyed part, requests that have ended since (oldest first), and parts
        to replace. The differences become a message."""
        change: dict[str, Any] = {}
        for part, present in rows.items():
            if found := self._changed(part, {row["id"]: row for row in present}):
                change[part] = found
        if recent := recent[-MOST_RECENT:]:
            self._recent.extendleft(recent)
            change["recent"] = list(recent)
        change |= {part: value for part, value in whole.items() if self._whole.get(part) != value}
        self._whole.update(whole)
        if change:
            self.number += 1
            self._messages.append(self._message("change", change))

    def snapshot(self) -> bytes:
        """The whole state as a message."""
        keyed = {part: list(rows.values()) for part, rows in self._keyed.items()}
        return self._message("snapshot", {**keyed, "recent": list(self._recent), **self._whole})

    def after(self, number: int) -> list[bytes] | None:
        """The messages after this one, None if some of them are no longer kept."""
        behind = self.number - number
        if not 0 <= behind <= len(self._messages):
            return None
        return list(self._messages)[len(self._messages) - behind :]

    def find(self, id_: str) -> int | None:
        """The number of the message with this id, None if it is not this feed's."""
        name, _, number = id_.rpartition("-")
        return int(number) if name == self.name and number.isdecimal() else None

    def _changed(self, part: str, present: dict[str, Row]) -> dict[str, Any]:
        before, self._keyed[part] = self._keyed[part], present
        rows = [row for id_, row in present.items() if before.get(id_) != row]
        gone = [id_ for id_ in before if id_ not in present]
        return {"rows": rows, "gone": gone} if rows or gone else {}

    def _message(self, event: str, data: Mapping[str, Any]) -> bytes:
        return b"id: %b-%d\nevent: %b\ndata: %b\n\n" % (
            self.name.encode(),
            self.number,
            event.encode(),
            to_json({"now": self._clock(), **data}),
        )


class Viewer:
    """One page's place in a feed. `last` is the id of the last message of the page's earlier connection."""

    every = 0.5
    """Seconds between two checks for messages."""

    def __init__(self, feed: Feed, now: float, last: str = "") -> None:
        self._feed = feed
        self._at = feed.find(last)
        self._sent = self._read = now
        self._asked = now
        self.closed = False

    def watches(self, now: float) -> bool:
        """Return whether somebody still asks for messages."""
        return not self.closed and now - self._asked < STUCK

    def take(self, now: float, unsent: int) -> bytes | None:
        """Return the bytes to send now, None at the end. `unsent` is the number of bytes that its connection
        still holds."""
        self._asked = now
        if self.closed:
            return None
        if unsent > MOST_UNSENT:
            return b"" if now - self._read < STUCK else None
        self._read = now
        data = self._news()
        if not data and now - self._sent >= KEEP_ALIVE:
            data = b": keep-alive\n\n"
        if data:
            self._sent = now
        return data

    def close(self) -> None:
        """The page has left, or the router ends."""
        self.closed = True

    def _news(self) -> bytes:
        messages = None if self._at is None else self._feed.after(self._at)
        self._at = self._feed.number
        if messages is None or sum(map(len, messages)) > MOST_AT_ONCE:
            return self._feed.snapshot()
        return b"".join(messages)
