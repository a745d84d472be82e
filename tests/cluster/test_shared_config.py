"""One config for all machines: an edit on one is an edit on all, and a bad one changes nothing."""

from __future__ import annotations

import os
import time
import tomllib
from collections.abc import Iterator
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import SecretStr

from smart_router.cluster.replica import Replica
from smart_router.cluster.replica_file import ReplicaFile
from smart_router.cluster.sealing import Seal, new_key
from smart_router.cluster.shared_config import CONFIG, CheckedFile, SharedConfig, split_config

SEAL = Seal.of(SecretStr(new_key()))
FIRST = '[clients]\nlaptop = "canary key"\n'
SECOND = "[routing]\nsticky_ttl = 9\n"


class Desk:
    """A machine with a config file; rows travel by hand. It cannot use texts with `only elsewhere`."""

    def __init__(self, folder: Path, text: str = "", state: str = "ok") -> None:
        self.folder = folder
        self.name = folder.name
        with ReplicaFile(folder) as file:
            file.note(state=state)
        self.file = folder / "config.toml"
        self.own = f'\n[cluster]\nname = "{self.name}"\n'
        self.edit(text)
        self.start()

    def start(self) -> None:
        self.replica = Replica(self.folder)
        self.shared = SharedConfig(self.replica, self.folder, SEAL, CheckedFile(self.file, self._check))
        self.replica.looks = [self.shared.look]
        self.replica.start()

    def _check(self, text: str) -> str | None:
        try:
            tomllib.loads(text)
        except ValueError as error:
            return str(error)
        return "no" if "only elsewhere" in text and self.name == "b" else None

    def edit(self, text: str) -> None:
        new = self.file.with_name("new")
        new.write_text(text + self.own)
        self.wait_after(new)
        new.replace(self.file)

    @staticmethod
    def wait_after(file: Path) -> None:
        """Let a while pass since the file was written."""
        os.utime(file, (time.time() - 1, time.time() - 1))

    def settle(self) -> None:
        for _ in range(3):
            assert self.replica.flush()

    def hears(self, other: Desk) -> None:
        self.settle()
        other.settle()
        with ReplicaFile(other.folder) as theirs, ReplicaFile(self.folder) as file:
            file.merge([row for row in theirs.since(0)[0] if row.kind == CONFIG], unsent=False)
        self.settle()

    @property
    def text(self) -> str:
        text = self.file.read_text()
        assert text.endswith(self.own)
        return text.removesuffix(self.own)


@pytest.fixture
def desks(tmp_path: Path) -> Iterator[tuple[Desk, Desk]]:
    """Two machines that have agreed on the first one's config."""
    one, two = Desk(tmp_path / "a", FIRST), Desk(tmp_path / "b", "# mine\n", state="connecting")
    two.hears(one)
    yield one, two
    one.replica.close()
    two.replica.close()


def test_a_machine_that_joins_takes_the_clusters_config_and_keeps_a_copy_of_its_own(
    desks: tuple[Desk, Desk],
) -> None:
    one, two = desks
    assert (one.text, two.text) == (FIRST, FIRST)
    assert one.shared.describe() == two.shared.describe() == {"config_version": 1, "config_error": None}
    assert two.file.with_name("config.toml.replaced").read_text().startswith("# mine")


def test_an_edit_on_any_machine_is_an_edit_on_all(desks: tuple[Desk, Desk]) -> None:
    one, two = desks
    two.edit(SECOND)
    one.hears(two)
    assert one.text == SECOND
    one.edit(FIRST)
    two.hears(one)
    assert (two.text, two.shared.version) == (FIRST, 3)
    assert not one.file.with_name("config.toml.replaced").exists()


def test_the_config_travels_sealed(desks: tuple[Desk, Desk]) -> None:
    one, _ = desks
    with ReplicaFile(one.folder) as file:
        assert "canary" not in repr(file.since(0))


def test_a_bad_edit_is_shared_with_nobody(desks: tuple[Desk, Desk]) -> None:
    one, two = desks
    two.edit("no TOML")
    one.hears(two)
    assert (one.text, one.shared.version) == (FIRST, 1)
    two.edit(SECOND)
    one.hears(two)
    assert one.text == SECOND


def test_a_machine_that_cannot_use_a_version_keeps_its_config_and_says_why(
    desks: tuple[Desk, Desk], caplog: pytest.LogCaptureFixture
) -> None:
    one, two = desks
    one.edit("# only elsewhere\n")
    two.hears(one)
    assert two.text == FIRST
    assert two.shared.describe() == {
        "config_version": 1,
        "config_error": "version 2 of the cluster's config cannot be used here: no",
    }
    assert len(caplog.records) == 1
    one.edit(SECOND)
    two.hears(one)
    assert (two.text, two.shared.error) == (SECOND, None)


def test_of_two_edits_at_once_one_is_everybodys(desks: tuple[Desk, Desk]) -> None:
    one, two = desks
    one.edit(SECOND)
    one.settle()
    two.edit("# two\n")
    two.settle()
    one.hears(two)
    two.hears(one)
    assert one.text == two.text == "# two\n"


def test_an_edit_while_the_router_is_stopped_is_shared_when_it_starts(desks: tuple[Desk, Desk]) -> None:
    one, two = desks
    one.replica.close()
    one.edit(SECOND)
    one.start()
    two.hears(one)
    assert two.text == SECOND


@given(
    before=st.sampled_from(["", FIRST, "# c\n[a]\nb=1\n"]),
    after=st.sampled_from(["", "[z]\ny=2\n", "[[t]]\n"]),
)
def test_the_table_of_the_cluster_is_split_off_wherever_it_stands(before: str, after: str) -> None:
    shared, own = split_config(f'{before}\n[cluster]\nname = "a"\n\n{after}')
    assert own == '\n[cluster]\nname = "a"\n'
    assert tomllib.loads(shared) == tomllib.loads(before + after)
    assert split_config(shared + own) == (shared, own)


@pytest.mark.parametrize(
    "text",
    ['cluster.name = "a"\n', 'a = """\n[cluster]\n"""\n', "[clients]\n[cluster.x]\ny = 1\n", "nonsense"],
)
def test_a_file_that_cannot_be_split_is_refused(text: str) -> None:
    with pytest.raises(ValueError):  # TOML's own error or ours
        split_config(text)


def test_a_file_that_is_being_written_is_not_shared(desks: tuple[Desk, Desk]) -> None:
    """An editor empties a file before it writes it."""
    first, second = desks
    kept = second.text
    first.file.write_text("")
    second.hears(first)
    assert second.text == kept
    first.file.write_text(SECOND + first.own)
    first.wait_after(first.file)
    second.hears(first)
    assert second.text == SECOND
