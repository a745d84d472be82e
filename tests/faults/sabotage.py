"""A router whose functions raise on demand; see `sabotage_addon.py`."""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from tests.testbed.harness import Router

SCRIPT = Path(__file__).with_name("sabotage_addon.py")


class Sabotage:
    """The folder with a file for each function that raises now."""

    def __init__(self, folder: Path, places: Mapping[str, str]) -> None:
        self.folder = folder
        self.places = places
        folder.mkdir()

    def router(self, folder: Path, *, env: Mapping[str, str], **kwargs: Any) -> Router:
        """A router with these functions."""
        own = {"SABOTAGE_FOLDER": str(self.folder), "SABOTAGED": json.dumps(self.places)}
        return Router(folder, env={**env, **own}, allow_errors=True, args=["-s", str(SCRIPT)], **kwargs)

    @contextmanager
    def raising(self, names: Iterable[str], error: str = "RuntimeError") -> Iterator[None]:
        """Meanwhile these functions raise this error."""
        files = [self.folder / name for name in names]
        for file in files:
            # under another name first: a file that is there has its content
            file.with_suffix(".new").write_text(error)
            file.with_suffix(".new").rename(file)
        try:
            yield
        finally:
            for file in files:
                file.unlink()
