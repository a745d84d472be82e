"""A machine of a cluster without a router: its replica and its link."""

from __future__ import annotations

import threading
from collections.abc import Callable, Sequence
from pathlib import Path

from pydantic import SecretStr

from smart_router.cluster.link import Link
from smart_router.cluster.machines import Presence
from smart_router.cluster.replica import Replica
from smart_router.cluster.replica_file import Row
from smart_router.cluster.settings import ClusterSettings

SOON = 10.0
"""Seconds, for what comes at once on an idle machine."""

KIND = "test"


class Machine:
    """Notes the rows of `KIND` that reach it."""

    def __init__(self, folder: Path, url: str) -> None:
        self.folder = folder
        self.rows: dict[str, Row] = {}
        self._news = threading.Condition()
        self.replica = Replica(folder, lambda: self.link.wake())
        self.replica.share(KIND, self._apply)
        settings = ClusterSettings(SecretStr(url), folder.name)
        self.link = Link(settings, folder, self.replica.wake, [Presence(lambda: {"name": folder.name})])
        self.replica.start()
        self.link.start()

    def put(self, key: str, value: str = "1", generation: int = 0, deadline: float = 0.0) -> Row:
        row = Row(KIND, key, value, generation, deadline)
        self.replica.put(row)
        return row

    def wait(self, until: Callable[[], object]) -> None:
        """Wait until it holds; looked at again when a row has come, and now and then."""
        with self._news:
            assert self._news.wait_for(until, 0.05) or self._wait_longer(until)

    def _wait_longer(self, until: Callable[[], object]) -> bool:
        return any(self._news.wait_for(until, 0.05) for _ in range(int(SOON / 0.05)))

    def has(self, row: Row) -> None:
        """Wait for a row."""
        self.wait(lambda: self.rows.get(row.key) == row)

    def is_in(self, state: str) -> None:
        """Wait for a state of the link."""
        self.wait(lambda: self.replica.state.get("state") == state)

    def close(self) -> None:
        self.replica.close()
        self.link.close()

    def _apply(self, rows: Sequence[Row]) -> None:
        with self._news:
            self.rows |= {row.key: row for row in rows}
            self._news.notify_all()


MakeMachine = Callable[..., Machine]
