"""A keyring that is locked, silent, damaged or missing: other credentials are used, and nothing is lost."""

from __future__ import annotations

import sys
import threading
import time
from contextlib import closing
from pathlib import Path

import pytest
from keyring.backends.null import Keyring as NullKeyring
from pydantic import SecretStr

from smart_router.auth.logins.steps import LoginError, Request
from smart_router.auth.refresh import Refresher
from smart_router.auth.storage import credentials, writer
from smart_router.auth.storage.database import Database
from smart_router.auth.storage.rows import Clock
from smart_router.auth.storage.writer import StoreError
from smart_router.storage.background_writer import Rhythm
from tests.auth.file_keyring import passwords
from tests.auth.logins.helpers import ok
from tests.auth.storage.keyring_store import LONG, Open, fill, picked, secret_of, tokens, why
from tests.testbed.waiting import wait_for


def nothing_noted(state: Path, caplog: pytest.LogCaptureFixture) -> bool:
    """Return whether no entry of the keyring is to be deleted, and the log names none."""
    with closing(Database(state, Clock())) as database:
        return list(database.open().orphans) == [] and "keyring" not in caplog.text


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
    # the refused key is not added later
    assert store.find("openai:more") is None


def test_the_end_comes_after_what_is_still_to_be_deleted(
    open_store: Open, ring: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    store = open_store()
    store.move(to_keyring=True)
    fill(store)
    monkeypatch.setattr(credentials, "WITHIN", 0.05)
    (ring / "stuck").touch()
    for profile_id in ("openai:work", "openai-codex:me"):
        store.remove(profile_id)
    assert passwords(ring)
    storage = store._storage
    assert storage is not None
    waiting = storage._jobs.qsize()
    end = threading.Thread(target=store.close)
    end.start()
    wait_for(lambda: storage._jobs.qsize() > waiting)
    (ring / "stuck").unlink()
    end.join()
    assert passwords(ring) == []


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
