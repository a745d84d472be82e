"""A state folder with something of everything in it, how each of its files is spoiled, and who asks."""

from __future__ import annotations

import shutil
import sqlite3
import time
from collections.abc import Callable, Iterable, Mapping
from pathlib import Path
from typing import Any, NamedTuple

import httpx
from pydantic import SecretStr

from smart_router.attempts.lesson_file import Lesson, keep_lessons
from smart_router.auth.store import AuthStore
from smart_router.client_keys.database import Settings, changing
from smart_router.client_keys.limits import read_limit
from smart_router.providers.registry import PROVIDERS
from smart_router.stats.database import reading
from tests.testbed.harness import NO_TLS, Router, provider_env

SQLITE = ("auth.sqlite", "clients.sqlite", "stats.sqlite")
FILES = (*SQLITE, "clients.counters", "lessons.json")

PATIENCE = 60.0
"""Seconds until everything is written, on a busy machine."""

STORED = "sk-canary-stored-0123456789"
OF_STORED, OF_ENV = "openai/gpt-5.4-mini", "groq/openai/gpt-oss-20b"
"""Models asked with the stored key and with the environment's."""


class Filled(NamedTuple):
    """A state folder to be copied, its provider, and the key of a client with a limit."""

    folder: Path
    url: str
    key: str

    def router(self, state: Path, folder: Path) -> Router:
        """A router in `folder` with a copy of this state."""
        return Router(folder, env=env(self.url, state))


def fill(folder: Path, url: str, router_folder: Path) -> Filled:
    """Make the folder; its client has asked once."""
    store = AuthStore({}, PROVIDERS, folder)
    store.add_key("openai", "work", SecretStr(STORED))
    store.close()
    with changing(folder) as file:
        key = file.add("ann", Settings(limits=(read_limit("1M requests/day"),)), time.time())
    now = time.time()
    keep_lessons(folder / "lessons.json", {"openai/gpt-9": Lesson({"vision": False}, now + 3600)}, now)
    with Router(router_folder, env=env(url, folder)) as router:
        assert ask(router, OF_STORED, key.get_secret_value()) == 200
    assert not [name for name in FILES if not (folder / name).exists()]
    return Filled(folder, url, key.get_secret_value())


def env(url: str, folder: Path) -> Mapping[str, str]:
    """A key for groq alone: OpenAI's is stored."""
    found = dict(provider_env(url, "openai", "groq"))
    del found["OPENAI_API_KEY"]
    return found | {"SMART_ROUTER_STATE": str(folder)}


def copy(folder: Path, to: Path) -> Path:
    shutil.copytree(folder, to)
    return to


def ask(router: Router, model: str, key: str = "") -> int:
    """The status of one request."""
    headers = {"authorization": f"Bearer {key}"} if key else {}
    body: dict[str, Any] = {"model": model, "messages": [{"role": "user", "content": "Hi"}]}
    with httpx.Client(
        base_url=router.url, verify=NO_TLS, trust_env=False, timeout=30, headers=headers
    ) as http:
        answer = http.post("/v1/chat/completions", json=body)
    if answer.status_code != 200:
        print(f"{router.url} answered {answer.status_code}: {answer.text}")  # pytest shows it with a failure
    return answer.status_code


def health(router: Router) -> dict[str, Any]:
    with httpx.Client(base_url=router.url, verify=NO_TLS, trust_env=False, timeout=30) as http:
        told: dict[str, Any] = http.get("/health").json()
    return told


def recorded(state: Path) -> tuple[int, int]:
    """The requests that are recorded, and those that are counted as lost; (-1, 0) if nobody can read it."""
    try:
        with reading(state) as db:
            (found,) = db.execute("SELECT count(*) FROM requests").fetchone()
            (lost,) = db.execute("SELECT ifnull(sum(count), 0) FROM losses").fetchone()
    except (sqlite3.Error, OSError):
        return -1, 0
    return found, lost


def until_recorded(state: Path, number: int) -> None:
    """Wait until so many requests are recorded."""
    give_up = time.monotonic() + PATIENCE
    while (found := recorded(state)[0]) != number:
        assert time.monotonic() < give_up, (found, number)
        time.sleep(0.05)


# how a file is spoiled


def _flip(path: Path) -> None:
    content = bytearray(path.read_bytes())
    for at in range(0, len(content), 7):
        content[at] ^= 0x55
    with path.open("r+b") as file:  # in place
        file.write(content)


def _flip_pages(path: Path) -> None:
    """All but the first page, which makes it a SQLite file."""
    content = bytearray(path.read_bytes())
    for at in range(4096, len(content), 3):
        content[at] ^= 0x55
    with path.open("r+b") as file:
        file.write(content)


def _empty(path: Path) -> None:
    with path.open("r+b") as file:
        file.truncate(0)


def _make_folder(path: Path) -> None:
    path.unlink()
    path.mkdir()
    (path / "something").write_text("in it")


def _close(path: Path) -> None:
    path.chmod(0)


DAMAGES: Mapping[str, Callable[[Path], None]] = {
    "bytes flipped": _flip,
    "pages flipped": _flip_pages,
    "emptied": _empty,
    "a folder in its place": _make_folder,
    "mode 000": _close,
    "deleted": Path.unlink,
}


def spoil(folder: Path, how: str, names: Iterable[str]) -> None:
    """Spoil these files."""
    for name in names:
        DAMAGES[how](folder / name)
