"""A real PostgreSQL on a Unix socket, from Debian's package: for tests of clusters."""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import tempfile
from collections.abc import Sequence
from itertools import count
from pathlib import Path
from typing import Self

import psycopg
import pytest

START_LIMIT = "30"
_FAST = ("fsync=off", "full_page_writes=off", "max_connections=200")


def programs() -> Path:
    """The folder of the server's programs. Skips where they are missing."""
    found = sorted(Path("/usr/lib/postgresql").glob("*/bin/postgres"))
    if not found:
        pytest.skip("PostgreSQL is not installed: apt-get install postgresql")
    return found[-1].parent


class Postgres:
    """One server with its own data folder, on a Unix socket only unless `tcp` names a port."""

    def __init__(self, settings: Sequence[str] = _FAST, tcp: tuple[str, int] | None = None) -> None:
        self._programs = programs()
        self.folder = Path(tempfile.mkdtemp(prefix="smart-router-pg-"))
        self.folder.chmod(0o755)
        listen, port = tcp or ("", 5432)
        self.port = port
        self._options = [
            f"unix_socket_directories={self.folder}",
            f"listen_addresses={listen}",
            f"port={port}",
        ]
        self._options += settings
        self._data = self.folder / "data"
        self._numbers = count(1)
        self._template = ""
        if os.geteuid() == 0:  # the server refuses to run as root
            shutil.chown(self.folder, "postgres", "postgres")
        self._run("initdb", "-D", self._data, "-U", "router", "-A", "trust", "-N", "-E", "UTF8", "--locale=C")

    def _run(self, program: str, *args: object) -> None:
        command = [str(self._programs / program), *map(str, args)]
        if os.geteuid() == 0:
            command = ["setpriv", "--reuid=postgres", "--regid=postgres", "--clear-groups", *command]
        done = subprocess.run(
            command, capture_output=True, text=True, cwd=self.folder, env={"PATH": os.environ["PATH"]}
        )
        assert done.returncode == 0, done.stdout + done.stderr

    def start(self) -> Self:
        """Start it and wait until it serves."""
        options = " ".join(f"-c {option}" for option in self._options)
        log = self.folder / "log"
        self._run("pg_ctl", "start", "-D", self._data, "-w", "-t", START_LIMIT, "-l", log, "-o", options)
        return self

    def stop(self, how: str = "immediate") -> None:
        """End it: `fast` in good order, `immediate` like a crash."""
        self._run("pg_ctl", "stop", "-D", self._data, "-m", how, "-w")

    def signal(self, which: signal.Signals) -> None:
        """Send a signal to every process of the server: SIGSTOP freezes it, SIGCONT lets it go on."""
        postmaster = int((self._data / "postmaster.pid").read_text().split()[0])
        children = Path(f"/proc/{postmaster}/task/{postmaster}/children").read_text().split()
        for pid in (postmaster, *map(int, children)):
            os.kill(pid, which)

    def url(self, database: str = "postgres") -> str:
        """The address of a database."""
        return f"postgresql://router@/{database}?host={self.folder}&port={self.port}"

    def new_database(self) -> str:
        """Make a database with the current tables; return its address."""
        name = f"db{next(self._numbers)}"
        with psycopg.connect(self.url(), autocommit=True) as db:
            if not self._template:
                self._template = "made"
                db.execute("CREATE DATABASE made")
                self._migrate(self.url("made"))
            db.execute(f"CREATE DATABASE {name} TEMPLATE made".encode())
        return self.url(name)

    def empty_database(self) -> str:
        """Make a database without tables; return its address."""
        name = f"db{next(self._numbers)}"
        with psycopg.connect(self.url(), autocommit=True) as db:
            db.execute(f"CREATE DATABASE {name} TEMPLATE template0".encode())
        return self.url(name)

    @staticmethod
    def _migrate(url: str) -> None:
        from pydantic import SecretStr

        from smart_router.cluster.database import SharedDatabase
        from smart_router.cluster.schema import migrate

        with SharedDatabase(SecretStr(url)) as db:
            migrate(db)

    def __enter__(self) -> Self:
        return self.start()

    def __exit__(self, *exc: object) -> None:
        self.stop()
        shutil.rmtree(self.folder, ignore_errors=True)
