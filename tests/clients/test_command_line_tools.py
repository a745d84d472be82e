"""Coding agents, as their vendors ship them, do a task through the router.

The provider is scripted; everything else is real: the tools from npm, mitmdump, sockets, files.
"""

from __future__ import annotations

import asyncio
import contextlib
import os
import signal
import time
from collections.abc import AsyncIterator
from dataclasses import dataclass
from pathlib import Path

import pytest
import pytest_asyncio

from tests.clients.agent_provider import CONTENT, DONE, NAME, Agent
from tests.clients.installed import install
from tests.clients.tools import TOOLS, Tool, base_env, write_files
from tests.testbed.answers import Fault
from tests.testbed.chat import chat_error, chat_stream
from tests.testbed.harness import Router, provider_env
from tests.testbed.provider import Provider

pytestmark = pytest.mark.clients

LIMIT = 120.0
"""Seconds that a tool may take on a busy machine."""

SOON = 0.25
"""Seconds within which the provider is to see that the user has interrupted the tool."""

WIRES = {"chat": "groq", "messages": "anthropic", "gemini": "google", "responses": "openai"}
"""A provider for each wire."""

EACH = pytest.mark.parametrize("tool", TOOLS.values(), ids=TOOLS)


@pytest.fixture(scope="session")
def commands(request: pytest.FixtureRequest) -> Path:
    """The folder with the tools' commands."""
    assert request.config.cache is not None
    return install(request.config.cache.mkdir("clients"))


@dataclass
class Desk:
    """A user's home and working folder, and a provider that answers agents which work there."""

    home: Path
    work: Path
    commands: Path
    provider: Provider

    async def start(self, tool: Tool, url: str) -> asyncio.subprocess.Process:
        """Start a tool that is pointed at a router."""
        setup = tool.by_base_url(url)
        write_files(self.home, setup.files)
        return await asyncio.create_subprocess_exec(
            self.commands / tool.command[0],
            *tool.command[1:],
            cwd=self.work,
            env={**base_env(self.home), **setup.env},
            stdin=asyncio.subprocess.DEVNULL,
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.PIPE,
            start_new_session=True,
        )

    async def run(self, tool: Tool, url: str) -> str:
        """Run a tool to its end; return what it printed. Fails if the task is not done."""
        process = await self.start(tool, url)
        try:
            out, err = await asyncio.wait_for(process.communicate(), LIMIT)
        except TimeoutError:
            os.killpg(process.pid, signal.SIGKILL)
            out, err = await process.communicate()
            pytest.fail(f"{tool.name} did not end: {out.decode()}\n{err.decode()}")
        assert process.returncode == 0, f"{out.decode()}\n{err.decode()}"
        assert (self.work / NAME).read_text() == CONTENT
        assert DONE in out.decode()
        return out.decode() + err.decode()


@pytest_asyncio.fixture
async def desk(tmp_path: Path, commands: Path) -> AsyncIterator[Desk]:
    home, work = tmp_path / "home", tmp_path / "work"
    home.mkdir()
    work.mkdir()
    async with Provider() as provider:
        provider.script.default = Agent(str(work))
        yield Desk(home, work, commands, provider)


def router(desk: Desk, *providers: str) -> Router:
    return Router(desk.home.parent / "router", env=provider_env(desk.provider.url, *providers))


@EACH
@pytest.mark.parametrize("wire", WIRES)
async def test_a_task_with_a_tool_call(tool: Tool, wire: str, desk: Desk) -> None:
    async with router(desk, WIRES[wire]) as running:
        await desk.run(tool, running.url)
    assert {request.path.split("/")[1] for request in desk.provider.requests} == {WIRES[wire]}


FAULTS = {
    "rate limit": chat_error(429, headers={"retry-after": "30"}),
    "dies before the first token": chat_stream().but(fault=Fault.CLOSE_AFTER_HEAD),
}


@EACH
@pytest.mark.parametrize("fault", FAULTS)
async def test_a_failing_provider_is_not_noticed(tool: Tool, fault: str, desk: Desk) -> None:
    """Groq fails each request, Google answers."""
    desk.provider.on(FAULTS[fault], path="/groq", always=True)
    config = "[routing.tier_models.standard]\n" + "".join(
        f'{tier} = ["groq/openai/gpt-oss-120b", "google/gemini-3.8-flash"]\n'
        for tier in ("SIMPLE", "MEDIUM", "COMPLEX", "REASONING")
    )
    env = provider_env(desk.provider.url, "groq", "google")
    async with Router(desk.home.parent / "router", env=env, config=config) as running:
        said = await desk.run(tool, running.url)
    assert "error" not in said.lower()
    assert {request.path.split("/")[1] for request in desk.provider.requests} == {"groq", "google"}


@EACH
async def test_an_interrupt_reaches_the_provider(tool: Tool, desk: Desk) -> None:
    """The best of three: a tool takes its time to stop on a busy machine."""
    desk.provider.on(chat_stream().but(fault=Fault.SILENT_AFTER_HEAD), always=True)
    async with router(desk, "groq") as running:
        delays = [await interrupted(tool, running, desk)]
        while min(delays) > SOON and len(delays) < 3:
            delays.append(await interrupted(tool, running, desk))
    assert min(delays) <= SOON


async def interrupted(tool: Tool, running: Router, desk: Desk) -> float:
    """Seconds from a user's interrupt to the provider's notice; infinite if the tool ignored it, as
    one may that is still starting.
    """
    before = len(desk.provider.requests)
    process = await desk.start(tool, running.url)
    asked = await desk.provider.wait_for_request(before + 1, within=LIMIT)
    os.killpg(process.pid, signal.SIGINT)  # as a terminal does
    sent = time.monotonic()
    try:
        return await asked.disconnected() - sent
    except TimeoutError:
        return float("inf")
    finally:
        with contextlib.suppress(ProcessLookupError):
            os.killpg(process.pid, signal.SIGKILL)
        await process.communicate()
