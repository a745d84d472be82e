"""The tools of package.json and python_tools.toml, installed once for all test runs of a checkout."""

from __future__ import annotations

import contextlib
import hashlib
import shutil
import subprocess
import tempfile
import tomllib
from collections.abc import Callable
from pathlib import Path

import pytest

PACKAGES = Path(__file__).with_name("package.json")
PYTHON_TOOLS = Path(__file__).with_name("python_tools.toml")
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

    def fill(made: Path) -> None:
        shutil.copy(PACKAGES, made)
        command = ["npm", "install", "--no-audit", "--no-fund", "--loglevel=error"]
        subprocess.run(command, cwd=made, check=True, capture_output=True, timeout=INSTALL_LIMIT)

    if why := _make(folder, fill):
        pytest.skip(f"the command line tools could not be installed: {why}")
    return folder / "node_modules" / ".bin"


def install_from_pypi(cache: Path, name: str) -> Path:
    """Return the folder of a Python tool's commands; it does not exist if the tool cannot be installed."""
    tool = tomllib.loads(PYTHON_TOOLS.read_text())[name]
    folder = cache / f"{name}-{hashlib.sha256(repr(tool).encode()).hexdigest()[:12]}"

    def fill(made: Path) -> None:
        # the commands name their interpreter's path: made where it stays
        made.rmdir()
        env = folder.with_suffix(".env")
        for command in (
            ["uv", "venv", "--clear", "--python", tool["python"], str(env)],
            ["uv", "pip", "install", "--python", str(env / "bin/python"), *tool["packages"]],
        ):
            subprocess.run(command, check=True, capture_output=True, timeout=INSTALL_LIMIT)
        made.symlink_to(env / "bin")

    _make(folder, fill)
    return folder.resolve()  # an interpreter looks for its packages beside its own path


def _make(folder: Path, fill: Callable[[Path], None]) -> str | None:
    """Make a folder unless it is there; return why it cannot be made."""
    if folder.exists():
        return None
    # under another name first: other test runs may be doing the same
    with tempfile.TemporaryDirectory(dir=folder.parent) as name:
        made = Path(name) / "made"
        made.mkdir()
        try:
            fill(made)
        except (OSError, subprocess.CalledProcessError, subprocess.TimeoutExpired) as error:
            return f"{error} {getattr(error, 'stderr', b'')!r}"
        with contextlib.suppress(OSError):  # another run was quicker
            made.rename(folder)
    return None
