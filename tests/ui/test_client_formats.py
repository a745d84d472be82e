"""mitmweb shows, explains and replays requests of every client format; `smart-router route` reads them."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator
from typing import Any

import pytest
import pytest_asyncio
from click.testing import CliRunner

from smart_router.cli.main import main
from tests.testbed.chat import chat_stream
from tests.testbed.harness import Router, provider_env
from tests.testbed.provider import Provider
from tests.testbed.talk import chains_config
from tests.testbed.wires import messages_stream
from tests.ui.web import Web, web_arguments

pytestmark = [pytest.mark.asyncio(loop_scope="module"), pytest.mark.xdist_group("client-formats")]

GROQ, CLAUDE = "groq/openai/gpt-oss-20b", "anthropic/claude-opus-4-8"
MESSAGES = {"max_tokens": 9, "stream": True, "messages": [{"role": "user", "content": "What is a proxy?"}]}
RESPONSES = {"stream": True, "input": "What is a proxy?"}
GEMINI = {"contents": [{"role": "user", "parts": [{"text": "What is a proxy?"}]}]}
FORMATS: list[tuple[str, dict[str, Any]]] = [
    ("/v1/messages?beta=true", {"model": "chain", **MESSAGES}),
    ("/v1/responses", {"model": "chain", **RESPONSES}),
    ("/v1beta/models/chain:streamGenerateContent?alt=sse", GEMINI),
]


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def router(
    shared_provider: Provider, tmp_path_factory: pytest.TempPathFactory
) -> AsyncIterator[Router]:
    async with Router(
        tmp_path_factory.mktemp("formats") / "router",
        **web_arguments(),
        env=provider_env(shared_provider.url, "groq", "anthropic"),
        config=chains_config({"chain": [GROQ, CLAUDE]}),
    ) as router:
        yield router


@pytest.mark.parametrize(("path", "body"), FORMATS, ids=["messages", "responses", "gemini"])
async def test_request_is_shown_explained_and_replayed(
    provider: Provider, router: Router, path: str, body: dict[str, Any]
) -> None:
    provider.on(chat_stream(["Good ", "morning."], reasoning=["Is it morning?"]), path="/groq", always=True)
    provider.on(messages_stream(["Good ", "evening."]), path="/anthropic", always=True)
    async with Web(router) as web, router.http() as http:
        answer = await http.post(path, json=body)
        assert answer.status_code == 200, answer.text
        id_ = answer.headers["x-router-request-id"]
        for flow in await web.wait_for(2, id_):
            shown = await web.content(flow, "response")
            assert shown["view_name"] == "Transcript"
            assert "Good morning." in shown["text"]
            assert "What is a proxy?" in (await web.content(flow, "request"))["text"]
        explained = dict(await web.command("router.explain", id_))
        assert explained["1."] == GROQ
        await web.command("router.replay", id_, CLAUDE)
        [copy] = await web.wait_for(1, f"asked for {CLAUDE}")
        await web.wait_for_text(copy, "response", "Good evening.")
        saved = (await web.http.get("/flows/dump")).content
        await web.http.post("/clear")
    flows = router.folder / f"{id_}.flows"
    await asyncio.to_thread(flows.write_bytes, saved)
    decided = CliRunner().invoke(main, ["route", "--json", "--flows", str(flows)])
    assert decided.exit_code == 0, decided.output
    tiers = [json.loads(line)["tier"] for line in decided.stdout.splitlines() if line.startswith("{")]
    assert tiers and tiers[0] is not None
