"""A router's membership in a cluster: its replica, its link, and the parts that share something."""

from __future__ import annotations

import logging
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from pydantic_core import from_json

from smart_router.attempts.reasoning_cache import ReasoningCache
from smart_router.auth.store import AuthStore
from smart_router.client_keys.book import ClientBook
from smart_router.cluster.clients import SharedClients
from smart_router.cluster.cooldowns import Cooldowns
from smart_router.cluster.link import Duty, Link
from smart_router.cluster.logins import Logins
from smart_router.cluster.machines import Presence
from smart_router.cluster.pots import POTS, WANTS, Pots, TellPots
from smart_router.cluster.recall import Conversation, Recall
from smart_router.cluster.records import SendRecords, TidyRecords
from smart_router.cluster.replica import Replica
from smart_router.cluster.reports import shared_report
from smart_router.cluster.rotation import USED, Rotation
from smart_router.cluster.settings import KEY, ClusterSettings
from smart_router.cluster.shared_config import CheckedFile, SharedConfig
from smart_router.routing.sticky import StickyTable
from smart_router.stats.writer import Retention

logger = logging.getLogger(__name__)

SENT_WITHIN = 2.0
"""Seconds that a report waits for this machine's last records to be sent."""


class Cluster:
    """Shares the state of one process. `describe` returns what the other machines may know about this one,
    `keep` for how many seconds records are kept; `config` is the file that machines may share.

    Nothing that a request calls waits for the database: it reads memory and leaves notes for the threads.
    """

    def __init__(
        self,
        settings: ClusterSettings,
        folder: Path,
        auth: AuthStore,
        clients: ClientBook,
        describe: Callable[[], Mapping[str, Any]],
        keep: Callable[[], float] = lambda: Retention().keep,
        config: CheckedFile | None = None,
    ) -> None:
        self.settings = settings
        self._describe = describe
        self._replica = Replica(folder, self._changed)
        self._recall = Recall(settings, self._replica)
        self._pots = Pots(self._replica, settings.on_away)
        clients.share(self._pots.of)
        self._rotation = Rotation(self._replica, auth)
        self._replica.told = self._told
        looks = [
            Cooldowns(self._replica, auth).tidy,
            SharedClients(self._replica, folder, clients.hurry).publish,
        ]
        self._logins: Logins | None = None
        self._config: SharedConfig | None = None
        if settings.seal is None:
            logger.info("cluster: logins stay this machine's own: %s is not set", KEY)
        else:
            self._logins = Logins(self._replica, auth, settings.seal)
            auth.stored_changed = self._logins.publish
            if settings.shares_config and config is not None:
                self._config = SharedConfig(self._replica, folder, settings.seal, config)
                looks.append(self._config.look)
        self._replica.looks = looks
        self._tell_pots = TellPots(clients, self._replica, self._pots)
        duties: list[Duty] = [
            Presence(self._presence),
            SendRecords(folder),
            self._tell_pots,
            TidyRecords(keep),
        ]
        self._link = Link(settings, folder, self._replica.wake, duties, last=self._tell_pots.give_back)
        self._replica.start()
        self._link.start()
        self._recall.start()

    def _presence(self) -> dict[str, Any]:
        """Return the facts that the other machines are told once a second."""
        key = None if self.settings.seal is None else self.settings.seal.first
        own = {"name": self.settings.name, "key": key}
        return {
            **self._describe(),
            **own,
            **self._tell_pots.describe(),
            **self._of_config(),
            **self._rotation.describe(),
        }

    def _told(self, facts: Mapping[str, str]) -> None:
        self._pots.learn(facts.get(POTS))
        self._rotation.learn(from_json(facts.get("machines", "[]")))

    def flush(self, within: float) -> None:
        """Send what this machine has done so far, unless the database is away or takes longer (seconds)."""
        self._replica.flush(within)
        self._link.flush(within)

    def close(self) -> None:
        """Write and send what is left."""
        self._replica.close()
        self._link.close()

    def told(self) -> tuple[Callable[..., None], Callable[..., None]]:
        """Return what is to be called with kept candidates, and with kept reasoning."""
        return self._recall.tell_sticky, self._recall.tell_reasoning

    def conversation(self, sticky: StickyTable, reasoning: ReasoningCache) -> Conversation:
        """Return what looks up conversations for these tables."""
        return Conversation(self._recall, sticky, reasoning)

    def report(self, since: float, until: float) -> dict[str, Any] | None:
        """Return the report about all machines, None if the database is away. Slow."""
        self.flush(SENT_WITHIN)
        return shared_report(self.settings.url, since, until)

    def status(self) -> dict[str, Any]:
        """The cluster's part of /health: `ok`, or `away since` a time, and the machines as last seen. With a
        shared config also its version here, and why it is not the latest."""
        state = self._replica.state
        word = state.get("state", "connecting")
        return {
            "cluster": f"away since {state['since']}" if word == "away" else word,
            "machines": [
                {name: value for name, value in one.items() if name not in (USED, WANTS)}
                for one in from_json(state.get("machines", "[]"))
            ],
            **self._of_config(),
        }

    def _of_config(self) -> dict[str, Any]:
        return self._config.describe() if self._config is not None else {}

    def _changed(self) -> None:
        self._link.wake()
        if self._logins is not None:
            self._logins.publish()
