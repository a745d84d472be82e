"""Canary secrets: after everything that can happen to them, they are in the store file and nowhere else."""

from __future__ import annotations

import contextlib
import dataclasses
import json
import logging
import pickle
import sqlite3
import traceback
from collections.abc import Iterator
from pathlib import Path

import pytest
from pydantic import SecretStr
from pydantic_core import to_json

from smart_router.auth.cooldowns import PROBE_EVERY
from smart_router.auth.profiles import Profile, auth_headers
from smart_router.auth.status import ProfileStatus
from smart_router.auth.storage import database, writer
from smart_router.auth.storage.database import FILE_NAME, Database
from smart_router.auth.storage.rows import Clock, profile_to_row
from smart_router.auth.store import AuthStore, UnknownProfileError
from smart_router.storage.background_writer import Rhythm
from tests.auth.helpers import PROVIDERS, failure

ENV, STORED, REFUSED = "sk-canary-env", "sk-canary-stored", "sk canary refused"


@contextlib.contextmanager
def told(said: list[str], kind: type[Exception]) -> Iterator[None]:
    """Record the error that must come, as the most talkative reporter would show it, without this file."""
    with pytest.raises(kind) as raised:
        yield
    trace = raised.value.__traceback__
    while trace and trace.tb_frame.f_code.co_filename == __file__:
        trace = trace.tb_next
    said += traceback.TracebackException(kind, raised.value, trace, capture_locals=True).format()


def written_about(store: AuthStore, stored: Profile, statuses: list[ProfileStatus]) -> Iterator[str]:
    """Everything that makes text of profiles."""
    yield from (repr(auth_headers(PROVIDERS[one.provider], one)) for one in store._profiles())
    yield from (json.dumps(one.as_dict()) for one in statuses)
    yield to_json(dataclasses.asdict(stored)).decode()
    yield to_json(statuses).decode()
    yield pickle.dumps(statuses).decode("latin-1")


def test_canaries(tmp_path: Path, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch) -> None:
    caplog.set_level(logging.DEBUG)
    monkeypatch.setattr(writer, "RHYTHM", Rhythm(idle=0.25, retry=0.0))
    monkeypatch.setattr(database, "_LOCK_WAIT", 0.0)
    said: list[str] = []

    env = {"OPENAI_API_KEY": f"{ENV},{REFUSED}", "ANTHROPIC_AUTH_TOKEN": ENV}
    store = AuthStore(env, PROVIDERS, tmp_path)
    stored = store.add_key("openai", "work", SecretStr(STORED))
    with told(said, ValueError):
        store.add_key("openai", "bad", SecretStr(REFUSED))
    with told(said, UnknownProfileError):
        store.reset("openai:nobody")
    for profile_id in ("openai:env", "openai:work", "anthropic:env"):
        # a provider that quotes the key
        error = dataclasses.replace(failure("auth", "profile", status=401), message=f"bad {ENV} {STORED}")
        store.mark_profile_failure(profile_id, "gpt", error, 0.0)
    picked = store.pick_next_profile("openai", "gpt", PROBE_EVERY)
    refused = store.pick_next_profile("openai", "gpt", 0.0)
    statuses = store.statuses(None, 0.0)
    store.flush()
    with contextlib.closing(sqlite3.connect(tmp_path / FILE_NAME, isolation_level=None)) as db:
        db.execute("BEGIN IMMEDIATE")
        with told(said, writer.StoreError):
            store.add_key("openai", "more", SecretStr(STORED))
        db.execute("ROLLBACK")
        db.execute("UPDATE credentials SET extras = '{' || extras")
    store.flush()
    assert "is damaged" in caplog.text and "cannot be used" in caplog.text and "whitespace" in caplog.text
    store.close()

    file = Database(tmp_path, Clock())
    loaded = file.open()
    file.close()
    things = (store, stored, picked, refused, statuses, loaded, vars(store), store._health.records.all())
    said += [text for thing in things for text in (repr(thing), str(thing))]
    said += written_about(store, stored, statuses)
    said += [caplog.text, *(str(record.__dict__) for record in caplog.records)]
    assert any("secret = SecretStr" in text for text in said)  # the traps were open
    for canary in (ENV, STORED, REFUSED):
        assert not [text for text in said if canary in text]

    on_disk = {path.name: path.read_bytes() for path in tmp_path.iterdir()}
    assert not [name for name, content in on_disk.items() if ENV.encode() in content]
    assert [name for name in on_disk if not name.startswith(FILE_NAME)] == []
    assert STORED in profile_to_row(stored)
