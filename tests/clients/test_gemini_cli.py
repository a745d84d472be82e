"""gemini-cli through the proxy, and a stream that fails in the middle."""

from __future__ import annotations

import pytest

from tests.clients.desk import Desk, router
from tests.clients.tools import TOOLS, Setup, Tool
from tests.testbed.chat import chat_stream
from tests.testbed.harness import Router, provider_env

pytestmark = pytest.mark.clients

GEMINI = TOOLS["gemini"]


def through_proxy(running: Router) -> Tool:
    """gemini-cli with its own model's name, which asks Google's address through a proxy."""

    def setup(url: str) -> Setup:
        env, files = GEMINI.by_base_url(url).env, GEMINI.by_base_url(url).files
        kept = {name: value for name, value in env.items() if name != "GOOGLE_GEMINI_BASE_URL"}
        return Setup({**kept, "HTTPS_PROXY": url, "NODE_EXTRA_CA_CERTS": str(running.ca_file)}, files)

    return Tool("gemini", (*GEMINI.command[:-1], "gemini-2.5-pro"), setup)


@pytest.mark.parametrize("wire", ["groq", "anthropic", "google"])
async def test_a_task_through_the_proxy(wire: str, desk: Desk) -> None:
    running = Router(
        desk.home.parent / "router",
        env=provider_env(desk.provider.url, wire),
        modes=["regular"],
        options={"router_intercept": "gemini-cli=auto"},
    )
    async with running:
        await desk.run(through_proxy(running), running.url)
    assert {request.path.split("/")[1] for request in desk.provider.requests} == {wire}


async def test_failure_in_the_middle_of_a_stream_is_seen_and_the_tool_asks_again(
    desk: Desk,
) -> None:
    """Google's JavaScript client takes a stream without a broken end for a complete answer."""
    desk.provider.on(chat_stream(["Hel"], done=False))
    async with router(desk, "groq") as running:
        await desk.run(GEMINI, running.url)
    assert len(desk.provider.requests) == 3
