"""The Gemini endpoint in a real process: native requests, failover, errors, tool loops, waiting clients."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator
from typing import Any

import httpx
import pytest
import pytest_asyncio
from google import genai
from google.genai import errors

from tests.end_to_end.test_conversations import claude
from tests.testbed.answers import Answer, Fault, recorded
from tests.testbed.cases import Case, case_params
from tests.testbed.chat import chat_answer, chat_error, chat_stream
from tests.testbed.gemini_sdk import gemini_client
from tests.testbed.harness import Router, provider_env
from tests.testbed.provider import Provider
from tests.testbed.wires import gemini_stream

pytestmark = [pytest.mark.asyncio(loop_scope="module"), pytest.mark.xdist_group("gemini")]

HI = {"contents": [{"role": "user", "parts": [{"text": "Hi"}]}]}
GROQ = "/v1beta/models/groq/openai/gpt-oss-20b"
GOOGLE = "/v1/models/gemini-3.8-flash"


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def router(
    shared_provider: Provider, tmp_path_factory: pytest.TempPathFactory
) -> AsyncIterator[Router]:
    env = provider_env(shared_provider.url, "google", "groq", "anthropic") | {
        "GOOGLE_API_KEY": "key-1, key-2"
    }
    options = {"router_hold_head": "0.2", "router_max_body": "1m"}
    folder = tmp_path_factory.mktemp("gemini") / "router"
    async with Router(folder, env=env, options=options, upstream=shared_provider.url) as router:
        yield router


@pytest.fixture(scope="module")
def google(router: Router, http: httpx.AsyncClient) -> genai.Client:
    return gemini_client(router.url, http)


@pytest.mark.parametrize("case", case_params(wire="gemini", status=200))
async def test_googles_answers_reach_the_client_untouched(
    provider: Provider, http: httpx.AsyncClient, case: Case
) -> None:
    provider.on(recorded(case.folder))
    body = b' {"contents" : [{"parts": [{"text": "Hi"}]}], "tools": [{"google_search": {}}]}'
    method = "streamGenerateContent?alt=sse&key=client-key" if case.stream else "generateContent"
    answer = await http.post(f"{GOOGLE}:{method}", content=body)
    assert (answer.status_code, answer.content) == (200, case.body)
    (request,) = provider.requests
    assert request.body == body
    asked = "streamGenerateContent?alt=sse" if case.stream else "generateContent"
    assert request.path == f"/google/v1beta/models/gemini-3.8-flash:{asked}"
    assert "client-key" not in str(request.headers)


async def test_second_account_of_google_gets_the_same_request(
    provider: Provider, http: httpx.AsyncClient
) -> None:
    busy = Answer(429, body=json.dumps({"error": {"code": 429, "status": "RESOURCE_EXHAUSTED"}}).encode())
    provider.on(busy.but(headers={"retry-after": "60"}), gemini_stream(["Hel", "lo."]))
    answer = await http.post(f"{GOOGLE}:streamGenerateContent?alt=sse", json=HI)
    assert answer.headers["x-router-attempts"] == "2"
    assert answer.content == b"".join(gemini_stream(["Hel", "lo."]).chunks(""))
    first, second = provider.requests
    assert first.body == second.body
    assert {one.headers["x-goog-api-key"] for one in provider.requests} == {"key-1", "key-2"}


VERSIONS = ["v1", "v1beta", "v1alpha"]


@pytest.mark.parametrize("version", VERSIONS)
async def test_every_version_of_the_api(
    provider: Provider, router: Router, http: httpx.AsyncClient, version: str
) -> None:
    client = gemini_client(router.url, http, version)
    provider.on(chat_answer("Hello."))
    answer = await client.aio.models.generate_content(model="groq/openai/gpt-oss-20b", contents="Hi")
    assert answer.text == "Hello."


async def test_array_of_objects(provider: Provider, http: httpx.AsyncClient) -> None:
    provider.on(chat_stream(["Hel", "lo."]))
    answer = await http.post(f"{GROQ}:streamGenerateContent", json=HI)
    assert answer.headers["content-type"].startswith("application/json")
    parts = [one["candidates"][0]["content"]["parts"][0]["text"] for one in answer.json()]
    assert parts == ["Hel", "lo.", ""]
    assert answer.json()[-1]["candidates"][0]["finishReason"] == "STOP"


async def test_waiting_client_gets_nothing_but_events(provider: Provider, http: httpx.AsyncClient) -> None:
    provider.on(chat_stream(["Hello."]).but(fault=Fault.SILENT_BEFORE_HEAD))
    async with http.stream("POST", f"{GROQ}:streamGenerateContent?alt=sse", json=HI) as answer:
        assert "x-router-provider" not in answer.headers  # it is the early head
        provider.requests[0].release()
        received = b"".join([piece async for piece in answer.aiter_raw()])
    *events, end = received.split(b"\r\n\r\n")
    assert end == b""
    assert all(event.startswith(b"data: {") for event in events)
    assert json.loads(events[-1][6:])["x_router"]["provider"] == "groq"


ERRORS = [
    ("POST", f"{GROQ}:generateContent", {"contents": []}, 400, "INVALID_ARGUMENT", "contents"),
    ("POST", f"{GROQ}:generateContent", {"contents": "x" * (1 << 20)}, 413, "INVALID_ARGUMENT", "large"),
    ("POST", "/v1beta/models/none:generateContent", HI, 404, "NOT_FOUND", "none"),
    ("GET", f"{GROQ}:generateContent", None, 405, "INVALID_ARGUMENT", "GET is not allowed"),
    ("POST", f"{GROQ}:generateContent", {**HI, "cachedContent": "cachedContents/x"}, 400,
     "INVALID_ARGUMENT", "cached there"),
    ("POST", f"{GROQ}:embedContent", HI, 404, "NOT_FOUND", "not served"),
    ("POST", "/v1beta/cachedContents", HI, 404, "NOT_FOUND", "not served"),
]  # fmt: skip


@pytest.mark.parametrize(("method", "path", "body", "status", "name", "said"), ERRORS)
async def test_errors_have_googles_shape(
    provider: Provider,
    http: httpx.AsyncClient,
    method: str,
    path: str,
    body: Any,
    status: int,
    name: str,
    said: str,
) -> None:
    answer = await http.request(method, path, json=body)
    error = answer.json()["error"]
    assert (answer.status_code, error["code"], error["status"]) == (status, status, name)
    assert said in error["message"]
    assert provider.requests == []


async def test_providers_error_reaches_the_client_in_googles_shape(
    provider: Provider, google: genai.Client
) -> None:
    provider.on(chat_error(400, "Refused."))
    with pytest.raises(errors.ClientError) as raised:
        await google.aio.models.generate_content(model="groq/openai/gpt-oss-20b", contents="Hi")
    assert (raised.value.code, raised.value.status) == (400, "INVALID_ARGUMENT")
    assert "Refused." in str(raised.value.message)


async def test_failure_in_the_middle_of_a_stream_is_an_error(
    provider: Provider, http: httpx.AsyncClient, google: genai.Client
) -> None:
    provider.on(chat_stream(["Hel"], done=False), always=True)
    stream = await google.aio.models.generate_content_stream(model="groq/openai/gpt-oss-20b", contents="Hi")
    said = await anext(stream)
    assert said.text == "Hel"
    with pytest.raises(errors.ServerError):
        await anext(stream)
    answer = await http.post(f"{GROQ}:streamGenerateContent?alt=sse", json=HI)
    # Google's JavaScript client fails on what is left over after the last event, and on nothing else
    assert json.loads(answer.text.rpartition("\r\n\r\n")[2])["error"]["code"] == 502


async def test_signed_thinking_of_anthropic_comes_back_through_the_client(
    provider: Provider, http: httpx.AsyncClient
) -> None:
    """Also from a client that drops the calls' ids: no worker's memory knows such a call."""
    provider.on(claude("A-THOUGHT"))
    path = "/v1beta/models/anthropic/claude-haiku-5-5:generateContent"
    tools = [{"functionDeclarations": [{"name": "look", "description": "Looks."}]}]
    thinking = {"thinkingConfig": {"thinkingBudget": 8192}}
    first = (await http.post(path, json={**HI, "tools": tools, "generationConfig": thinking})).json()
    (call,) = first["candidates"][0]["content"]["parts"]  # thoughts were not asked for
    del call["functionCall"]["id"]
    result = {"functionResponse": {"name": "look", "response": {"output": "rain"}}}
    turns = [*HI["contents"], {"role": "model", "parts": [call]}, {"role": "user", "parts": [result]}]
    await http.post(path, json={"contents": turns, "tools": tools, "generationConfig": thinking})
    sent = provider.requests[1].json["messages"]
    assert sent[1]["content"][0] == {
        "type": "thinking",
        "thinking": "A-THOUGHT",
        "signature": "signature of A-THOUGHT",
    }
    assert sent[2]["content"][0]["content"] == "rain"


async def test_models_have_googles_shape_and_their_limits(
    http: httpx.AsyncClient, google: genai.Client
) -> None:
    listed = {model.name: model async for model in await google.aio.models.list()}
    flash = listed["models/google/gemini-3.8-flash"]
    assert (flash.input_token_limit, flash.output_token_limit) == (1_048_576, 65_536)
    assert "generateContent" in (flash.supported_actions or ())
    assert (listed["models/auto"].input_token_limit or 0) >= 1_048_576
    one = await google.aio.models.get(model="gemini-3.8-flash")
    assert (one.name, one.input_token_limit) == (flash.name, flash.input_token_limit)
    missing = await http.get("/v1beta/models/none")
    assert (missing.status_code, missing.json()["error"]["status"]) == (404, "NOT_FOUND")


async def test_google_counts_the_tokens_of_its_own_models(provider: Provider, google: genai.Client) -> None:
    provider.on(Answer(body=b'{"totalTokens": 31, "promptTokensDetails": []}'))
    counted = await google.aio.models.count_tokens(model="gemini-3.8-flash", contents="Hi")
    assert counted.total_tokens == 31
    assert provider.requests[0].path == "/google/v1beta/models/gemini-3.8-flash:countTokens"


@pytest.mark.parametrize("wrapped", [False, True])
async def test_tokens_for_other_models_are_estimated_and_the_answer_says_so(
    provider: Provider, http: httpx.AsyncClient, wrapped: bool
) -> None:
    body = {"contents": [{"parts": [{"text": "x" * 400}]}]}
    answer = await http.post(
        f"{GROQ}:countTokens", json={"generateContentRequest": body} if wrapped else body
    )
    assert 100 <= answer.json()["totalTokens"] <= 110
    assert answer.headers["x-router-token-count"].startswith("estimated")
    assert provider.requests == []


async def test_count_of_a_bad_request_is_refused(provider: Provider, http: httpx.AsyncClient) -> None:
    answer = await http.post(f"{GROQ}:countTokens", json={"contents": [{"parts": "x"}]})
    assert (answer.status_code, provider.requests) == (400, [])


async def test_tools_that_only_google_runs_are_left_out_and_named(
    provider: Provider, http: httpx.AsyncClient
) -> None:
    provider.on(chat_answer("Hello."))
    answer = await http.post(f"{GROQ}:generateContent", json={**HI, "tools": [{"google_search": {}}]})
    assert answer.status_code == 200
    assert "googleSearch" in answer.headers["x-router-why"]
    assert "tools" not in provider.requests[0].json
