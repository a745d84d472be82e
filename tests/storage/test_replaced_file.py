"""Files that are replaced in one step."""

from __future__ import annotations

from pathlib import Path

import pytest

from smart_router.storage.replaced_file import replace_file


def test_new_content_and_mode(tmp_path: Path) -> None:
    file = tmp_path / "file"
    for content, mode in ((b"one", 0o600), (b"two", 0o644)):
        replace_file(file, content, mode)
        assert (file.read_bytes(), file.stat().st_mode & 0o777) == (content, mode)
    assert list(tmp_path.iterdir()) == [file]


def test_failure_leaves_everything_as_it_was(tmp_path: Path) -> None:
    (tmp_path / "folder").mkdir()
    with pytest.raises(OSError, match="folder"):
        replace_file(tmp_path / "folder", b"")
    assert list(tmp_path.rglob("*")) == [tmp_path / "folder"]
