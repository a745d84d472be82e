"""A real PostgreSQL on a Unix socket, from Debian's package: for tests of clusters."""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import tempfile
from collections.abc import Sequence
from contextlib import suppress
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
        self._prefix: Sequence[str] = ()
        self._data = self.folder / "data"
        self._numbers = count(1)
        self._template = ""
        self._returned: list[str] = []
        if os.geteuid() == 0:  # the server refuses to run as root
            shutil.chown(self.folder, "postgres", "postgres")
        self._run("initdb", "-D", self._data, "-U", "router", "-A", "trust", "-N", "-E", "UTF8", "--locale=C")

    def _run(self, program: str, *args: object) -> None:
        command = [str(self._programs / program), *map(str, args)]
        if os.geteuid() == 0:
            command = [
                *self._prefix,
                "setpriv",
                "--reuid=postgres",
                "--regid=postgres",
                "--clear-groups",
                *command,
            ]
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
            with suppress(ProcessLookupError):  # a child that has ended meanwhile
                os.kill(pid, which)

    def freeze(self) -> None:
        self.signal(signal.SIGSTOP)

    def thaw(self) -> None:
        self.signal(signal.SIGCONT)

    def url(self, database: str = "postgres") -> str:
        """The address of a database."""
        return f"postgresql://router@/{database}?host={self.folder}&port={self.port}"

    def new_database(self) -> str:
        """Make a database with the current tables; return its address."""
        if self._returned:
            return self._returned.pop()
        name = f"db{next(self._numbers)}"
        with psycopg.connect(self.url(), autocommit=True) as db:
            if not self._template:
                self._template = "made"
                db.execute("CREATE DATABASE made")
                self._migrate(self.url("made"))
            db.execute(f"CREATE DATABASE {name} TEMPLATE made".encode())
        return self.url(name)

    def return_database(self, url: str) -> None:
        """Make a database new again, for a later test: one more copies 300 files."""
        with psycopg.connect(url, autocommit=True) as db:
            db.execute(
                "SELECT pg_terminate_backend(pid) FROM pg_stat_activity"
                " WHERE datname = current_database() AND pid <> pg_backend_pid()"
            )
            db.execute("DROP SCHEMA smart_router CASCADE")
        self._migrate(url)
        self._returned.append(url)

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


class FragilePostgres(Postgres):
    """A server in a network namespace of its own, which can be cut off, with databases on a small disk, which
    can be filled. `breakable` is False where this user may not make them: it is then like any other."""

    def __init__(self) -> None:
        self._space = f"pg{os.getpid()}"
        self._address = f"10.213.{os.getpid() % 250}.2"
        self.breakable = os.geteuid() == 0 and self._make_namespace()
        super().__init__(tcp=(self._address, 5432) if self.breakable else None)
        self._disk = self.folder / "disk"
        if self.breakable:
            with (self._data / "pg_hba.conf").open("a") as rules:
                rules.write("host all all 10.213.0.0/16 trust\n")
            self._disk.mkdir()
            _as_root("mount", "-t", "tmpfs", "-o", "size=64m,mode=0777", "tmpfs", str(self._disk))

    def _make_namespace(self) -> bool:
        there, here = f"{self._space}a", f"{self._space}b"
        try:
            _as_root("ip", "netns", "add", self._space)
            _as_root("ip", "link", "add", here, "type", "veth", "peer", "name", there, "netns", self._space)
            _as_root("ip", "addr", "add", f"{self._address[:-1]}1/30", "dev", here)
            _as_root("ip", "link", "set", here, "up")
            self._inside("ip", "addr", "add", f"{self._address}/30", "dev", there)
            self._inside("ip", "link", "set", there, "up")
            self._inside("iptables", "-L", "-n")
        except (subprocess.CalledProcessError, OSError):
            return False
        return True

    def _inside(self, *command: str) -> None:
        _as_root("ip", "netns", "exec", self._space, *command)

    def _run(self, program: str, *args: object) -> None:
        self._prefix = ("ip", "netns", "exec", self._space) if self.breakable and program == "pg_ctl" else ()
        super()._run(program, *args)

    def new_database(self) -> str:
        if not self.breakable:
            return super().new_database()
        plain = super().new_database()
        name = plain.removeprefix("postgresql://router@/").partition("?")[0]
        place = self._disk / name
        place.mkdir()
        shutil.chown(place, "postgres", "postgres")
        with psycopg.connect(self.url(), autocommit=True) as db:
            db.execute(f"CREATE TABLESPACE disk_of_{name} LOCATION '{place}'".encode())
            db.execute(f"ALTER DATABASE {name} SET TABLESPACE disk_of_{name}".encode())
        return f"postgresql://router@{self._address}:{self.port}/{name}"

    def cut_off(self) -> None:
        """Have the network swallow all packets to the server."""
        self._inside("iptables", "-A", "INPUT", "-p", "tcp", "--dport", str(self.port), "-j", "DROP")

    def reconnect(self) -> None:
        self._inside("iptables", "-F", "INPUT")

    def fill_disk(self) -> None:
        """Leave no room for new rows but that of rows of the past."""
        with suppress(OSError), (self._disk / "full").open("wb", buffering=0) as file:
            while True:
                file.write(bytes(4096))

    def free_disk(self) -> None:
        (self._disk / "full").unlink()

    def __exit__(self, *exc: object) -> None:
        self.stop()
        if self.breakable:
            _as_root("umount", str(self._disk))
            _as_root("ip", "netns", "del", self._space)
        shutil.rmtree(self.folder, ignore_errors=True)


def _as_root(*command: str) -> None:
    subprocess.run(command, check=True, capture_output=True)
