"""Aliases, side calls and sessions of tools, in the decisions that a running router makes."""

from __future__ import annotations

from collections.abc import AsyncIterator
from typing import Any

import httpx
import pytest
import pytest_asyncio

from tests.testbed.harness import Router, provider_env
from tests.testbed.provider import Provider

pytestmark = [pytest.mark.asyncio(loop_scope="module"), pytest.mark.xdist_group("aliases")]

CONFIG = """
    [models]
    presets = ["claude-code", "gemini-cli"]
    [models.aliases]
    "gemini-3.8-flash" = "keep"
"""
AGENT = {"user-agent": "claude-cli/2.1.197 (external, sdk-cli)"}
HARD = (
    "Prove step by step, by induction, that the sum of the first n odd numbers is n squared, then derive a "
    "closed form for the sum of their cubes and analyse where the argument could fail."
)


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def router(
    shared_provider: Provider, tmp_path_factory: pytest.TempPathFactory
) -> AsyncIterator[Router]:
    env = provider_env(shared_provider.url, "openai", "google", "groq")
    folder = tmp_path_factory.mktemp("aliases") / "router"
    async with Router(folder, env=env, config=CONFIG) as router:
        yield router


def gemini(text: str) -> dict[str, Any]:
    return {"contents": [{"role": "user", "parts": [{"text": text}]}]}


async def test_alias_of_each_format(router: Router, http: httpx.AsyncClient) -> None:
    chat = {"model": "claude-haiku-5-5", "messages": [{"role": "user", "content": "Hi"}]}
    first = await http.post("/v1/chat/completions", json=chat, headers=AGENT)
    assert first.headers["x-router-tier"] == "SIMPLE"
    second = await http.post("/v1beta/models/gemini-3.1-pro-preview:generateContent", json=gemini("Hi"))
    assert second.headers["x-router-tier"] == "SIMPLE"
    kept = await http.post("/v1beta/models/gemini-3.8-flash:generateContent", json=gemini("Hi"))
    assert "x-router-tier" not in kept.headers
    assert kept.headers["x-router-model"] == "gemini-3.8-flash"


async def test_decision_names_the_alias_and_the_side_call(router: Router, http: httpx.AsyncClient) -> None:
    chat = {"model": "claude-haiku-5-5", "messages": [{"role": "user", "content": "Hi there"}]}
    answer = await http.post("/v1/chat/completions", json=chat, headers=AGENT)
    assert answer.headers["x-router-why"].startswith(
        "asked for as claude-haiku-5-5; "
        "background call of Claude Code (no tools, small model claude-haiku-5-5); SIMPLE"
    )


SESSIONS: list[tuple[dict[str, str], dict[str, str]]] = [
    ({"x-claude-code-session-id": "s-1"}, {"x-claude-code-session-id": "s-2"}),
    ({"session_id": "s-3"}, {"session_id": "s-4"}),
    ({"conversation_id": "s-5"}, {"conversation_id": "s-6"}),
]


@pytest.mark.parametrize(("session", "another"), SESSIONS)
async def test_conversation_stays_on_its_model_by_the_tools_own_session_id(
    http: httpx.AsyncClient, session: dict[str, str], another: dict[str, str]
) -> None:
    """Also after the tool has compacted it, so that nothing of its beginning is left."""

    async def tier(*turns: str, headers: dict[str, str]) -> str:
        roles = ("user", "model")
        contents = [{"role": roles[n % 2], "parts": [{"text": text}]} for n, text in enumerate(turns)]
        path = "/v1beta/models/auto:generateContent"
        answer = await http.post(path, json={"contents": contents}, headers=headers)
        return str(answer.headers["x-router-tier"])

    risen = await tier(HARD, headers=session)
    assert risen in ("COMPLEX", "REASONING")
    assert await tier("A summary.", "Ok.", "Thanks!", headers=session) == risen
    assert await tier("A summary.", "Ok.", "Thanks!", headers=another) == "SIMPLE"
