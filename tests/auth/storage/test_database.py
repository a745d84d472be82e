"""The store file in one process: what survives, what is set aside, what a bad disk does."""

from __future__ import annotations

import logging
import random
import sqlite3
import stat
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import closing
from functools import partial
from pathlib import Path

import pytest
from pydantic import SecretStr

from smart_router.auth.cooldowns import Health, after_success
from smart_router.auth.storage import database, health_records, writer
from smart_router.auth.storage.database import FILE_NAME, Database
from smart_router.auth.storage.health_records import Change, HealthRecords, Key
from smart_router.auth.storage.rows import Clock
from smart_router.auth.storage.schema import MIGRATIONS
from smart_router.auth.storage.writer import StoreError
from smart_router.auth.store import AuthStore
from smart_router.storage.background_writer import Rhythm
from smart_router.storage.sqlite_file import NewerFileError
from tests.auth.helpers import PROVIDERS, THREE_KEYS, failure
from tests.testbed.waiting import wait_for

Open = Callable[..., AuthStore]

succeed = partial(after_success, now=0.0)


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return tmp_path / "state"


@pytest.fixture
def open_store(folder: Path) -> Iterator[Open]:
    """Opens stores on one folder, which end with the test."""
    stores: list[AuthStore] = []

    def open_store(env: dict[str, str] = THREE_KEYS, clock: Clock | None = None) -> AuthStore:
        stores.append(AuthStore(env, PROVIDERS, folder, clock))
        return stores[-1]

    yield open_store
    for store in stores:
        store.close()


def stored(store: AuthStore) -> dict[str, str]:
    """Names and secrets of the stored keys, as a request would send them."""
    return {
        one.id: one.secret.get_secret_value()
        for one in store._profiles()
        if one.kind == "stored_key" and one.secret
    }


class Clocks:
    """A process's clocks, set by hand."""

    def __init__(self, monotonic: float, wall: float) -> None:
        self.monotonic, self.wall = monotonic, wall
        self.clock = Clock(lambda: self.monotonic, lambda: self.wall)


@pytest.mark.parametrize(
    ("existing", "mode"), [(None, 0o700), (0o700, 0o700), (0o755, 0o755), (0o750, 0o750)]
)
def test_files_are_private_and_an_existing_folder_keeps_its_mode(
    folder: Path, open_store: Open, existing: int | None, mode: int, caplog: pytest.LogCaptureFixture
) -> None:
    if existing is not None:
        folder.mkdir(mode=existing)
    open_store().flush()
    assert stat.S_IMODE(folder.stat().st_mode) == mode
    warnings = [record.getMessage() for record in caplog.records if str(folder) in record.getMessage()]
    assert len(warnings) == (1 if mode & 0o077 else 0)
    assert not warnings or f"mode {mode:04o}" in warnings[0]
    modes = {path.name: stat.S_IMODE(path.stat().st_mode) for path in folder.iterdir()}
    assert modes == {FILE_NAME: 0o600, f"{FILE_NAME}-wal": 0o600, f"{FILE_NAME}-shm": 0o600}


def test_what_survives_a_restart(open_store: Open) -> None:
    first = open_store(clock=Clocks(monotonic=100, wall=1_000_000).clock)
    first.add_key("openai", "work", SecretStr("sk-stored"))
    first.pick_next_profile("openai", "gpt", 100.0)
    first.mark_profile_failure("openai:env", "gpt", failure("rate_limit", retry_after=60), 100.0)
    first.mark_profile_failure("openai:env2", "gpt", failure("auth_permanent", "profile"), 100.0)
    first.disable("openai:env3")
    before = [one.as_dict() for one in first.statuses("openai", 110.0)]
    first.close()

    # ten seconds later; the monotonic clock starts anywhere
    second = open_store(clock=Clocks(monotonic=5, wall=1_000_010).clock)
    assert [one.as_dict() for one in second.statuses("openai", 5.0)] == before
    assert stored(second) == {"openai:work": "sk-stored"}


@pytest.mark.parametrize(
    ("jump", "cooled_for"),
    [(20.0, 40.0), (-7200.0, 60.0), (7 * 86_400.0, None)],
    ids=["as time goes", "the clock went back two hours", "the clock leapt ahead"],
)
def test_clock_jumps_over_a_restart(open_store: Open, jump: float, cooled_for: float | None) -> None:
    first = open_store(clock=Clocks(0.0, 1_000_000).clock)
    first.mark_profile_failure("openai:env", "gpt", failure("rate_limit", retry_after=60), 0.0)
    first.close()
    for later in (0.0, 10.0):
        now = 50.0 + later
        again = open_store(clock=Clocks(now, 1_000_000 + jump + later).clock)
        (model,) = again.statuses("openai", now)[0].as_dict()["models"].values()
        assert model["cooled_for"] == (None if cooled_for is None else cooled_for - later)
        again.close()


def test_two_stores_see_each_other(open_store: Open) -> None:
    one, other = open_store(), open_store()
    now = time.monotonic()
    for profile_id in ("openai:env", "openai:env2", "openai:env3"):
        one.mark_profile_failure(profile_id, "gpt", failure("rate_limit", retry_after=60), now)
    wait_for(lambda: not other.usable("openai", "gpt", now))
    other.mark_profile_used("openai:env", "gpt", now)
    one.add_key("openai", "work", SecretStr("sk-stored"))
    wait_for(lambda: bool(stored(other)))
    other.flush()
    one.flush()
    assert one.statuses("openai", now)[0].health.counts == {"rate_limit": 1, "success": 1}


def test_counts_of_several_stores_add_up(open_store: Open) -> None:
    stores = [open_store() for _ in range(3)]
    for number in range(60):
        stores[number % 3].mark_profile_used("openai:env", "gpt", 0.0)
    for store in (*stores, stores[0]):
        store.flush()
    assert stores[0].statuses("openai", 0.0)[0].health.counts == {"success": 60}


def test_stored_keys(open_store: Open) -> None:
    store = open_store()
    store.add_key("openai", "work", SecretStr("sk-1"))
    store.add_key("openai", "work", SecretStr("sk-2"))
    assert stored(store) == {"openai:work": "sk-2"}
    store.remove("openai:work")
    assert stored(store) == {}
    for provider, name, secret in [
        ("nobody", "work", "sk-1"),
        ("openai", "env2", "sk-1"),
        ("openai", "a b", "sk-1"),
        ("openai", "", "sk-1"),
        ("openai", "work", "sk 1"),
    ]:
        with pytest.raises(ValueError, match=r"no provider|no name|not a key"):
            store.add_key(provider, name, SecretStr(secret))
    with pytest.raises(ValueError, match="OPENAI_API_KEY"):
        store.remove("openai:env")


def test_a_removed_key_leaves_no_trace(folder: Path, open_store: Open) -> None:
    store = open_store()
    store.add_key("openai", "work", SecretStr("sk-to-be-forgotten"))
    store.remove("openai:work")
    store.close()
    assert not any(b"sk-to-be-forgotten" in path.read_bytes() for path in folder.iterdir())


def test_without_a_folder_nothing_can_be_stored() -> None:
    with pytest.raises(StoreError, match="without a folder"):
        AuthStore({}, PROVIDERS).add_key("openai", "work", SecretStr("sk-1"))


@pytest.mark.parametrize("damage", ["garbage", "header", "cut", "schema"])
def test_a_damaged_file_is_set_aside(
    folder: Path, open_store: Open, damage: str, caplog: pytest.LogCaptureFixture
) -> None:
    first = open_store()
    for number in range(40):
        first.add_key("openai", f"k{number}", SecretStr(f"sk-{number}"))
    first.close()
    path = folder / FILE_NAME
    content = path.read_bytes()
    if damage == "schema":
        with closing(sqlite3.connect(path)) as db:
            db.execute("DROP TABLE health")
    else:
        path.write_bytes(
            {
                "garbage": b"\x00garbage" * 1000,
                "header": b"X" + content[1:],
                "cut": content[: len(content) // 8192 * 4096],
            }[damage]
        )
    second = open_store()
    assert "was damaged" in caplog.text and "damaged-" in caplog.text
    assert [path.name for path in folder.glob("*.damaged-*")]
    assert second.pick_next_profile("openai", "gpt", 0.0)
    if damage == "schema":
        assert len(stored(second)) == 40
    second.add_key("openai", "work", SecretStr("sk-new"))
    second.close()
    assert stored(open_store())["openai:work"] == "sk-new"


def test_flipped_bits_never_reach_a_provider(folder: Path, open_store: Open) -> None:
    first = open_store()
    written = {f"openai:k{number}": f"sk-{number * 7919:032}" for number in range(20)}
    for profile_id, secret in written.items():
        first.add_key("openai", profile_id.removeprefix("openai:"), SecretStr(secret))
    first.mark_profile_failure("openai:env", "gpt", failure("quota"), 0.0)
    first.close()
    path = folder / FILE_NAME
    content = path.read_bytes()
    chance = random.Random(1)  # noqa: S311
    for _ in range(30):
        for old in folder.iterdir():
            old.unlink()
        flipped = bytearray(content)
        for _ in range(chance.choice((1, 1, 8))):
            flipped[chance.randrange(len(flipped))] ^= 1 << chance.randrange(8)
        path.write_bytes(flipped)
        db = Database(folder, Clock())
        try:
            found = db.open()
        except (sqlite3.Error, NewerFileError) as error:
            # bits that say "this file is from the future": left alone
            assert "readonly" in str(error) or "version" in str(error)
            continue
        finally:
            db.close()
        for profile_id, profile in found.profiles.items():
            assert profile.secret and written[profile_id] == profile.secret.get_secret_value()
        intact = len(found.profiles) == len(written)
        assert intact or list(folder.glob("*.damaged-*")) or len(found.profiles) >= len(written) - 8


def test_a_file_damaged_while_in_use_is_made_anew(
    folder: Path, open_store: Open, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr(writer, "RHYTHM", Rhythm(idle=0.25, retry=0.01))
    store = open_store()
    store.add_key("openai", "work", SecretStr("sk-stored"))
    for path in folder.iterdir():
        path.write_bytes(b"\x00garbage" * 10_000)
    for _ in range(3):
        store.mark_profile_used("openai:env", "gpt", 0.0)
        time.sleep(0.02)
    wait_for(lambda: bool(list(folder.glob("*.damaged-*"))))
    store.flush()
    assert stored(store) == {"openai:work": "sk-stored"}
    assert stored(open_store()) == {"openai:work": "sk-stored"}
    assert caplog.text.count("was damaged") == 1


def test_a_locked_file(
    folder: Path, open_store: Open, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr(writer, "RHYTHM", Rhythm(idle=0.25, retry=0.01))
    monkeypatch.setattr(database, "_LOCK_WAIT", 0.02)
    store = open_store()
    with closing(sqlite3.connect(folder / FILE_NAME, isolation_level=None)) as db:
        db.execute("BEGIN IMMEDIATE")
        for _ in range(3):
            store.mark_profile_used("openai:env", "gpt", 0.0)
            time.sleep(0.05)
            with pytest.raises(StoreError, match="locked"):
                store.add_key("openai", "work", SecretStr("sk-stored"))
        db.execute("ROLLBACK")
    store.flush()
    assert [record.levelno for record in caplog.records].count(logging.WARNING) == 1
    assert open_store().statuses("openai", 0.0)[0].health.counts == {"success": 3}


def test_a_newer_file_is_left_alone(folder: Path, open_store: Open, caplog: pytest.LogCaptureFixture) -> None:
    open_store().close()
    with closing(sqlite3.connect(folder / FILE_NAME)) as db:
        db.execute(f"PRAGMA user_version = {len(MIGRATIONS) + 1}")
    store = open_store()
    with pytest.raises(StoreError, match="this version of the router knows"):
        store.flush()  # after the batch that failed first, and so after its warning
    assert "this version of the router knows" in caplog.text
    assert store.pick_next_profile("openai", "gpt", 0.0)
    assert not list(folder.glob("*.damaged-*"))


def test_a_record_of_another_version_is_fresh(folder: Path, open_store: Open) -> None:
    store = open_store()
    store.mark_profile_failure("openai:env", "gpt", failure("quota", "profile"), 0.0)
    store.close()
    for record in ("{", "[]", '{"window":{"kind":"new"}}', '{"last_used":1e999}', "{" * 10_000):
        with closing(sqlite3.connect(folder / FILE_NAME)) as db, db:
            db.execute("UPDATE health SET record = ?", (record,))
        again = open_store()
        assert again.pick_next_profile("openai", "gpt", 0.0)
        again.close()


def test_several_open_a_new_file_at_once(folder: Path, caplog: pytest.LogCaptureFixture) -> None:
    databases = [Database(folder, Clock()) for _ in range(8)]

    def use(db: Database) -> None:
        db.open()
        db.apply([Change((Key("openai:env", "", "f"),), succeed)])
        db.close()

    threads = [threading.Thread(target=use, args=(db,)) for db in databases]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    (record,) = databases[0].open().records.values()
    databases[0].close()
    assert record.counts == {"success": 8}
    assert not caplog.records


def test_records_are_bounded_but_nothing_disabled_is_forgotten(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(database, "MOST_RECORDS", 10)
    monkeypatch.setattr(health_records, "MOST_RECORDS", 10)
    clocks = Clocks(0.0, 0.0)
    db, book = Database(folder, clocks.clock), HealthRecords(durable=True)
    off = Key("openai:off", "", "f")
    changes = [Change((off,), lambda health: Health(disabled="off"))]
    changes += [Change((Key("openai:env", f"model-{number}", "f"),), succeed) for number in range(50)]
    db.open()
    for change in changes:
        clocks.wall += 1
        found = db.apply([change])
        assert len(found.records) <= 11
        book.note(change)
        assert len(book.all()) <= 10
    assert {off, *changes[-1].keys} <= found.records.keys() & book.all().keys()
    db.close()
    clocks.wall += 40 * 24 * 3600
    assert db.open().records.keys() == {off}
    db.close()


def test_what_happens_while_a_batch_is_written_is_kept() -> None:
    book, key = HealthRecords(durable=True), Key("openai:env", "", "f")
    book.note(Change((key,), succeed))
    written = book.pending()
    book.note(Change((key,), succeed))
    book.adopt({key: Health(counts={"success": 101})}, written)
    assert book.get(key).counts == {"success": 102}
    assert len(book.pending()) == 1
