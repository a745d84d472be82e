"""Several real processes on one store, killed ones, and disks that do not take what is written."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from pydantic import SecretStr

from smart_router.auth.profiles import Profile, fingerprint
from smart_router.auth.storage.database import FILE_NAME, Database
from smart_router.auth.storage.rows import Clock
from tests.auth.helpers import THREE_KEYS
from tests.auth.worker import NOBODY
from tests.testbed.harness import ROOT


class Process:
    """A worker, asked one thing after the other."""

    def __init__(self, folder: Path, **env: str) -> None:
        command = [sys.executable, "-m", "tests.auth.worker", str(folder)]
        self._child = subprocess.Popen(
            command, cwd=ROOT, env=os.environ | env, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
        )

    def send(self, command: str, *arguments: object) -> None:
        assert self._child.stdin
        self._child.stdin.write(json.dumps([command, *arguments]) + "\n")
        self._child.stdin.flush()

    def answer(self) -> Any:
        assert self._child.stdout
        return json.loads(self._child.stdout.readline())

    def ask(self, command: str, *arguments: object) -> Any:
        self.send(command, *arguments)
        return self.answer()

    def end(self) -> None:
        assert self._child.stdin and self._child.stdout
        self._child.stdin.close()
        assert self._child.wait(20) == 0
        self._child.stdout.close()


Start = Callable[..., Process]


@pytest.fixture
def start() -> Iterator[Start]:
    processes: list[Process] = []

    def start(folder: Path, **env: str) -> Process:
        processes.append(Process(folder, **env))
        return processes[-1]

    yield start
    for process in processes:
        process.end()


def test_processes_rotate_together_and_see_each_others_cooldowns(tmp_path: Path, start: Start) -> None:
    folder = tmp_path / "state"
    database = Database(folder, Clock())
    database.open()
    for name in "abcd":
        secret = SecretStr(f"token-{name}")
        database.save(Profile(f"openai:{name}", "openai", "login", secret, fingerprint(secret)))
    database.close()
    processes = [start(folder) for _ in range(3)]

    turns = [processes[number % 3].ask("pick_in_step") for number in range(12)]
    assert "".join(turn[-1] for turn in turns) == "abcd" * 3

    processes[0].ask("cool", "openai:b")
    deadline = time.monotonic() + 5
    while not all(process.ask("sees_cooled", "openai:b") for process in processes):
        assert time.monotonic() < deadline
        time.sleep(0.01)
    turns = [processes[number % 3].ask("pick_in_step") for number in range(9)]
    assert "".join(turn[-1] for turn in turns) == "acd" * 3

    for process in processes:
        process.send("used", "openai:a", 50)
    for process in processes:
        assert process.answer() is None
    for process in (*processes, processes[0]):
        process.ask("flush")
    assert processes[0].ask("known")["openai:a"] == {"success": 150}
    assert [process.ask("warned") for process in processes] == [[]] * 3


MANY_KILLS = [pytest.param(secrets, 500, marks=pytest.mark.slow) for secrets in ("database", "keyring")]


@pytest.mark.parametrize(("secrets", "rounds"), [("database", 20), *MANY_KILLS])
def test_kill_9_loses_nothing(tmp_path: Path, secrets: str, rounds: int) -> None:
    command = [sys.executable, "-m", "tests.auth.kill", tmp_path / "state", str(rounds), "1", secrets]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
    assert (done.returncode, done.stderr) == (0, "")
    assert int(done.stdout) > rounds


@pytest.mark.parametrize(
    "changes", [["renew"], pytest.param(["move there", "move back", "log in again"], marks=pytest.mark.slow)]
)
def test_kill_9_at_any_step_loses_no_secret_in_the_keyring(tmp_path: Path, changes: list[str]) -> None:
    command = [sys.executable, "-m", "tests.auth.kill_points", tmp_path, *changes]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
    assert (done.returncode, done.stderr) == (0, "")
    steps = [int(line.split()[-2]) for line in done.stdout.splitlines()]
    assert len(steps) == len(changes) and min(steps) > 10


def test_a_full_disk(tmp_path: Path, start: Start) -> None:
    process = start(tmp_path / "state")
    process.ask("add_key", "work", "sk-stored")
    process.ask("limit_files", 20_000)
    for _ in range(20):
        assert process.ask("pick") == "openai:env"
        process.ask("used", "openai:env", 10)
        time.sleep(0.02)
    assert "error" in process.ask("add_key", "more", "sk-more")
    (warning,) = process.ask("warned")
    assert "cannot be used" in warning and "from memory" in warning
    process.ask("limit_files", -1)
    assert process.ask("flush") is None
    again = start(tmp_path / "state").ask("known")
    assert again["openai:env"] == {"success": 200}
    assert "openai:work" in again


def test_a_read_only_folder(start: Start) -> None:
    # not under pytest's folder, which only its owner may enter: root can write anywhere, so it is not root
    folder = Path(tempfile.mkdtemp())
    try:
        database = Database(folder, Clock())
        database.open()
        secret = SecretStr("sk-stored")
        database.save(Profile("openai:work", "openai", "stored_key", secret, fingerprint(secret)))
        database.close()
        if os.getuid() == 0:
            for path in (folder, folder / FILE_NAME):
                os.chown(path, NOBODY, NOBODY)
        folder.chmod(0o500)
        process = start(folder, BECOME_NOBODY="1" if os.getuid() == 0 else "")
        assert list(process.ask("known")) == [*(f"openai:env{n}" for n in ("", "2", "3")), "openai:work"]
        for _ in range(len(THREE_KEYS) + 1):
            picked = process.ask("pick")
            process.ask("cool", picked)
            time.sleep(0.1)
        assert picked == "openai:work"
        assert "error" in process.ask("add_key", "more", "sk-more")
        (warning,) = process.ask("warned")
        assert "cannot be used" in warning and "from memory" in warning
    finally:
        folder.chmod(0o700)
        shutil.rmtree(folder)
