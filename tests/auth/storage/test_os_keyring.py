"""Secrets in the system's keyring: moving them, losing none, and doing without when it is not to be had."""

from __future__ import annotations

import asyncio
import logging
import os
import shutil
import subprocess
import sys
import threading
import time
from pathlib import Path

import pytest
from keyring.backend import KeyringBackend
from keyring.compat import properties
from pydantic import SecretStr

from smart_router.auth.logins.reply import Reply
from smart_router.auth.logins.steps import Request
from smart_router.auth.refresh import Refresher
from smart_router.auth.storage.os_keyring import PART, KeyringError, OsKeyring, new_entry
from tests.auth.file_keyring import passwords
from tests.auth.logins.helpers import ok
from tests.auth.storage.keyring_store import LONG, Open, fill, picked, secret_of, tokens
from tests.testbed.harness import ROOT
from tests.testbed.waiting import wait_for


def traces(state: Path) -> list[str]:
    """The files of the state folder in which a secret is."""
    return [path.name for path in state.iterdir() if b"canary" in path.read_bytes()]


def test_into_the_keyring_and_back(open_store: Open, state: Path, ring: Path) -> None:
    running = open_store()
    fill(running)
    before = running.find("openai-codex:me")
    store = open_store()
    assert traces(state)
    moved = {"openai:work": None, "openai-codex:me": None}
    assert store.move(to_keyring=True) == moved
    assert traces(state) == []
    assert "canary-key" in passwords(ring)
    assert max(map(len, passwords(ring))) <= PART
    # a process that runs meanwhile follows, and so does the next one
    wait_for(lambda: all(one.in_keyring for one in running.statuses(None, 0.0)))
    running.settle()
    for one in (store, running, open_store()):
        assert picked(one) == "canary-key"
        login = one.find("openai-codex:me")
        assert login and before and login.login == before.login and login.extras == before.extras
        assert (secret_of(login), login.fingerprint) == (LONG, before.fingerprint)
    # as do new secrets, wherever they come from
    running.add_key("groq", "new", SecretStr("canary-new"))
    assert "canary-new" in passwords(ring)
    assert traces(state) == []
    assert store.move(to_keyring=True) == {}
    assert store.move(to_keyring=False) == {**moved, "groq:new": None}
    store.settle()
    assert passwords(ring) == []
    assert picked(store) == "canary-key"
    store.add_key("groq", "newer", SecretStr("canary-newer"))
    assert passwords(ring) == []


def test_what_is_replaced_or_removed_leaves_the_keyring(open_store: Open, ring: Path) -> None:
    store = open_store()
    store.move(to_keyring=True)
    fill(store)
    login = store.find("openai-codex:me")
    assert login is not None
    renewed = store.replace_tokens(login, tokens("canary-2", "canary-refresh-2"))
    assert secret_of(renewed) == "canary-2"
    # the loser of a race changes nothing
    assert store.replace_tokens(login, tokens("canary-3")) == renewed
    store.add_key("openai", "work", SecretStr("canary-key-2"))
    assert len(passwords(ring)) == 2
    store.remove("openai-codex:me")
    assert passwords(ring) == ["canary-key-2"]
    store.remove("openai:work")
    assert passwords(ring) == []


def test_no_secret_is_told(open_store: Open, ring: Path, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.DEBUG)
    store = open_store()
    store.move(to_keyring=True)
    fill(store)
    said = [repr(store.find("openai:work")), repr(vars(store)), repr(vars(store._on_disk()))]
    with pytest.raises(KeyringError) as raised:
        # a backend whose error quotes the secret
        OsKeyring().write(new_entry("openai:work", SecretStr("short")), SecretStr("canary-" + "€" * PART))
        raise KeyringError("no limit")
    said += [str(raised.value), caplog.text]
    assert not [text for text in said if "canary" in text]


async def test_one_refresh_however_many_share_the_keyring(open_store: Open, ring: Path) -> None:
    stores = [open_store() for _ in range(4)]
    stores[0].move(to_keyring=True)
    login = stores[0].add_login("openai-codex", "me", tokens())
    for store in stores:
        store.reread(login.id)
    sent = []

    def answer(request: Request) -> Reply:
        sent.append(request)
        time.sleep(0.05)
        return ok(access_token="canary-2", refresh_token="canary-refresh-2", expires_in=3600)

    refreshers = [Refresher(store, {}, {}, send=answer) for store in stores]
    found = await asyncio.gather(*(one.usable(login, refused=True) for one in refreshers for _ in range(3)))
    assert {secret_of(profile) for profile in found} == {"canary-2"}
    assert len(sent) == 1
    assert len(passwords(ring)) == 1


def test_nothing_is_lost_while_it_is_moved_and_refreshed(open_store: Open, ring: Path) -> None:
    one, other = open_store(), open_store()
    fill(one)
    login = one.find("openai-codex:me")
    number = 0

    def refresh() -> None:
        nonlocal login, number
        while number < 20 and login is not None:
            renewed = one.replace_tokens(login, tokens(f"canary-{number + 1}"))
            if renewed is not None and secret_of(renewed) == f"canary-{number + 1}":
                number += 1
            login = renewed

    thread = threading.Thread(target=refresh)
    thread.start()
    for turn in range(10):
        assert set(other.move(to_keyring=turn % 2 == 0).values()) <= {None}
    thread.join()
    assert secret_of(open_store().find("openai-codex:me")) == "canary-20"
    other.move(to_keyring=False)
    other.settle()
    assert passwords(ring) == []


def test_a_keyring_that_is_started_later_is_found(monkeypatch: pytest.MonkeyPatch) -> None:
    started: list[bool] = []
    monkeypatch.setattr(KeyringBackend, "_classes", set())

    class Late(KeyringBackend):
        @properties.classproperty
        def priority(cls) -> float:  # noqa: N805 - a property of the class
            if not started:
                raise RuntimeError("it does not run")
            return 9.0

        def get_password(self, service: str, username: str) -> str | None:
            return None

        def set_password(self, service: str, username: str, password: str) -> None:
            raise NotImplementedError

    monkeypatch.setattr("keyring.backend._load_plugins", lambda: None)
    monkeypatch.delenv("PYTHON_KEYRING_BACKEND", raising=False)
    keyring = OsKeyring()
    with pytest.raises(KeyringError, match="takes it up within a minute"):
        keyring.check()
    started.append(True)
    keyring.check()


@pytest.mark.skipif(
    not (shutil.which("dbus-run-session") and shutil.which("gnome-keyring-daemon")),
    reason="there is no dbus-run-session or no gnome-keyring-daemon",
)
def test_the_secret_service(tmp_path: Path) -> None:
    env = {
        name: value
        for name, value in os.environ.items()
        if not name.startswith(("DBUS_", "GNOME_", "DISPLAY"))
    }
    env |= {"HOME": str(tmp_path), "XDG_RUNTIME_DIR": str(tmp_path), "XDG_DATA_HOME": str(tmp_path / "data")}
    session = ["dbus-run-session", "--", "sh", "-c", 'echo "$DBUS_SESSION_BUS_ADDRESS"; read end']
    command = [sys.executable, "-m", "tests.auth.secret_service", tmp_path / "state"]
    with subprocess.Popen(session, env=env, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as bus:
        assert bus.stdout
        env["DBUS_SESSION_BUS_ADDRESS"] = bus.stdout.readline().strip()
        done = subprocess.run(command, cwd=ROOT, env=env, capture_output=True, text=True, timeout=60)
    assert done.returncode == 0, done.stderr
    assert done.stdout == "the system's keyring is locked: unlock it\n"
