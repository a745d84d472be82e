"""LangChain's own packages run the blocks of its page."""

from __future__ import annotations

import asyncio
import subprocess
from pathlib import Path

import pytest

from tests.clients.installed import install_from_pypi
from tests.clients.tools import base_env
from tests.docs.pages import ADDRESS, blocks
from tests.testbed.harness import Router, provider_env
from tests.testbed.provider import Provider

pytestmark = pytest.mark.clients

PAGE = "docs/tools/langchain.md"


@pytest.mark.parametrize("block", blocks(PAGE, "python"), ids=["openai", "anthropic"])
async def test_a_block_of_the_page_runs(
    block: str, tmp_path: Path, provider: Provider, request: pytest.FixtureRequest
) -> None:
    assert request.config.cache is not None
    programs = install_from_pypi(request.config.cache.mkdir("clients"), "langchain")
    if not programs.exists():
        pytest.skip("LangChain could not be installed")
    async with Router(tmp_path / "router", env=provider_env(provider.url, "groq")) as router:
        command = [str(programs / "python"), "-c", block.replace(ADDRESS, router.url)]
        said = await asyncio.to_thread(
            subprocess.check_output, command, env=base_env(tmp_path), text=True, timeout=120
        )
    assert said == "You said: Write a haiku about proxies.\n"
    assert [one.path.split("/")[1] for one in provider.requests] == ["groq"]
