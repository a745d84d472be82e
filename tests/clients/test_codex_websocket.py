"""Codex through the proxy: it opens a WebSocket, which the router serves in OpenAI's place."""

from __future__ import annotations

import json
from typing import Any

import pytest

from tests.clients import websocket_addon
from tests.clients.desk import FAULTS, GROQ_THEN_GOOGLE, SOON, Desk, soonest
from tests.clients.tools import TOOLS, Setup, Tool
from tests.testbed.answers import Fault
from tests.testbed.chat import chat_stream
from tests.testbed.harness import Router, provider_env

pytestmark = pytest.mark.clients


def proxy(desk: Desk, *providers: str, config: str = GROQ_THEN_GOOGLE) -> Router:
    return Router(
        desk.home.parent / "router",
        env=provider_env(desk.provider.url, *providers),
        config=config,
        modes=["regular"],
        options={"router_intercept": "api.openai.com=auto"},
        args=["-s", str(websocket_addon.__file__)],
    )


def codex(running: Router) -> Tool:
    """Codex with an API key of OpenAI's, which asks through a proxy."""

    def setup(url: str) -> Setup:
        login: dict[str, Any] = {"OPENAI_API_KEY": "sk-of-nobody", "tokens": None, "last_refresh": None}
        files = {".codex/auth.json": json.dumps(login), ".codex/config.toml": 'model = "gpt-5.4-mini"\n'}
        return Setup({"HTTPS_PROXY": url, "SSL_CERT_FILE": str(running.ca_file)}, files)

    return Tool("codex", TOOLS["codex"].command, setup)


@pytest.mark.parametrize("wire", ["groq", "anthropic", "google"])
async def test_a_task_with_a_tool_call(wire: str, desk: Desk) -> None:
    async with proxy(desk, wire, config="") as running:
        await desk.run(codex(running), running.url)
        running.wait_for_log(f"{websocket_addon.LINE}: /v1/responses")
    assert {request.path.split("/")[1] for request in desk.provider.requests} == {wire}


@pytest.mark.parametrize("fault", FAULTS)
async def test_a_failing_provider_is_not_noticed(fault: str, desk: Desk) -> None:
    desk.provider.on(FAULTS[fault], path="/groq", always=True)
    async with proxy(desk, "groq", "google") as running:
        said = await desk.run(codex(running), running.url)
        running.wait_for_log(websocket_addon.LINE)
    assert "stream error" not in said.lower()
    assert {request.path.split("/")[1] for request in desk.provider.requests} == {"groq", "google"}


async def test_an_interrupt_reaches_the_provider(desk: Desk) -> None:
    desk.provider.on(chat_stream().but(fault=Fault.SILENT_AFTER_HEAD), always=True)
    async with proxy(desk, "groq") as running:
        assert await soonest(codex(running), running, desk) <= SOON
        running.wait_for_log(websocket_addon.LINE)
