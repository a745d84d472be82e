"""One config for all machines: whoever edits its file on one of them has edited it on all.

Each edit that is valid becomes the next version, a row of its own, and each machine writes the latest one
into its file, from where it is read as any edit is. The table `[cluster]` stays each machine's own. A machine
that cannot use a version keeps what it has, and says why.
"""

from __future__ import annotations

import hashlib
import logging
import re
import time
import tomllib
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, NamedTuple

from pydantic import SecretStr

from smart_router.cluster.replica import Replica
from smart_router.cluster.replica_file import ReplicaFile, Row
from smart_router.cluster.sealing import Seal, SealError
from smart_router.storage.file_stamp import Stamp, file_stamp, was_written_just_now
from smart_router.storage.replaced_file import replace_file

logger = logging.getLogger(__name__)

CONFIG = "config"

AGREED = "config_agreed"
"""The fact that holds the hash of the version that this machine's file last had."""

_OWN = re.compile(r"^\s*\[\s*cluster\s*\].*?(?=^\s*\[|\Z)", re.MULTILINE | re.DOTALL)
"""The table `[cluster]`, up to the next one."""


class CheckedFile(NamedTuple):
    """A machine's config file. `check` returns what is wrong with a text, None if it can be used here."""

    path: Path
    check: Callable[[str], str | None]


class SharedConfig:
    """Keeps a machine's config file and the cluster's versions in step; `look` is called often, in the
    replica's thread."""

    def __init__(self, replica: Replica, folder: Path, seal: Seal, file: CheckedFile) -> None:
        self._replica = replica
        self._folder = folder
        self._seal = seal
        self._file, self._check = file
        self._seen: tuple[Stamp | None, int, str | None] | None = None
        self._written: Stamp | None = None  # of the version that this machine wrote itself
        self._latest: tuple[int, str] = (0, "")
        self._said = ""
        self.version = 0
        self.error: str | None = None
        replica.share(CONFIG, self._learn)

    def describe(self) -> dict[str, Any]:
        """Return the version that this machine uses, and why it is not the latest."""
        return {"config_version": self.version, "config_error": self.error}

    def look(self) -> None:
        """Share an edit of the file, or write the latest version into it.

        As `Runtime.reload` does, it leaves a file that an editor wrote just now for the next look: an emptied
        one would be everybody's config.
        """
        stamp = file_stamp(self._file)
        now = stamp, self._latest[0], self._replica.state.get("state")
        if now == self._seen or (stamp != self._written and was_written_just_now(stamp, time.time())):
            return
        self._seen = now
        try:
            self._agree(self._file.read_text("utf-8-sig") if self._file.exists() else "")
        except (OSError, ValueError) as error:
            self._refuse(f"{self._file}: {error}")

    def _agree(self, text: str) -> None:
        shared, own = split_config(text)
        version, latest = self._latest
        if not version:
            # before the cluster's are known there may be one
            if self._replica.state.get("state") == "ok" and self._check(text) is None:
                self._put(1, shared)
            return
        with ReplicaFile(self._folder) as facts:
            agreed = facts.fact(AGREED)
            if shared != latest:
                if agreed == _hash(latest):  # so it was edited here
                    if self._check(text) is None:  # whoever reads the file says what is wrong
                        self._put(version + 1, shared)
                    return
                if (wrong := self._check(latest + own)) is not None:
                    self._refuse(f"version {version} of the cluster's config cannot be used here: {wrong}")
                    return
                if agreed != _hash(shared):
                    self._write(self._file.with_name(f"{self._file.name}.replaced"), text)
                self._write(self._file, latest + own)
                self._written = file_stamp(self._file)
                logger.info("the config is version %d of the cluster's now", version)
            if agreed != _hash(latest):
                facts.note(**{AGREED: _hash(latest)})
        self.version, self.error, self._said = version, None, ""

    def _put(self, version: int, text: str) -> None:
        name = f"{version:08d}"
        sealed = self._seal.close(SecretStr(text), f"{CONFIG}:{name}")
        row = Row(CONFIG, name, sealed, deadline=self._replica.now())
        self._replica.put(row)
        self._learn([row])

    def _learn(self, rows: Sequence[Row]) -> None:
        for row in rows:
            if int(row.key) < self._latest[0]:
                continue
            try:
                text = self._seal.open(row.value, f"{CONFIG}:{row.key}").get_secret_value()
            except SealError as error:
                self._refuse(f"version {int(row.key)} of the cluster's config cannot be read: {error}")
                continue
            self._latest = int(row.key), text
            self._seen = None

    def _refuse(self, why: str) -> None:
        self.error = why
        if why != self._said:
            self._said = why
            logger.error("%s; the config stays as it is", why)

    @staticmethod
    def _write(file: Path, text: str) -> None:
        file.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        replace_file(file, text.encode(), file.stat().st_mode & 0o777 if file.exists() else 0o600)


def split_config(text: str) -> tuple[str, str]:
    """Split a config file into what machines share and the table `[cluster]`. Raises ValueError."""
    own = "".join(_OWN.findall(text))
    shared = _OWN.sub("", text).rstrip() + "\n"
    tables = tomllib.loads(text)
    cluster = tables.pop("cluster", None)
    found = tomllib.loads(own).get("cluster"), tomllib.loads(shared)
    if found != (cluster, tables):
        raise ValueError("the table [cluster] must be written as one section, for the rest to be shared")
    return shared, f"\n{own.strip()}\n" if own else ""


def _hash(text: str) -> str:
    return hashlib.sha256(text.encode()).hexdigest()
