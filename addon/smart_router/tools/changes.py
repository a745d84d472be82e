"""Changes of tools' config files that can be undone byte for byte.

A change keeps copies of the files as they were, and hashes of what it wrote, in a folder of its own. Changes
of a tool are undone in reverse order.
"""

from __future__ import annotations

import hashlib
import os
import shutil
import time
from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path
from typing import Any, NamedTuple

from pydantic_core import from_json, to_json

from smart_router.errors import UserError
from smart_router.storage.replaced_file import replace_file

RECORD = "change.json"


class ChangeError(UserError):
    """A change cannot be made. The text says why and what to do."""


class NewText(NamedTuple):
    """A file's new text."""

    path: Path
    text: str


class Changes:
    """The changes of one tool; `folder` keeps them."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder

    def write(self, files: Sequence[NewText]) -> Path:
        """Write the files, all or none of them; return the folder with the copies."""
        copies = self._folder / str(time.time_ns())
        copies.mkdir(mode=0o700, parents=True)
        entries = [self._keep(copies, number, file) for number, file in enumerate(files)]
        (copies / RECORD).write_bytes(to_json(entries, indent=2))
        try:
            for file, entry in zip(files, entries, strict=True):
                target = Path(entry["target"])
                target.parent.mkdir(parents=True, exist_ok=True)
                replace_file(target, file.text.encode(), entry["mode"])
        except OSError as error:
            self._restore(copies, entries)
            why = f"{error.filename} cannot be written: {error.strerror}"
            raise ChangeError(f"{why}; nothing was changed") from None
        return copies

    def undo(self) -> list[str]:
        """Take the last change back; return its files' paths. Raises ChangeError if one was changed since."""
        made = sorted(self._folder.glob(f"*/{RECORD}"))
        if not made:
            raise ChangeError(
                "nothing to undo: setup has written no file of this tool, or it was undone already"
            )
        copies = made[-1].parent
        try:
            entries = from_json(made[-1].read_bytes())
        except ValueError as error:
            do = f"put the copies beside it back by hand, then delete {copies}"
            raise ChangeError(f"{made[-1]} is damaged: {error}; {do}") from None
        for entry in entries:
            if _hash(Path(entry["target"])) != entry["written"]:
                copy = entry["copy"]
                before = f"as it was before: {copies / copy}" if copy else "there was none before"
                raise ChangeError(
                    f"{entry['path']} was changed since setup wrote it, so it stays: take the router out "
                    f"of it by hand ({before}), then delete {copies}"
                )
        self._restore(copies, entries)
        return [entry["path"] for entry in entries]

    def _keep(self, copies: Path, number: int, file: NewText) -> dict[str, Any]:
        target = Path(os.path.realpath(file.path))  # a link stays one
        copy, mode = None, 0o600
        if target.exists():
            copy, mode = f"{number}-{target.name}", target.stat().st_mode & 0o7777
            (copies / copy).write_bytes(target.read_bytes())
        new = [str(folder) for folder in target.parents if not folder.exists()]
        written = hashlib.sha256(file.text.encode()).hexdigest()
        entry = {"path": str(file.path), "target": str(target), "copy": copy, "mode": mode}
        return {**entry, "written": written, "new_folders": new}

    def _restore(self, copies: Path, entries: Sequence[dict[str, Any]]) -> None:
        for entry in entries:
            target = Path(entry["target"])
            if entry["copy"]:
                replace_file(target, (copies / entry["copy"]).read_bytes(), entry["mode"])
            else:
                target.unlink(missing_ok=True)
            for folder in entry["new_folders"]:
                with suppress(OSError):  # others have put something there
                    Path(folder).rmdir()
        shutil.rmtree(copies)


def _hash(path: Path) -> str | None:
    return hashlib.sha256(path.read_bytes()).hexdigest() if path.is_file() else None
