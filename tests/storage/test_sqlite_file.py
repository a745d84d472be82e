"""Files of the state folder that cannot be used as they are."""

from __future__ import annotations

import os
import signal
import sqlite3
import subprocess
import sys
from collections.abc import Callable
from contextlib import closing
from pathlib import Path

import pytest

from smart_router.storage.file_lock import locked
from smart_router.storage.sqlite_file import aside, make_private, open_file, set_aside


def _folder(path: Path) -> None:
    path.mkdir()


def _emptied(path: Path) -> None:
    path.touch()
    path.with_name(f"{path.name}-shm").touch()


@pytest.mark.parametrize("spoil", [_folder, _emptied])
def test_what_stands_in_a_files_place_is_set_aside(
    tmp_path: Path, spoil: Callable[[Path], None], caplog: pytest.LogCaptureFixture
) -> None:
    path = tmp_path / "x.sqlite"
    spoil(path)
    make_private(path)
    assert path.is_file()
    (name,) = aside(tmp_path)
    assert caplog.text.count(name) == 1


_ADDS = (
    "import sqlite3, sys; d = sqlite3.connect(sys.argv[1]); d.execute('INSERT INTO t VALUES (1)'); d.commit()"
)


def test_a_further_connection_keeps_other_processes_from_deleting_the_log(tmp_path: Path) -> None:
    """A router that has opened the file several times sees the rows of a command, and the command sees the
    router's."""
    path = tmp_path / "x.sqlite"

    def opened() -> closing[sqlite3.Connection]:
        steps = [["CREATE TABLE t (x)"]]
        return closing(open_file(path, steps, wait=1.0, settings=["journal_mode = WAL"]))

    with opened() as router:
        router.execute("INSERT INTO t VALUES (0)")
        with opened():
            pass
        subprocess.run([sys.executable, "-c", _ADDS, path], check=True)
        assert path.with_name("x.sqlite-wal").exists()
        router.execute("INSERT INTO t VALUES (2)")
        subprocess.run([sys.executable, "-c", _ADDS, path], check=True)
        assert [x for (x,) in router.execute("SELECT x FROM t")] == [0, 1, 2, 1]


_LOCKS = """
import sqlite3, sys
from pathlib import Path
from smart_router.storage.file_lock import locked
try:
    with locked(Path(sys.argv[1]), 0.0):
        print("taken")
except sqlite3.OperationalError:
    print("refused")
"""


def test_a_lock_is_kept_when_another_thread_of_its_process_asks_for_it(tmp_path: Path) -> None:
    path = tmp_path / "x.lock"
    with locked(path, 0.0):
        with pytest.raises(sqlite3.OperationalError), locked(path, 0.0):
            pass
        run = [sys.executable, "-c", _LOCKS, path]
        assert subprocess.run(run, check=True, capture_output=True, text=True).stdout == "refused\n"
    assert path.stat().st_mode & 0o777 == 0o600


def test_file_that_another_process_has_set_aside_is_left_alone(tmp_path: Path) -> None:
    path = tmp_path / "x.sqlite"
    path.write_text("new")
    set_aside(path, 1.0, "", inode=path.stat().st_ino + 1)
    assert (path.read_text(), aside(tmp_path)) == ("new", [])


def test_own_file_gets_its_mode(tmp_path: Path) -> None:
    path = tmp_path / "x.sqlite"
    for mode in (0o000, 0o644, 0o400):
        path.touch()
        path.chmod(mode)
        make_private(path)
        assert path.stat().st_mode & 0o777 == 0o600


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can make a file of another user's")
def test_file_of_another_user_stays_and_the_remedy_is_told(tmp_path: Path) -> None:
    path = Path("x.sqlite")
    (tmp_path / path).write_text("theirs")
    (tmp_path / path).chmod(0o600)
    tmp_path.chmod(0o755)
    reading, writing = os.pipe()
    if (child := os.fork()) == 0:
        try:
            os.chdir(tmp_path)
            os.setuid(65534)
            make_private(path)
        except BaseException as error:
            os.write(writing, str(error).encode())
        finally:
            os.kill(os.getpid(), signal.SIGKILL)  # without the tests' own end
    os.waitpid(child, 0)
    assert "give it to the router's, for example with `chown`" in os.read(reading, 999).decode()
    assert (tmp_path / path).read_text() == "theirs"
    os.close(reading)
    os.close(writing)


def test_damaged_file_is_set_aside_and_begun_anew(tmp_path: Path) -> None:
    path = tmp_path / "x.sqlite"
    path.write_bytes(b"no database" * 999)
    with closing(open_file(path, [["CREATE TABLE t (x)"]], wait=1.0)) as db:
        assert db.execute("SELECT count(*) FROM t").fetchone() == (0,)
    assert len(aside(tmp_path)) == 1


def test_locked_file_is_not_damaged(tmp_path: Path) -> None:
    path = tmp_path / "x.sqlite"
    with closing(sqlite3.connect(path, isolation_level=None)) as other:
        other.execute("BEGIN EXCLUSIVE")
        with pytest.raises(sqlite3.OperationalError):
            open_file(path, [[]], wait=0.0)
    assert aside(tmp_path) == []
