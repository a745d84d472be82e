"""Fixtures of the tables of ways to fail."""

from __future__ import annotations

import asyncio

import pytest
import pytest_asyncio

from tests.faults.state_folder import Filled, fill
from tests.testbed.provider import Provider


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def filled(shared_provider: Provider, tmp_path_factory: pytest.TempPathFactory) -> Filled:
    """A state folder to be copied."""
    folder = tmp_path_factory.mktemp("state")
    return await asyncio.to_thread(fill, folder / "state", shared_provider.url, folder / "router")
