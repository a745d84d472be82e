"""The desk at which a coding agent of a test works: its user's home and folder, its provider, its router."""

from __future__ import annotations

import asyncio
import contextlib
import json
import os
import signal
import time
from dataclasses import dataclass
from pathlib import Path

import pytest

from tests.clients.agent_provider import CONTENT, DONE, NAME
from tests.clients.tools import Tool, base_env, write_files
from tests.testbed.answers import Fault
from tests.testbed.chat import chat_error, chat_stream
from tests.testbed.harness import Router, provider_env
from tests.testbed.provider import Provider

LIMIT = 120.0
"""Seconds that a tool may take on a busy machine."""

SOON = 0.25
"""Seconds within which the provider is to see that the user has interrupted the tool."""

FAULTS = {
    "rate limit": chat_error(429, headers={"retry-after": "30"}),
    "dies before the first token": chat_stream().but(fault=Fault.CLOSE_AFTER_HEAD),
}


def chain(*models: str) -> str:
    """Return a config with these models in every tier of every virtual model."""
    return "".join(
        f"[routing.tier_models.{name}]\n"
        + "".join(f"{tier} = {json.dumps(models)}\n" for tier in ("SIMPLE", "MEDIUM", "COMPLEX", "REASONING"))
        for name in ("standard", "eco", "premium")
    )


GROQ_THEN_GOOGLE = chain("groq/openai/gpt-oss-120b", "google/gemini-3.8-flash")


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
        if not (self.commands / tool.command[0]).exists():
            pytest.skip(f"{tool.command[0]} could not be installed")
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
        assert (self.work / NAME).read_text().rstrip("\n") == CONTENT
        assert DONE in out.decode()
        return out.decode() + err.decode()


def router(desk: Desk, *providers: str) -> Router:
    return Router(desk.home.parent / "router", env=provider_env(desk.provider.url, *providers))


async def soonest(tool: Tool, running: Router, desk: Desk) -> float:
    """The best of three interrupts: a tool takes its time to stop on a busy machine."""
    delays = [await interrupted(tool, running, desk)]
    while min(delays) > SOON and len(delays) < 3:
        delays.append(await interrupted(tool, running, desk))
    return min(delays)


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
