"""The addon in a running mitmproxy: failing closed, reloads, signals, shared state, nothing left behind."""

from __future__ import annotations

import asyncio
import os
import shutil
import signal
import time
from pathlib import Path
from typing import Any

import httpx
import openai
import pytest

from tests.conftest import StartRouter
from tests.testbed.answers import Answer
from tests.testbed.chat import chat_answer, chat_error, chat_stream
from tests.testbed.harness import ROUTER, provider_env
from tests.testbed.provider import Provider

pytestmark = pytest.mark.xdist_group("addon")

CHAT = "/v1/chat/completions"
HI: list[Any] = [{"role": "user", "content": "Hi"}]
GREET = {"model": "auto", "messages": HI}
HARD = (
    "Prove step by step, by induction, that the sum of the first n odd numbers is n squared, then derive a "
    "closed form for the sum of their cubes and analyse where the argument could fail."
)

SABOTAGE = """
import logging

from smart_router import runtime
from smart_router.api import endpoints, handler, local_answers
from smart_router.attempts.builder import AttemptBuilder

def sabotaged(function, when):
    def call(*args, **kwargs):
        if when(*args):
            raise RuntimeError("sabotage")
        return function(*args, **kwargs)
    return call

runtime.route = sabotaged(runtime.route, lambda request: request["model"] == "boom/route")
local_answers.health = sabotaged(local_answers.health, lambda *args: True)
endpoints.ENDPOINTS.resolve = sabotaged(endpoints.ENDPOINTS.resolve, lambda path: "boom" in path)
handler.check_client = sabotaged(handler.check_client, lambda peer, keys, clients, now: "boom" in keys)
AttemptBuilder.build = sabotaged(
    AttemptBuilder.build, lambda self, exchange, candidate, profile: candidate.model == "build"
)
"""
SABOTAGED: list[tuple[str, str, dict[str, str], Any]] = [
    ("POST", CHAT, {}, GREET | {"model": "boom/route"}),
    ("POST", CHAT, {}, GREET | {"model": "local/build"}),
    ("POST", CHAT, {}, GREET | {"model": "local/build", "stream": True}),
    ("POST", CHAT, {"x-api-key": "boom"}, GREET),
    ("GET", "/health", {}, None),
    ("GET", "/v1/models/boom", {}, None),
    ("POST", "/v1/embeddings/boom", {}, {}),
]


async def test_any_failure_is_answered_here_and_reaches_no_upstream(
    start_router: StartRouter, provider: Provider, tmp_path: Path
) -> None:
    script = tmp_path / "sabotage.py"
    script.write_text(SABOTAGE)
    config = f'[providers.local]\nbase_url = "{provider.url}/local"\n'
    router = await start_router(
        upstream=provider.url, config=config, allow_errors=True, args=["-s", str(script)]
    )
    async with router.http(headers={"authorization": "Bearer the client's own"}) as http:
        for method, path, headers, body in SABOTAGED:
            answer = await http.request(method, path, headers=headers, json=body)
            assert answer.status_code == 500, (path, body)
            assert answer.headers["content-type"] == "application/json"
            assert answer.headers["x-should-retry"] == "false"
            assert answer.json()["error"]["code"] == "router_error"
            router.wait_for_log(answer.headers["x-router-request-id"])
            assert "sabotage" not in answer.text
        assert provider.requests == []
        answer = await http.post(CHAT, json=GREET | {"model": "local/m"})
    assert answer.status_code == 200


THINKER = {"model": "openrouter/moonshotai/kimi-k3", "messages": HI}


async def state(http: httpx.AsyncClient) -> tuple[Any, ...]:
    """Return the usable profiles, and the route of a session's next request."""
    health = (await http.get("/health")).json()
    history = [*HI, {"role": "assistant", "content": "Hi."}, {"role": "user", "content": "Thanks"}]
    answer = await http.post(CHAT, json={"model": "auto", "messages": history}, headers={"x-session-id": "s"})
    usable = {name: about["profiles_usable"] for name, about in health["providers"].items()}
    return usable, answer.status_code, answer.headers["x-router-tier"], answer.headers["x-router-model"]


async def reasoning_sent_back(http: httpx.AsyncClient, provider: Provider, made: list[Any]) -> Any:
    """Return the reasoning that the provider gets back although the client dropped it."""
    result = {"role": "tool", "tool_call_id": made[0]["id"], "content": "done"}
    loop = [*HI, {"role": "assistant", "tool_calls": made}, result]
    await http.post(CHAT, json=THINKER | {"messages": loop})
    return provider.requests[-1].json["messages"][-2].get("reasoning_details")


async def test_a_reload_of_the_script_loses_nothing(
    start_router: StartRouter, provider: Provider, tmp_path: Path
) -> None:
    script = tmp_path / "addon" / "router.py"
    script.parent.mkdir()
    shutil.copy(ROUTER, script)
    env = provider_env(provider.url, "openai", "groq", "openrouter")
    router = await start_router(script=script, env=env, listen_host=None)

    detail = {"type": "reasoning.text", "text": "Hm", "format": "unknown", "index": 0}
    provider.on(chat_answer(None, tool_calls=[("f", {})], reasoning_details=[detail]), path="/openrouter")

    async with router.http() as http:
        made = (await http.post(CHAT, json=THINKER)).json()["choices"][0]["message"]["tool_calls"]
        provider.on(chat_error(429, code="insufficient_quota"), path="/groq")
        await http.post(CHAT, json={"model": "groq/openai/gpt-oss-20b", "messages": HI})
        hard = {"model": "auto", "messages": [{"role": "user", "content": HARD}]}
        await http.post(CHAT, json=hard, headers={"x-session-id": "s"})
        before = await state(http)
        assert before[0]["groq"] == 0
        assert before[2] in ("COMPLEX", "REASONING")

        provider.on(chat_stream(["a", "b"], stepped=True))
        asked = asyncio.create_task(http.post(CHAT, json=GREET | {"stream": True}))
        running = await provider.wait_for_request(len(provider.requests) + 1)
        running.release(2)
        later = time.time() + 10
        os.utime(script, (later, later))
        twice = rf"(?s)Loading script {script}.*Loading script {script}"
        await asyncio.to_thread(router.wait_for_log, twice)
        running.release(9)
        assert (await asked).content.endswith(b"data: [DONE]\n\n")
        assert await state(http) == before
        assert await reasoning_sent_back(http, provider, made) == [detail]


async def test_sigterm_while_streaming(start_router: StartRouter, provider: Provider) -> None:
    provider.on(chat_stream(["a", "b"], stepped=True))
    router = await start_router(env=provider_env(provider.url, "openai"))
    async with router.client() as client:
        asked = asyncio.create_task(client.chat.completions.create(model="auto", messages=HI, stream=True))
        request = await provider.wait_for_request()
        request.release(2)
        stream = await asked
        assert (await anext(stream)).choices[0].delta.content is not None
        sent = time.monotonic()
        router.process.send_signal(signal.SIGTERM)
        with pytest.raises(openai.APIError):
            async for chunk in stream:
                assert chunk.choices[0].finish_reason is None
    assert await request.disconnected() - sent < 2
    assert await asyncio.to_thread(router.process.wait, 10) == 0
    assert "Traceback" not in router.log
    router.process.stdout.close()  # type: ignore[union-attr]


async def test_routers_share_a_state_folder(
    start_router: StartRouter, provider: Provider, tmp_path: Path
) -> None:
    env = provider_env(provider.url, "openai", "groq") | {"SMART_ROUTER_STATE": str(tmp_path / "shared")}
    first, second = [await start_router(env=env) for _ in range(2)]

    async def usable(http: httpx.AsyncClient) -> Any:
        return (await http.get("/health")).json()["providers"]["groq"]["profiles_usable"]

    async with first.http() as one, second.http() as other:
        assert (await usable(one), await usable(other)) == (1, 1)
        provider.on(chat_error(429, code="insufficient_quota"), path="/groq")
        await one.post(CHAT, json={"model": "groq/openai/gpt-oss-20b", "messages": HI})
        async with asyncio.timeout(5):
            while await usable(other):  # noqa: ASYNC110  # nobody tells
                await asyncio.sleep(0.02)
        assert await usable(one) == 0
    third = await start_router(env=env)
    async with third.http() as http:
        assert await usable(http) == 0  # and so does the next start


WATCH = """
import logging
import smart_router.addon

def client_disconnected(client):
    (router,) = [addon for addon in smart_router.addon.addons if addon.name == "smart-router"]
    logging.info("left: %d claims, %d attempts", len(router.claims), len(router.attempts))
"""


async def test_nothing_is_kept_of_ended_requests(
    start_router: StartRouter, provider: Provider, tmp_path: Path
) -> None:
    script = tmp_path / "watch.py"
    script.write_text(WATCH)
    router = await start_router(
        env=provider_env(provider.url, "openai"), upstream=provider.url, args=["-s", str(script)]
    )
    provider.on(Answer(body=b"{}"), path="/upload")
    provider.on(chat_stream(["a"], stepped=True), nth=4)
    async with router.http(http2=True) as http:
        for method, path, body in [
            ("GET", "/v1/models", None), ("GET", "/health", None), ("GET", "/router/x", None),
            ("POST", CHAT, GREET), ("POST", CHAT, GREET | {"stream": True}), ("POST", CHAT, {}),
            ("POST", "/upload", {}),
        ]:  # fmt: skip
            await http.request(method, path, json=body)
        left = asyncio.create_task(http.post(CHAT, json=GREET | {"stream": True}))
        request = await provider.wait_for_request(4)
        left.cancel()
    await request.disconnected()
    async with router.http() as http:
        await http.get("/health")
    assert router.wait_for_log(r"left: 0 claims, 0 attempts(?s:.*)left: (.*)")[1] == "0 claims, 0 attempts"


@pytest.mark.parametrize("wanted", ["true", "false"])
async def test_connections_are_logged_if_the_option_is_set(
    start_router: StartRouter, provider: Provider, wanted: str
) -> None:
    provider.on(chat_stream(["Hello."]), model="gpt-5.4-nano")
    env = provider_env(provider.url, "openai")
    router = await start_router(env=env, options={"router_log_connections": wanted})
    async with router.http() as http:
        answer = await http.post(CHAT, json={**GREET, "stream": True})
        assert answer.status_code == 200
    router.wait_for_log(answer.headers["x-router-request-id"])
    assert ("client connect" in router.log) == (wanted == "true")
