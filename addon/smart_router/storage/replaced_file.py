"""Replaces files in one step: readers see the old content or the new one, never a part."""

from __future__ import annotations

import os
from pathlib import Path


def replace_file(path: Path, content: bytes, mode: int = 0o600) -> None:
    """Replace a file, or make it, with this mode. Raises OSError, and then leaves everything as it was."""
    temporary = path.with_name(f".{path.name}.{os.getpid()}")
    try:
        temporary.touch(0o600)
        temporary.write_bytes(content)
        temporary.chmod(mode)
        temporary.replace(path)
    except OSError:
        temporary.unlink(missing_ok=True)
        raise
