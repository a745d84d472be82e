"""Coding agents, as their vendors ship them, do a task through the router.

The provider is scripted; everything else is real: the tools from npm, mitmdump, sockets, files.
"""

from __future__ import annotations

import pytest

from tests.clients.desk import FAULTS, GROQ_THEN_GOOGLE, SOON, Desk, router, soonest
from tests.clients.tools import TOOLS, Tool
from tests.testbed.answers import Fault
from tests.testbed.chat import chat_stream
from tests.testbed.harness import Router, provider_env

pytestmark = pytest.mark.clients

WIRES = {"chat": "groq", "messages": "anthropic", "gemini": "google", "responses": "openai"}
"""A provider for each wire."""

EACH = pytest.mark.parametrize("tool", TOOLS.values(), ids=TOOLS)


@EACH
@pytest.mark.parametrize("wire", WIRES)
async def test_a_task_with_a_tool_call(tool: Tool, wire: str, desk: Desk) -> None:
    async with router(desk, WIRES[wire]) as running:
        await desk.run(tool, running.url)
    assert {request.path.split("/")[1] for request in desk.provider.requests} == {WIRES[wire]}


@EACH
@pytest.mark.parametrize("fault", FAULTS)
async def test_a_failing_provider_is_not_noticed(tool: Tool, fault: str, desk: Desk) -> None:
    """Groq fails each request, Google answers."""
    desk.provider.on(FAULTS[fault], path="/groq", always=True)
    env = provider_env(desk.provider.url, "groq", "google")
    async with Router(desk.home.parent / "router", env=env, config=GROQ_THEN_GOOGLE) as running:
        said = await desk.run(tool, running.url)
    assert "error" not in said.lower()
    assert {request.path.split("/")[1] for request in desk.provider.requests} == {"groq", "google"}


@EACH
async def test_an_interrupt_reaches_the_provider(tool: Tool, desk: Desk) -> None:
    desk.provider.on(chat_stream().but(fault=Fault.SILENT_AFTER_HEAD), always=True)
    async with router(desk, "groq") as running:
        assert await soonest(tool, running, desk) <= SOON
