"""Names with control characters, tunnels, and what one client can see of another."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator
from typing import Any

import httpx
import pytest
import pytest_asyncio

from tests.end_to_end.client_keys import add_client, bearer
from tests.testbed.chat import chat_answer
from tests.testbed.client_formats import FORMATS
from tests.testbed.harness import Router, provider_env
from tests.testbed.provider import Provider
from tests.testbed.wires import speak

pytestmark = pytest.mark.asyncio(loop_scope="module")

PROVIDERS = ("openai", "anthropic", "google", "openrouter")


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def router(
    shared_provider: Provider, tmp_path_factory: pytest.TempPathFactory
) -> AsyncIterator[Router]:
    env = provider_env(shared_provider.url, *PROVIDERS)
    folder = tmp_path_factory.mktemp("who") / "router"
    async with Router(folder, env=env, upstream=shared_provider.url) as router:
        yield router


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def keys(router: Router) -> tuple[str, str]:
    """Those of two clients."""
    return await add_client(router, "alice"), await add_client(router, "bob")


ENDINGS = (
    "m\r\nx-evil: 1", "m\n\nGET /evil HTTP/1.1", "m\x00", "m\tx", "m\x7f", "m\u2028evil", "../../evil",
    "m/../../evil", "m?key=evil", "m#evil", "m HTTP/1.1\r\nhost: evil", "m%0d%0ax-evil: 1",
)  # fmt: skip


@pytest.mark.parametrize("format_", FORMATS)
async def test_model_names_stay_names(
    router: Router, provider: Provider, http: httpx.AsyncClient, format_: str
) -> None:
    """They are refused, or reach a provider where a model's name belongs, as one piece."""
    provider.script.default = lambda request: speak(request, "Hi")
    client = FORMATS[format_]
    for id_ in ("openai", "anthropic", "google"):
        for ending in ENDINGS:
            model = f"{id_}/{ending}"
            provider.requests.clear()
            answer = await http.post(client.path(model, False), json=client.body(model, "Hi", False))
            assert answer.status_code in (200, 400, 404), (model, answer.text)
            for request in provider.requests:
                told = f"{request.method} {request.path} {request.headers}"
                assert "x-evil" not in request.headers, told
                assert request.headers["host"] == f"127.0.0.1:{provider.port}", told
                assert request.path.startswith(f"/{id_}/v1"), told
                assert "/.." not in request.path, told
                assert "key=evil" not in request.path.partition("?")[2], told


async def test_reverse_mode_opens_no_tunnel(router: Router, provider: Provider) -> None:
    reader, writer = await asyncio.open_connection("127.0.0.1", router.port)
    where = f"127.0.0.1:{provider.port}"
    writer.write(f"CONNECT {where} HTTP/1.1\r\nhost: {where}\r\n\r\nGET /evil HTTP/1.1\r\n\r\n".encode())
    async with asyncio.timeout(10):
        got = await reader.read()
    writer.close()
    assert got.startswith(b"HTTP/1.1 400 "), got
    assert b" 200 " not in got
    assert provider.requests == []


async def test_kept_responses_are_their_clients_own(
    provider: Provider, http: httpx.AsyncClient, keys: tuple[str, str]
) -> None:
    provider.script.default = lambda request: speak(request, "the secret answer")
    alice, bob = keys
    asked = {"model": "openai/gpt-5.4-mini", "input": "the secret question"}
    made = (await http.post("/v1/responses", json=asked, headers=bearer(alice))).json()["id"]
    for path in (f"/v1/responses/{made}", f"/v1/responses/{made}/input_items"):
        assert (await http.get(path, headers=bearer(alice))).status_code == 200
        for headers in (bearer(bob), {}):
            answer = await http.get(path, headers=headers)
            assert answer.status_code == 404, answer.text
            assert "secret" not in answer.text
    for headers in (bearer(bob), {}):
        assert (await http.delete(f"/v1/responses/{made}", headers=headers)).status_code == 404
        provider.requests.clear()
        more = {**asked, "input": "Go on", "previous_response_id": made}
        answer = await http.post("/v1/responses", json=more, headers=headers)
        assert answer.status_code in (400, 404), answer.text
        assert provider.requests == []
    assert (await http.get(f"/v1/responses/{made}", headers=bearer(alice))).status_code == 200


async def test_reasoning_and_conversations_are_their_clients_own(
    provider: Provider, http: httpx.AsyncClient, keys: tuple[str, str]
) -> None:
    """Though both name the same session, and the same tool call."""
    alice, bob = keys
    detail = {"type": "reasoning.text", "text": "A-SECRET-THOUGHT", "format": "unknown", "index": 0}
    provider.on(chat_answer(None, tool_calls=[("f", {})], reasoning_details=[detail]), path="/openrouter")
    thinker: dict[str, Any] = {
        "model": "openrouter/moonshotai/kimi-k2-thinking",
        "messages": [{"role": "user", "content": "Hi"}],
    }
    made = (await http.post("/v1/chat/completions", json=thinker, headers=bearer(alice))).json()
    calls = made["choices"][0]["message"]["tool_calls"]
    result = {"role": "tool", "tool_call_id": calls[0]["id"], "content": "done"}
    loop = [*thinker["messages"], {"role": "assistant", "tool_calls": calls}, result]
    for key, known in ((bob, False), ("", False), (alice, True)):
        headers = bearer(key) if key else {}
        await http.post("/v1/chat/completions", json=thinker | {"messages": loop}, headers=headers)
        assert ("A-SECRET-THOUGHT" in provider.requests[-1].body.decode()) == known, key

    session = {"x-session-id": "the same"}
    hard = "Prove that every bounded sequence of real numbers has a convergent subsequence, step by step."
    ask = {"model": "auto", "messages": [{"role": "user", "content": hard}]}
    first = await http.post("/v1/chat/completions", json=ask, headers=bearer(alice) | session)
    assert first.headers["x-router-tier"] in ("COMPLEX", "REASONING")
    ask["messages"] = [{"role": "user", "content": "Hi"}]
    other = await http.post("/v1/chat/completions", json=ask, headers=bearer(bob) | session)
    assert other.headers["x-router-tier"] == "SIMPLE"


@pytest.mark.parametrize(
    "path", ["/router/stats", "/router/clients", "/router/running", "/metrics", "/router/events"]
)
async def test_views_of_all_clients_are_closed_to_each(
    http: httpx.AsyncClient, keys: tuple[str, str], path: str
) -> None:
    answer = await http.get(path, headers=bearer(keys[1]))
    assert answer.status_code == 403, answer.text
    assert "alice" not in answer.text


async def test_a_clients_own_use_names_no_other(http: httpx.AsyncClient, keys: tuple[str, str]) -> None:
    told = (await http.get("/router/usage", headers=bearer(keys[1]))).text
    assert "bob" in told
    assert "alice" not in told
    assert json.loads(told)
