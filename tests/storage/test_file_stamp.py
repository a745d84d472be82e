"""A changed file is known without reading it."""

from __future__ import annotations

from pathlib import Path

from smart_router.storage.file_stamp import file_stamp


def test_stamp_changes_with_the_file(tmp_path: Path) -> None:
    file, other = tmp_path / "file", tmp_path / "other"
    assert file_stamp(file) is None
    file.write_text("a")
    seen = file_stamp(file)
    assert seen == file_stamp(file)
    file.write_text("ab")
    assert file_stamp(file) != seen
    seen = file_stamp(file)
    other.write_text("cd")
    other.replace(file)  # as editors save
    assert file_stamp(file) != seen
