"""A process that shares a store: `python -m tests.auth.worker FOLDER` answers JSON lines about its AuthStore.

A line is `[command, arguments…]`; the answer is the command's result, or `{"error": …}`.
"""

from __future__ import annotations

import json
import logging
import os
import resource
import sys
import time
from pathlib import Path
from typing import Any

from pydantic import SecretStr

from smart_router.auth.cooldowns import Cooled
from smart_router.auth.selection import Picked
from smart_router.auth.storage import writer
from smart_router.auth.store import AuthStore
from smart_router.storage.background_writer import Rhythm
from tests.auth.helpers import PROVIDERS, THREE_KEYS, failure

PROVIDER, MODEL = "openai", "gpt"
NOBODY = 65534


class Worker:
    """The commands."""

    def __init__(self, folder: Path) -> None:
        self.warnings: list[str] = []
        handler = logging.Handler(logging.WARNING)
        handler.emit = lambda record: self.warnings.append(record.getMessage())  # type: ignore[method-assign]
        logging.getLogger("smart_router").addHandler(handler)
        self.store = AuthStore(THREE_KEYS, PROVIDERS, folder)

    def pick(self) -> str | None:
        picked = self.store.pick_next_profile(PROVIDER, MODEL, time.monotonic())
        return picked.profile.id if isinstance(picked, Picked) else None

    def pick_in_step(self) -> str | None:
        """Knowing what the others did, and telling them."""
        self.store.flush()
        picked = self.pick()
        self.store.flush()
        return picked

    def used(self, profile_id: str, times: int) -> None:
        for _ in range(times):
            self.store.mark_profile_used(profile_id, MODEL, time.monotonic())

    def cool(self, profile_id: str) -> None:
        self.store.mark_profile_failure(
            profile_id, MODEL, failure("rate_limit", retry_after=60), time.monotonic()
        )

    def sees_cooled(self, profile_id: str) -> bool:
        """As a request would find it now: nothing is waited for."""
        statuses = self.store.statuses(PROVIDER, time.monotonic())
        return any(
            isinstance(model.state, Cooled)
            for one in statuses
            if one.id == profile_id
            for model in one.models
        )

    def add_key(self, name: str, secret: str) -> None:
        self.store.add_key(PROVIDER, name, SecretStr(secret))

    def flush(self) -> None:
        self.store.flush()

    def known(self) -> dict[str, dict[str, int]]:
        """Every profile's counts."""
        return {one.id: dict(one.health.counts) for one in self.store.statuses(PROVIDER, time.monotonic())}

    def warned(self) -> list[str]:
        return self.warnings

    def limit_files(self, size: int) -> None:
        """No file may grow beyond this, as on a full disk; -1 for no limit."""
        resource.setrlimit(resource.RLIMIT_FSIZE, (size, resource.RLIM_INFINITY))


def main() -> None:
    if os.environ.get("BECOME_NOBODY"):
        os.setuid(NOBODY)
    writer.RHYTHM = Rhythm(idle=0.25, retry=0.05)
    worker = Worker(Path(sys.argv[1]))
    for line in sys.stdin:
        command, *arguments = json.loads(line)
        answer: Any
        try:
            answer = getattr(worker, command)(*arguments)
        except writer.StoreError as error:
            answer = {"error": str(error)}
        print(json.dumps(answer), flush=True)
    worker.store.close()


if __name__ == "__main__":
    main()
