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
from collections.abc import Callable, Iterator
from contextlib import closing
from pathlib import Path

import pytest
from keyring.backends.null import Keyring as NullKeyring
from pydantic import SecretStr

from smart_router.auth.logins.reply import Reply
from smart_router.auth.logins.steps import LoginError, Request
from smart_router.auth.profiles import GrantedTokens, Profile
from smart_router.auth.refresh import Refresher
from smart_router.auth.selection import Picked
from smart_router.auth.storage import credentials, writer
from smart_router.auth.storage.database import Database
from smart_router.auth.storage.os_keyring import PART, KeyringError, OsKeyring, new_entry
from smart_router.auth.storage.rows import Clock
from smart_router.auth.storage.writer import StoreError
from smart_router.auth.store import AuthStore
from smart_router.providers.registry import PROVIDERS
from smart_router.storage.background_writer import Rhythm
from tests.auth.file_keyring import BACKEND, passwords
from tests.auth.logins.helpers import ok

Open = Callable[..., AuthStore]
ROOT = Path(__file__).parents[3]
LONG = "canary-" + "t" * 5000


@pytest.fixture
def ring(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The folder of the keyring that is the user's."""
    folder = tmp_path / "ring"
    folder.mkdir()
    monkeypatch.setenv("TEST_KEYRING", str(folder))
    monkeypatch.setenv("PYTHON_KEYRING_BACKEND", BACKEND)
    return folder


@pytest.fixture
def state(tmp_path: Path) -> Path:
    return tmp_path / "state"


@pytest.fixture
def open_store(state: Path, ring: Path) -> Iterator[Open]:
    stores: list[AuthStore] = []

    def open_store(env: dict[str, str] | None = None) -> AuthStore:
        stores.append(AuthStore(env or {}, PROVIDERS, state))
        return stores[-1]

    yield open_store
    for name in ("locked", "stuck"):
        (ring / name).unlink(missing_ok=True)
    for store in stores:
        store.close()


def tokens(access: str = LONG, refresh: str = "canary-refresh") -> GrantedTokens:
    return GrantedTokens(SecretStr(access), SecretStr(refresh), 0.0, 4_000_000_000.0, {"account_id": "acc"})


def fill(store: AuthStore) -> None:
    store.add_key("openai", "work", SecretStr("canary-key"))
    store.add_login("openai-codex", "me", tokens())


def secret_of(profile: Profile | None) -> str:
    assert profile is not None and profile.secret is not None, profile and profile.missing
    return profile.secret.get_secret_value()


def picked(store: AuthStore, provider: str = "openai") -> str | None:
    found = store.pick_next_profile(provider, "gpt", time.monotonic())
    return secret_of(found.profile) if isinstance(found, Picked) else None


def why(store: AuthStore, profile_id: str) -> str | None:
    return next(one.why for one in store.statuses(None, 0.0) if one.id == profile_id)


def traces(state: Path) -> list[str]:
    """The files of the state folder in which a secret is."""
    return [path.name for path in state.iterdir() if b"canary" in path.read_bytes()]


def nothing_noted(state: Path, caplog: pytest.LogCaptureFixture) -> bool:
    """Whether no entry of the keyring is to be deleted, and nobody was told that one is."""
    with closing(Database(state, Clock())) as database:
        return list(database.open().orphans) == [] and "keyring" not in caplog.text


def wait_for(condition: Callable[[], bool]) -> None:
    deadline = time.monotonic() + 5
    while not condition():
        assert time.monotonic() < deadline
        time.sleep(0.005)


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


def test_a_locked_keyring(
    open_store: Open, ring: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    first = open_store()
    first.move(to_keyring=True)
    fill(first)
    first.close()
    (ring / "locked").touch()
    monkeypatch.setattr(credentials, "RETRY_LOCKED", 0.02)
    store = open_store({"OPENAI_API_KEY": "sk-env"})
    for profile_id in ("openai:work", "openai-codex:me"):
        assert "keyring is locked: unlock it" in str(why(store, profile_id))
    assert picked(store) == "sk-env"
    assert not store.usable("openai-codex", "gpt", 0.0)
    assert store.logins() == []
    with pytest.raises(StoreError, match="unlock it"):
        store.add_key("openai", "more", SecretStr("canary-more"))
    with pytest.raises(StoreError, match="unlock it"):
        store.try_out()
    left = store.move(to_keyring=False)
    assert set(map(str, left.values())) == {why(store, "openai:work")}
    time.sleep(0.1)
    assert caplog.text.count("openai:work, openai-codex:me cannot be used") == 1
    (ring / "locked").unlink()
    wait_for(lambda: why(store, "openai-codex:me") is None)
    assert secret_of(store.find("openai:work")) == "canary-key"


def test_a_keyring_that_does_not_answer(
    open_store: Open, ring: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    first = open_store()
    first.move(to_keyring=True)
    fill(first)
    first.close()
    (ring / "stuck").touch()
    monkeypatch.setattr(credentials, "START_WITHIN", 0.02)
    monkeypatch.setattr(credentials, "WITHIN", 0.05)
    started = time.monotonic()
    store = open_store({"OPENAI_API_KEY": "sk-env"})
    assert picked(store) == "sk-env"
    assert time.monotonic() - started < 1
    assert "has not answered yet" in str(why(store, "openai:work"))
    with pytest.raises(StoreError, match="has not answered yet"):
        store.add_key("openai", "more", SecretStr("canary-more"))
    (ring / "stuck").unlink()
    wait_for(lambda: why(store, "openai:work") is None)
    # nobody waits for what was given up
    assert store.find("openai:more") is None


def test_a_secret_that_somebody_deleted(open_store: Open, ring: Path) -> None:
    first = open_store()
    first.move(to_keyring=True)
    fill(first)
    first.close()
    for path in ring.iterdir():
        if path.read_text() == "canary-key":
            path.unlink()
    store = open_store()
    assert "does not hold its secret any more" in str(why(store, "openai:work"))
    assert secret_of(store.find("openai-codex:me")) == LONG
    store.add_key("openai", "work", SecretStr("canary-again"))
    assert picked(store) == "canary-again"


def test_a_damaged_file_keeps_what_is_in_the_keyring(
    open_store: Open, state: Path, ring: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(writer, "RHYTHM", Rhythm(idle=0.25, retry=0.01))
    store = open_store()
    store.move(to_keyring=True)
    fill(store)
    for path in state.glob("auth.sqlite*"):
        path.write_bytes(b"\x00garbage" * 10_000)
    wait_for(lambda: bool(list(state.glob("*.damaged-*"))))
    store.flush()
    again = open_store()
    assert (picked(again), secret_of(again.find("openai-codex:me"))) == ("canary-key", LONG)
    again.add_key("openai", "work", SecretStr("canary-2"))
    assert "canary-key" not in passwords(ring) and "canary-2" in passwords(ring)


BAD_BACKENDS = [
    ("keyring.backends.fail.Keyring", "there is no system keyring here"),
    ("keyring.backends.null.Keyring", "keyring.backends.null does not protect secrets"),
    ("keyrings.alt.file.PlaintextKeyring", "keyrings.alt.file does not protect secrets"),
    ("no.such.backend", r"cannot be used \(ModuleNotFoundError\)"),
]


@pytest.mark.parametrize(("backend", "message"), BAD_BACKENDS)
def test_keyrings_that_are_refused(
    open_store: Open,
    state: Path,
    backend: str,
    message: str,
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
) -> None:
    # in the place of the package, which is not installed
    plain = type("PlaintextKeyring", (NullKeyring,), {"__module__": "keyrings.alt.file", "priority": 1})
    NullKeyring._classes.discard(plain)
    for name in ("keyrings", "keyrings.alt", "keyrings.alt.file"):
        monkeypatch.setitem(sys.modules, name, type(sys)(name))
    monkeypatch.setattr(sys.modules["keyrings.alt.file"], "PlaintextKeyring", plain, raising=False)
    monkeypatch.setenv("PYTHON_KEYRING_BACKEND", backend)
    store = open_store()
    fill(store)
    with pytest.raises(StoreError, match=message):
        store.move(to_keyring=True)
    assert picked(store) == "canary-key"
    store.add_key("openai", "more", SecretStr("canary-more"))  # goes where it went before
    assert nothing_noted(state, caplog)


@pytest.mark.parametrize("moved_before", [False, True])
@pytest.mark.parametrize("trouble", ["locked", "read-only"])
def test_a_keyring_that_takes_nothing_leaves_no_trace(
    open_store: Open,
    state: Path,
    ring: Path,
    trouble: str,
    moved_before: bool,
    caplog: pytest.LogCaptureFixture,
) -> None:
    store = open_store()
    store.move(to_keyring=moved_before)
    (ring / trouble).touch()
    with pytest.raises(StoreError):
        if moved_before:
            store.add_key("openai", "work", SecretStr("canary-key"))
        else:
            store.move(to_keyring=True)
    assert nothing_noted(state, caplog)
    assert passwords(ring) == []


def test_without_the_extra(open_store: Open, monkeypatch: pytest.MonkeyPatch) -> None:
    first = open_store()
    first.move(to_keyring=True)
    fill(first)
    first.close()
    monkeypatch.setitem(sys.modules, "keyring.errors", None)
    assert "pip install 'smart-router[keyring]'" in str(why(open_store(), "openai:work"))


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


async def test_a_keyring_that_is_locked_uses_no_refresh_token_up(open_store: Open, ring: Path) -> None:
    store = open_store()
    store.move(to_keyring=True)
    login = store.add_login("openai-codex", "me", tokens())
    (ring / "locked").touch()
    sent: list[Request] = []
    refresher = Refresher(store, {}, {}, send=lambda request: sent.append(request) or ok())
    with pytest.raises(LoginError, match="the system's keyring is locked: unlock it"):
        await refresher.usable(login, refused=True)
    assert sent == []
    # until it ends, the token that is known is used
    assert await refresher.usable(login) == login


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
    command = [
        "dbus-run-session",
        "--",
        sys.executable,
        "-m",
        "tests.auth.secret_service",
        tmp_path / "state",
    ]
    done = subprocess.run(command, cwd=ROOT, env=env, capture_output=True, text=True, timeout=60)
    assert done.returncode == 0, done.stderr
    assert done.stdout == "the system's keyring is locked: unlock it\n"
