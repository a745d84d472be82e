"""Tools that only know their vendor's hosts do a task through the router as their proxy."""

from __future__ import annotations

import json
from collections.abc import Mapping

import pytest

from tests.clients.desk import FAULTS, SOON, Desk, chain, soonest
from tests.clients.tools import ANY_KEY, PROMPT, TOOLS, Setup, Tool
from tests.testbed.answers import Fault
from tests.testbed.chat import chat_stream
from tests.testbed.harness import Router, provider_env

pytestmark = pytest.mark.clients

PRESETS = ("claude-code", "codex", "gemini-cli")
CONFIG = f"[models]\npresets = {json.dumps(PRESETS)}\n"
GROQ_XAI_GOOGLE = chain("groq/openai/gpt-oss-120b", "xai/grok-4.5", "google/gemini-3.8-flash")

KEYS: Mapping[str, Mapping[str, str]] = {
    "claude": {"ANTHROPIC_API_KEY": ANY_KEY, "CLAUDE_CODE_DISABLE_NONESSENTIAL_TRAFFIC": "1"},
    "gemini": {"GEMINI_API_KEY": ANY_KEY, "GEMINI_CLI_TRUST_WORKSPACE": "true"},
    "opencode": {"ANTHROPIC_API_KEY": ANY_KEY, "OPENCODE_DISABLE_MODELS_FETCH": "1"},
    "qwen": {
        "OPENAI_BASE_URL": "https://api.openai.com/v1",
        "OPENAI_API_KEY": ANY_KEY,
        "OPENAI_MODEL": "gpt-5.4-mini",
    },
}
"""By tool: its variables, without any that names the router. Codex has tests of its own."""

COMMANDS: Mapping[str, tuple[str, ...]] = {
    "claude": ("claude", "-p", PROMPT, "--permission-mode", "acceptEdits"),
    "gemini": ("gemini", "-p", PROMPT, "--approval-mode", "yolo", "-m", "gemini-3.8-flash"),
    "opencode": ("opencode", "run", "-m", "anthropic/claude-sonnet-5-5", PROMPT),
    "qwen": TOOLS["qwen"].command,
}
OPENCODE = {"provider": {"anthropic": {"models": {"claude-sonnet-5-5": {"name": "Sonnet"}}}}}


def behind(name: str, running: Router) -> Tool:
    """A tool whose process has proxy and CA variables, and its vendor's key."""

    def setup(url: str) -> Setup:
        trust = {"NODE_EXTRA_CA_CERTS": str(running.ca_file), "SSL_CERT_FILE": str(running.ca_file)}
        files = TOOLS[name].by_base_url(url).files
        if name == "opencode":
            files = {".config/opencode/opencode.json": json.dumps(OPENCODE)}
        return Setup({"HTTPS_PROXY": url, **trust, **KEYS[name]}, files)

    return Tool(name, COMMANDS[name], setup)


def proxy(desk: Desk, *providers: str, config: str = "") -> Router:
    return Router(
        desk.home.parent / "router",
        env=provider_env(desk.provider.url, *providers),
        config=CONFIG + config,
        modes=["regular"],
        args=[arg for preset in PRESETS for arg in ("--set", f"router_intercept={preset}")],
    )


def providers_asked(desk: Desk) -> set[str]:
    return {request.path.split("/")[1] for request in desk.provider.requests}


EACH = pytest.mark.parametrize("name", COMMANDS)


@EACH
async def test_a_task_with_a_tool_call(name: str, desk: Desk) -> None:
    async with proxy(desk, "groq") as running:
        await desk.run(behind(name, running), running.url)
    assert providers_asked(desk) == {"groq"}
    assert not any(ANY_KEY in str(request.headers) for request in desk.provider.requests)


@EACH
async def test_failing_providers_are_not_noticed(name: str, desk: Desk) -> None:
    """Groq is at its limit, xAI dies before the first token, Google answers."""
    desk.provider.on(FAULTS["rate limit"], path="/groq", always=True)
    desk.provider.on(FAULTS["dies before the first token"], path="/xai", always=True)
    async with proxy(desk, "groq", "xai", "google", config=GROQ_XAI_GOOGLE) as running:
        said = await desk.run(behind(name, running), running.url)
    assert "error" not in said.lower()
    assert providers_asked(desk) == {"groq", "xai", "google"}


@EACH
async def test_an_interrupt_reaches_the_provider(name: str, desk: Desk) -> None:
    desk.provider.on(chat_stream().but(fault=Fault.SILENT_AFTER_HEAD), always=True)
    async with proxy(desk, "groq") as running:
        assert await soonest(behind(name, running), running, desk) <= SOON
