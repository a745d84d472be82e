"""The command line tools of package.json, installed once for all test runs of a checkout."""

from __future__ import annotations

import contextlib
import hashlib
import shutil
import subprocess
import tempfile
from pathlib import Path

import pytest

PACKAGES = Path(__file__).with_name("package.json")
OLDEST_NODE = 20
INSTALL_LIMIT = 600.0
"""Seconds that the download of 1.4 GB may take."""


def install(cache: Path) -> Path:
    """Return the folder below `cache` with the tools' commands. Skips where they cannot be installed."""
    if not (shutil.which("node") and shutil.which("npm")):
        pytest.skip("node and npm are needed for the command line tools")
    version = subprocess.run(["node", "--version"], capture_output=True, text=True, check=True).stdout
    if int(version.strip().lstrip("v").partition(".")[0]) < OLDEST_NODE:
        pytest.skip(f"the command line tools need node {OLDEST_NODE}, this is {version.strip()}")
    folder = cache / hashlib.sha256(PACKAGES.read_bytes()).hexdigest()[:12]
    if not folder.exists():
        _install(cache, folder)
    return folder / "node_modules" / ".bin"


def _install(cache: Path, folder: Path) -> None:
    # under another name first: other test runs may be doing the same
    with tempfile.TemporaryDirectory(dir=cache) as name:
        made = Path(name) / "made"
        made.mkdir()
        shutil.copy(PACKAGES, made)
        command = ["npm", "install", "--no-audit", "--no-fund", "--loglevel=error"]
        try:
            subprocess.run(command, cwd=made, check=True, capture_output=True, timeout=INSTALL_LIMIT)
        except (subprocess.CalledProcessError, subprocess.TimeoutExpired) as error:
            pytest.skip(f"the command line tools could not be installed: {error}")
        with contextlib.suppress(OSError):  # another run was quicker
            made.rename(folder)
