"""The command line tools, and a desk for each test."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path

import pytest
import pytest_asyncio

from tests.clients.agent_provider import Agent
from tests.clients.desk import Desk
from tests.clients.installed import install, install_from_pypi
from tests.testbed.provider import Provider


@pytest.fixture(scope="session")
def commands(request: pytest.FixtureRequest) -> Path:
    """The folder with the tools' commands."""
    assert request.config.cache is not None
    cache = request.config.cache.mkdir("clients")
    found = install(cache)
    aider = install_from_pypi(cache, "aider") / "aider"
    if aider.exists() and not (found / "aider").exists():
        (found / "aider").symlink_to(aider)
    return found


@pytest_asyncio.fixture
async def desk(tmp_path: Path, commands: Path) -> AsyncIterator[Desk]:
    home, work = tmp_path / "home", tmp_path / "work"
    home.mkdir()
    work.mkdir()
    async with Provider() as provider:
        provider.script.default = Agent(str(work))
        yield Desk(home, work, commands, provider)
