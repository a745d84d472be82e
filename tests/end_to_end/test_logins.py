"""Logins in a real router: a Codex login serves chat requests, with tokens that are fresh."""

from __future__ import annotations

import asyncio
import json
import time
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import openai
import pytest
import pytest_asyncio
from openai.types.chat import ChatCompletion
from pydantic import SecretStr

from smart_router.auth.profiles import GrantedTokens
from smart_router.auth.store import AuthStore
from smart_router.providers.registry import PROVIDERS
from tests.conftest import renewed
from tests.testbed.answers import Answer, Fault, recorded
from tests.testbed.authorization import Rotation
from tests.testbed.cases import Case, case_params
from tests.testbed.chat import chat_error
from tests.testbed.harness import Router
from tests.testbed.provider import Provider

HI: list[Any] = [{"role": "user", "content": "Hi"}]
CODEX = "openai-codex/gpt-5.5"
ANTIGRAVITY = "antigravity/gemini-3-flash"

EVENTS: list[dict[str, Any]] = [
    {"type": "response.created", "response": {"id": "r", "model": "gpt-5.5", "created_at": 1}},
    {"type": "response.output_item.added", "output_index": 0, "item": {"type": "message", "id": "m"}},
    {"type": "response.output_text.delta", "output_index": 0, "item_id": "m", "delta": "Hello"},
    {"type": "response.completed", "response": {"id": "r", "output": []}},
]
HELLO = Answer(
    headers={"content-type": "text/event-stream"},
    body=b"".join(f"event: {one['type']}\ndata: {json.dumps(one)}\n\n".encode() for one in EVENTS),
    cut="events",
)


def config(url: str) -> str:
    return f"""
        [providers.openai-codex]
        base_url = "{url}/codex"
        login.token_url = "{url}/token"
        [providers.antigravity]
        base_url = "{url}/daily"
        more_base_urls = ["{url}/prod"]
        login.token_url = "{url}/token"
        login.client_id = "c"
        login.client_secret = "canary-client-secret"
    """


def with_login(
    folder: Path,
    provider: Provider,
    login: str = "openai-codex",
    *,
    ends_in: float,
    args: tuple[str, ...] = (),
) -> Router:
    """A router, not yet started, with one login whose token ends in so many seconds."""
    router = Router(folder / "router", config=config(provider.url), args=args)
    add_login(router, login, "me", "access-0", ends_in)
    return router


def add_login(router: Router, login: str, name: str, access: str, ends_in: float) -> None:
    store = AuthStore({}, PROVIDERS, router.state_folder)
    now = time.time()
    extras = {"account_id": "acc-1", "project": "p-1"}
    store.add_login(
        login, name, GrantedTokens(SecretStr(access), SecretStr("refresh-0"), now - 60, now + ends_in, extras)
    )
    store.close()


async def chat(router: Router, model: str = CODEX) -> Any:
    async with router.client() as client:
        return await client.chat.completions.with_raw_response.create(model=model, messages=HI)


# One router for the recorded answers.


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def router(
    shared_provider: Provider, tmp_path_factory: pytest.TempPathFactory
) -> AsyncIterator[Router]:
    async with with_login(tmp_path_factory.mktemp("codex"), shared_provider, ends_in=3600) as router:
        yield router


@pytest.mark.asyncio(loop_scope="module")
@pytest.mark.xdist_group("logins")
@pytest.mark.parametrize("case", case_params("openai-responses", "openai-codex", status=200))
@pytest.mark.parametrize("stream", [False, True], ids=["whole", "streamed"])
async def test_recorded_answers(shared_provider: Provider, router: Router, case: Case, stream: bool) -> None:
    provider = renewed(shared_provider)
    provider.on(recorded(case.folder))
    async with router.client() as client:
        answer: ChatCompletion
        if stream:
            async with client.chat.completions.stream(model=CODEX, messages=HI) as events:
                answer = await events.get_final_completion()
        else:
            answer = await client.chat.completions.create(model=CODEX, messages=HI)
    message = answer.choices[0].message
    assert (message.content or "") == case.oracle["text"]
    calls = [call.function.name for call in message.tool_calls or [] if call.type == "function"]
    assert calls == [call["name"] for call in case.oracle["tool_calls"]]
    (request,) = provider.requests
    assert request.path == "/codex/responses"
    assert request.headers["authorization"] == "Bearer access-0"
    assert request.headers["chatgpt-account-id"] == "acc-1"
    assert request.headers["originator"] == "codex_cli_rs"
    assert request.json["stream"] is True
    assert request.json["store"] is False


# A router of its own each: what happens to tokens outlives a request.


async def test_an_expired_token_is_refreshed_first(provider: Provider, tmp_path: Path) -> None:
    server = Rotation()
    provider.on(server, path="/token", always=True)
    provider.on(HELLO, path="/codex", always=True)
    async with with_login(tmp_path, provider, ends_in=-5) as router:
        first, second = await asyncio.gather(chat(router), chat(router))
        assert first.parse().choices[0].message.content == "Hello"
        assert first.headers["x-router-attempts"] == second.headers["x-router-attempts"] == "1"
    used = {request.headers["authorization"] for request in provider.requests if request.path != "/token"}
    assert used == {"Bearer access-1"}
    assert (server.grants, server.reused) == (1, [])


async def test_a_refused_token_is_refreshed_once(provider: Provider, tmp_path: Path) -> None:
    server = Rotation()
    provider.on(server, path="/token", always=True)
    provider.on(chat_error(401), HELLO, chat_error(401), chat_error(401), path="/codex")
    async with with_login(tmp_path, provider, ends_in=3600) as router:
        answer = await chat(router)
        assert answer.parse().choices[0].message.content == "Hello"
        assert answer.headers["x-router-attempts"] == "2"
        with pytest.raises(openai.AuthenticationError):  # refused with a fresh token, too
            await chat(router)
    assert [(request.path, request.headers.get("authorization")) for request in provider.requests] == [
        ("/codex/responses", "Bearer access-0"),
        ("/token", None),
        ("/codex/responses", "Bearer access-1"),
        ("/codex/responses", "Bearer access-1"),
        ("/token", None),
        ("/codex/responses", "Bearer access-2"),
    ]
    assert server.reused == []


async def test_a_dead_login_says_what_to_do(provider: Provider, tmp_path: Path) -> None:
    provider.on(Answer(status=400, body=b'{"error": "invalid_grant"}'), path="/token")
    async with with_login(tmp_path, provider, ends_in=-5) as router:
        with pytest.raises(openai.APIStatusError) as failed:
            await chat(router)
        assert "invalid_grant" in str(failed.value)
        with pytest.raises(openai.APIStatusError) as later:
            await chat(router)
        assert "smart-router login openai-codex" in str(later.value)
    assert [request.path for request in provider.requests] == ["/token"]


async def test_another_login_takes_over(provider: Provider, tmp_path: Path) -> None:
    provider.on(Answer(fault=Fault.CLOSE_BEFORE_HEAD), path="/token", always=True)
    provider.on(HELLO, path="/codex")
    router = with_login(tmp_path, provider, ends_in=-5)
    add_login(router, "openai-codex", "you", "access-you", 3600)
    async with router:
        answer = await chat(router)
        assert answer.headers["x-router-profile"] == "openai-codex:you"
    assert provider.requests[-1].headers["authorization"] == "Bearer access-you"
    assert "got no answer (RemoteProtocolError)" in router.log


@pytest.mark.parametrize("status", [429, 503])
async def test_the_next_host_is_asked(provider: Provider, tmp_path: Path, status: int) -> None:
    text = {
        "candidates": [{"content": {"parts": [{"text": "Hello"}], "role": "model"}, "finishReason": "STOP"}]
    }
    provider.on(Answer(status=status, body=b'{"error": {"message": "busy"}}'), path="/daily", always=True)
    provider.on(Answer(body=json.dumps({"response": text}).encode()), path="/prod")
    provider.on(Answer(status=status, body=b'{"error": {"message": "busy"}}'), path="/prod", always=True)
    async with with_login(tmp_path, provider, "antigravity", ends_in=3600) as router:
        answer = await chat(router, ANTIGRAVITY)
        assert answer.parse().choices[0].message.content == "Hello"
        with pytest.raises(openai.APIStatusError) as failed:
            await chat(router, ANTIGRAVITY)
        assert failed.value.status_code == status
    method = "v1internal:generateContent"
    paths = [request.path for request in provider.requests]
    assert paths[:4] == [f"/daily/{method}", f"/prod/{method}"] * 2
    assert set(paths[4:]) <= {f"/prod/{method}"}, "retries stay at the last host"
    assert provider.requests[0].json["project"] == "p-1"


async def test_no_token_is_seen(provider: Provider, tmp_path: Path) -> None:
    server = Rotation()
    provider.on(server, path="/token", always=True)
    provider.on(chat_error(401), HELLO, chat_error(401), chat_error(401), path="/codex")
    flows = tmp_path / "flows.mitm"
    router = with_login(tmp_path, provider, ends_in=-5, args=("-w", str(flows), "-v"))
    said: list[str] = []
    async with router:
        said.append((await chat(router)).text)
        with pytest.raises(openai.APIStatusError) as failed:
            await chat(router)
        said.append(str(failed.value))
        async with router.http() as http:
            said.append((await http.get("/health")).text)
    said += [router.log, flows.read_bytes().decode("latin-1")]
    assert (server.grants, server.reused) == (3, [])
    assert "openai-codex:me" in router.log
    for secret in ("access-0", "access-1", "access-2", "access-3", "refresh-", "canary-client"):
        assert not [text for text in said if secret in text], secret


async def test_a_refresh_survives_the_end_of_the_router(provider: Provider, tmp_path: Path) -> None:
    server = Rotation(slow=0.5)
    provider.on(server, path="/token", always=True)
    router = with_login(tmp_path, provider, ends_in=-5)
    async with router:
        await provider.wait_for_request()  # in the background, before anybody asked
    store = AuthStore({}, PROVIDERS, router.state_folder)
    store.close()
    profile = store.find("openai-codex:me")
    assert profile and profile.secret == SecretStr("access-1")
    assert (server.grants, server.reused) == (1, [])
