"""A running router notices what the command line changes."""

from __future__ import annotations

import sqlite3
import time
from collections.abc import Callable, Iterator
from contextlib import closing
from pathlib import Path

import pytest
from pydantic import SecretStr

from smart_router.client_keys.book import ClientBook
from smart_router.client_keys.database import FILE_NAME, ClientsError, Settings, changing
from smart_router.client_keys.limits import read_limit
from smart_router.errors import ClientError

NOW = 1_000_000.0


@pytest.fixture
def book(tmp_path: Path) -> Iterator[ClientBook]:
    book = ClientBook(tmp_path, {"desk": SecretStr("a long random string")})
    yield book
    book.close()


def until(holds: Callable[[], object], within: float = 5.0) -> float:
    """Seconds that it took."""
    began = time.monotonic()
    while not holds():
        assert time.monotonic() - began < within
        time.sleep(0.01)
    return time.monotonic() - began


def test_new_and_revoked_keys_count_within_a_second(tmp_path: Path, book: ClientBook) -> None:
    with changing(tmp_path) as file:
        key = file.add("ann", Settings(limits=(read_limit("1 USD/day"),), tag="team"), NOW).get_secret_value()
        assert until(lambda: book.directory.find(key, NOW)) < 1
        file.set_tag("team", [read_limit("9 USD/month")])
        until(lambda: len(book.directory.stored.clients["ann"].client.allotments) == 2)
        new = file.rotate("ann", 60, NOW).get_secret_value()
        until(lambda: book.directory.find(new, NOW))
        assert book.directory.find(key, NOW + 59)
        with pytest.raises(ClientError, match="replaced"):
            book.directory.find(key, NOW + 60)
        file.revoke("ann", NOW)

        def is_revoked() -> bool:
            try:
                return book.directory.find(new, NOW) is None
            except ClientError as error:
                return error.code == "key_revoked"

        assert until(is_revoked) < 1


def test_clients_are_known_when_the_router_starts(tmp_path: Path) -> None:
    with changing(tmp_path) as file:
        key = file.add("ann", Settings(), NOW).get_secret_value()
    book = ClientBook(tmp_path, {})
    assert book.directory.find(key, NOW)
    book.close()


def test_changed_config_keeps_stored_clients(tmp_path: Path, book: ClientBook) -> None:
    with changing(tmp_path) as file:
        key = file.add("ann", Settings(), NOW).get_secret_value()
    until(lambda: book.directory.find(key, NOW))
    book.configure({"phone": SecretStr("another random string")}, required=True)
    assert book.directory.find(key, NOW) and book.directory.find("another random string", NOW)
    assert book.directory.find("a long random string", NOW) is None and book.directory.required


@pytest.mark.parametrize("content", [b"no database" * 999, b"", None], ids=["damaged", "empty", "gone"])
def test_file_that_is_lost_is_made_anew_with_the_clients_known_so_far(
    tmp_path: Path, book: ClientBook, content: bytes | None, caplog: pytest.LogCaptureFixture
) -> None:
    limits = (read_limit("5 USD/month"), read_limit("9 requests/minute"))
    settings = Settings("team", ("auto", "openai/*"), limits, "eco", "deny", admin=True, expires=NOW + 9)
    with changing(tmp_path) as file:
        key = file.add("ann", settings, NOW).get_secret_value()
        file.add("gone", Settings(), NOW)
        file.revoke("gone", NOW + 1)
        file.set_tag("team", limits[:1])
        stored = file.read()
    until(lambda: book.directory.stored == stored)
    for ending in ("-wal", "-shm"):
        (tmp_path / (FILE_NAME + ending)).unlink(missing_ok=True)
    if content is None:
        (tmp_path / FILE_NAME).unlink()
    else:
        (tmp_path / "broken").write_bytes(content)
        (tmp_path / "broken").rename(tmp_path / FILE_NAME)
    until(lambda: "clients" in caplog.text)
    assert book.directory.find(key, NOW)
    with changing(tmp_path) as file:
        until(lambda: file.read() == stored)


def test_what_can_be_read_of_a_damaged_file_is_kept(tmp_path: Path) -> None:
    with changing(tmp_path) as file:
        file.add("ann", Settings(), NOW)
        stored = file.read()
    with closing(sqlite3.connect(tmp_path / FILE_NAME)) as db:
        db.execute("CREATE INDEX damaged ON keys (created)")
        db.execute("PRAGMA writable_schema = ON")
        db.execute("DELETE FROM sqlite_schema WHERE name = 'damaged'")
        db.commit()
    with changing(tmp_path) as file:
        assert file.read() == stored
    assert list(tmp_path.glob(f"{FILE_NAME}.damaged-*"))


def test_a_name_is_taken_once_until_it_is_revoked(tmp_path: Path) -> None:
    with changing(tmp_path) as file:
        file.add("ann", Settings(limits=(read_limit("1 USD/day"),)), NOW)
        with pytest.raises(ClientsError, match="exists"):
            file.add("ann", Settings(), NOW)
        (old,) = file.read().clients["ann"].client.allotments
        file.revoke("ann", NOW)
        for change in (lambda: file.change("ann", Settings()), lambda: file.rotate("ann", 0, NOW)):
            with pytest.raises(ClientsError, match="revoked"):
                change()
        file.add("ann", Settings(limits=(read_limit("1 USD/day"),)), NOW)
        (new,) = file.read().clients["ann"].client.allotments
        assert new.key != old.key  # who gets the name later begins with nothing used


def test_raised_limit_keeps_its_count_and_nothing_else_changes(tmp_path: Path) -> None:
    with changing(tmp_path) as file:
        file.add("ann", Settings(models=("auto",), limits=(read_limit("1 USD/day"),), admin=True), NOW)
        before = file.read().clients["ann"].client
        file.change("ann", Settings(limits=(read_limit("2 USD/day"),)))
        after = file.read().clients["ann"].client
    assert [one.key for one in before.allotments] == [one.key for one in after.allotments]
    assert (after.models, after.admin) == (("auto",), True)


def test_no_secret_is_in_the_file(tmp_path: Path) -> None:
    with changing(tmp_path) as file:
        secret = file.add("ann", Settings(), NOW).get_secret_value().rpartition("-")[2]
    db = sqlite3.connect(tmp_path / FILE_NAME)
    dump = "\n".join(db.iterdump())
    db.close()
    assert secret not in dump
    assert not [path for path in tmp_path.iterdir() if secret.encode() in path.read_bytes()]
