"""`POST /v1/responses` through the official SDK, from providers of every wire; and bad requests."""

from __future__ import annotations

from collections.abc import AsyncIterator
from typing import Any

import httpx
import openai
import pytest
import pytest_asyncio

from tests.end_to_end.test_bad_input import MISSING, NOT_REQUESTS, error_of
from tests.testbed.answers import Fault
from tests.testbed.chat import chat_error, chat_stream
from tests.testbed.harness import Router, provider_env
from tests.testbed.provider import Provider
from tests.testbed.responses_sdk import events_of

pytestmark = [pytest.mark.asyncio(loop_scope="module"), pytest.mark.xdist_group("responses")]

PATH = "/v1/responses"
PROVIDERS = ("anthropic", "google", "deepseek", "groq")
CLAUDE, GEMINI, DEEPSEEK = "anthropic/claude-sonnet-5-5", "google/gemini-3.8-flash", "deepseek/deepseek-flash"
MODELS = (CLAUDE, GEMINI, DEEPSEEK)
VALID: dict[str, Any] = {"model": DEEPSEEK, "input": "Hi"}


def routers(provider: Provider, folder: Any, **options: str) -> Router:
    env = provider_env(provider.url, *PROVIDERS)
    return Router(folder, env=env, upstream=provider.url, options={"router_max_body": "2m", **options})


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def router(
    shared_provider: Provider, tmp_path_factory: pytest.TempPathFactory, fast_path: str
) -> AsyncIterator[Router]:
    folder = tmp_path_factory.mktemp("responses") / "router"
    async with routers(shared_provider, folder, router_fast_path=fast_path) as router:
        yield router


@pytest.mark.parametrize("model", MODELS)
async def test_whole_answers(provider: Provider, client: openai.AsyncOpenAI, model: str) -> None:
    answer = await client.responses.create(model=model, input="Hi")
    assert (answer.output_text, answer.status) == ("You said: Hi", "completed")
    assert answer.usage is not None
    assert (answer.usage.input_tokens, answer.usage.output_tokens) == (11, 7)


@pytest.mark.parametrize("model", MODELS)
async def test_streams(provider: Provider, client: openai.AsyncOpenAI, model: str) -> None:
    async with client.responses.stream(model=model, input="Hi") as stream:
        deltas = [event.delta async for event in stream if event.type == "response.output_text.delta"]
        answer = await stream.get_final_response()
    assert "".join(deltas) == answer.output_text == "You said: Hi"


async def test_hosted_tools_are_dropped_and_said(provider: Provider, client: openai.AsyncOpenAI) -> None:
    raw = await client.responses.with_raw_response.create(
        model=DEEPSEEK, input="Hi", tools=[{"type": "web_search"}], tool_choice="auto"
    )
    assert raw.headers["x-router-why"].endswith("without the hosted tools web_search")
    assert not provider.requests[0].json.keys() & {"tools", "tool_choice"}


async def test_codex_s_tools_come_back_as_it_knows_them(
    provider: Provider, client: openai.AsyncOpenAI
) -> None:
    tool = {"type": "custom", "name": "exec", "format": {"type": "text"}}
    namespace = {"type": "namespace", "name": "functions", "description": "", "tools": [tool]}
    items: Any = [{"type": "additional_tools", "role": "developer", "tools": [namespace]},
                  {"role": "user", "content": "Hi"}]  # fmt: skip
    provider.on(chat_stream([], tool_calls=[("functions__exec", {"input": "1+1"})]))
    async with client.responses.stream(model=DEEPSEEK, input=items) as stream:
        (item,) = (await stream.get_final_response()).output
    assert item.to_dict() | {"id": ""} == {
        "id": "", "type": "custom_tool_call", "status": "completed", "call_id": "call_0", "name": "exec",
        "namespace": "functions", "input": "1+1",
    }  # fmt: skip


NAMELESS = {"type": "namespace", "name": "n", "tools": [{"type": "function"}]}
# the error's path, and the fields that are wrong
WRONG: list[tuple[str, dict[str, Any]]] = [
    ("model", {"model": MISSING}),
    ("model", {"model": 5}),
    ("input", {"input": MISSING}),
    ("input", {"input": None}),
    ("input", {"input": ""}),
    ("input", {"input": []}),
    ("input", {"input": {"role": "user"}}),
    ("input[0]", {"input": ["Hi"]}),
    ("input[0].type", {"input": [{}]}),
    ("input[0].type", {"input": [{"type": 5}]}),
    ("input[0].role", {"input": [{"type": "message", "content": "x"}]}),
    ("input[0].role", {"input": [{"role": "bot", "content": "x"}]}),
    ("input[0].content", {"input": [{"role": "user"}]}),
    ("input[0].content", {"input": [{"role": "user", "content": 5}]}),
    ("input[0].content[0]", {"input": [{"role": "user", "content": ["x"]}]}),
    ("input[0].content[0].type", {"input": [{"role": "user", "content": [{"text": "x"}]}]}),
    ("input[0].content[0].text", {"input": [{"role": "user", "content": [{"type": "input_text"}]}]}),
    (
        "input[0].content[0].image_url",
        {"input": [{"role": "user", "content": [{"type": "input_image", "image_url": {"url": "u"}}]}]},
    ),
    ("input[0].call_id", {"input": [{"type": "function_call", "name": "f", "arguments": "{}"}]}),
    ("input[0].name", {"input": [{"type": "function_call", "call_id": "c", "arguments": "{}"}]}),
    (
        "input[0].arguments",
        {"input": [{"type": "function_call", "call_id": "c", "name": "f", "arguments": {}}]},
    ),
    ("input[0].output", {"input": [{"type": "function_call_output", "call_id": "c"}]}),
    ("input[0].output", {"input": [{"type": "function_call_output", "call_id": "c", "output": 5}]}),
    ("input[0].input", {"input": [{"type": "custom_tool_call", "call_id": "c", "name": "f"}]}),
    ("input[0].summary", {"input": [{"type": "reasoning", "summary": "s"}]}),
    ("input[0].encrypted_content", {"input": [{"type": "reasoning", "encrypted_content": 5}]}),
    ("input[0].tools", {"input": [{"type": "additional_tools"}]}),
    ("input[0].id", {"input": [{"type": "item_reference"}]}),
    ("input", {"input": [{"type": "reasoning", "summary": []}]}),
    ("instructions", {"instructions": ["x"]}),
    ("stream", {"stream": "true"}),
    ("tools", {"tools": {}}),
    ("tools[0]", {"tools": ["f"]}),
    ("tools[0].type", {"tools": [{"name": "f"}]}),
    ("tools[0].name", {"tools": [{"type": "function"}]}),
    ("tools[0].parameters", {"tools": [{"type": "function", "name": "f", "parameters": "{}"}]}),
    ("tools[0].tools", {"tools": [{"type": "namespace", "name": "n"}]}),
    ("tools[0].tools[0].name", {"tools": [NAMELESS]}),
    ("tools[0].format", {"tools": [{"type": "custom", "name": "c", "format": "text"}]}),
    ("tool_choice", {"tool_choice": 1}),
    ("tool_choice.type", {"tool_choice": {}}),
    ("parallel_tool_calls", {"parallel_tool_calls": "no"}),
    ("reasoning", {"reasoning": "low"}),
    ("reasoning.effort", {"reasoning": {"effort": 3}}),
    ("text", {"text": "json"}),
    ("text.format.type", {"text": {"format": {}}}),
    ("text.format.name", {"text": {"format": {"type": "json_schema", "schema": {}}}}),
    ("text.format.schema", {"text": {"format": {"type": "json_schema", "name": "s"}}}),
    ("include", {"include": "all"}),
    ("max_output_tokens", {"max_output_tokens": 0}),
    ("max_output_tokens", {"max_output_tokens": "5"}),
    ("temperature", {"temperature": "0.5"}),
    ("top_p", {"top_p": []}),
    ("top_logprobs", {"top_logprobs": 21}),
    ("metadata", {"metadata": "m"}),
    ("store", {"store": "yes"}),
    ("previous_response_id", {"previous_response_id": 5}),
    ("background", {"background": "yes"}),
    ("user", {"user": 5}),
]  # fmt: skip


@pytest.mark.parametrize(("param", "wrong"), WRONG, ids=[f"{p}-{n}" for n, (p, _) in enumerate(WRONG)])
async def test_wrong_fields_are_named(
    provider: Provider, http: httpx.AsyncClient, param: str, wrong: dict[str, Any]
) -> None:
    request = {name: value for name, value in (VALID | wrong).items() if value is not MISSING}
    answer = await http.post(PATH, json=request)
    error = error_of(answer)
    assert (answer.status_code, error["param"]) == (400, param)
    assert f"'{param}'" in error["message"]
    assert provider.requests == []


@pytest.mark.parametrize(("body", "param", "message"), NOT_REQUESTS)
async def test_what_is_no_request(
    provider: Provider, http: httpx.AsyncClient, body: bytes, param: str | None, message: str
) -> None:
    error = error_of(answer := await http.post(PATH, content=body))
    assert (answer.status_code, error["param"], error["type"]) == (400, param, "invalid_request_error")
    assert message in error["message"]
    assert provider.requests == []


async def test_too_large_requests(provider: Provider, http: httpx.AsyncClient) -> None:
    answer = await http.post(PATH, content=b" " * (3 << 20))
    assert (answer.status_code, error_of(answer)["code"]) == (413, "request_too_large")
    assert provider.requests == []


@pytest.mark.parametrize("param", ["background", "conversation", "prompt"])
async def test_what_only_the_vendor_has_is_refused(
    provider: Provider, http: httpx.AsyncClient, param: str
) -> None:
    error = error_of(answer := await http.post(PATH, json=VALID | {param: True}))
    assert (answer.status_code, error["param"], error["code"]) == (400, param, "unsupported_parameter")
    assert provider.requests == []


async def test_unknown_models_get_openai_s_404(provider: Provider, http: httpx.AsyncClient) -> None:
    answer = await http.post(PATH, json=VALID | {"model": "no-such-model"})
    assert (answer.status_code, error_of(answer)["code"]) == (404, "model_not_found")


async def test_a_failure_before_content_is_a_status(provider: Provider, http: httpx.AsyncClient) -> None:
    provider.on(chat_error(400, "No.", type="invalid_request_error"))
    answer = await http.post(PATH, json=VALID | {"stream": True})
    assert (answer.status_code, "No." in error_of(answer)["message"]) == (400, True)


async def test_a_failure_after_content_ends_the_stream(provider: Provider, http: httpx.AsyncClient) -> None:
    started = chat_stream(["Hel", "lo"])
    at = started.body.index(b"lo")
    provider.on(started.but(fault=Fault.RESET_MID_BODY, fault_at=at, pause=0.03))
    answer = await http.post(PATH, json=VALID | {"model": "groq/openai/gpt-oss-20b", "stream": True})
    told = [event["type"] for event in events_of(answer.content)]
    assert (told[0], told[-2:]) == ("response.created", ["error", "response.failed"])


def kept(stream: bool, model: str) -> dict[str, Any]:
    return {"model": model, "input": "Hi", "stream": stream}


@pytest.mark.parametrize("stream", [False, True])
async def test_responses_are_kept_continued_and_deleted(
    provider: Provider, http: httpx.AsyncClient, stream: bool
) -> None:
    answer = await http.post(PATH, json=kept(stream, CLAUDE))
    first = events_of(answer.content)[-1]["response"] if stream else answer.json()
    assert (await http.get(f"{PATH}/{first['id']}")).json() == first
    follow = {"model": CLAUDE, "input": "And?", "previous_response_id": first["id"]}
    second = (await http.post(PATH, json=follow)).json()
    assert second["previous_response_id"] == first["id"]
    roles = [message["role"] for message in provider.requests[-1].json["messages"]]
    assert roles == ["user", "assistant", "user"]
    deleted = await http.delete(f"{PATH}/{first['id']}")
    assert deleted.json() == {"id": first["id"], "object": "response", "deleted": True}
    assert (await http.get(f"{PATH}/{first['id']}")).status_code == 404
    error = error_of(refused := await http.post(PATH, json=follow))
    assert (refused.status_code, error["code"]) == (400, "previous_response_not_found")


async def test_the_input_of_a_kept_response_is_listed(
    provider: Provider, client: openai.AsyncOpenAI, http: httpx.AsyncClient
) -> None:
    given: list[Any] = [{"role": "user", "content": text} for text in ("One", "Two", "Three")]
    kept = await client.responses.create(model=CLAUDE, input=given)
    listed = [item async for item in client.responses.input_items.list(kept.id, limit=2)]  # two pages
    assert [item.content[0].text for item in listed] == ["Three", "Two", "One"]
    ascending = await client.responses.input_items.list(kept.id, order="asc", after=listed[-1].id)
    assert [item.id for item in ascending.data] == [listed[1].id, listed[0].id]
    assert not ascending.has_more
    for query, param in (("limit=0", "limit"), ("limit=x", "limit"), ("after=nothing", "after")):
        error = error_of(answer := await http.get(f"{PATH}/{kept.id}/input_items?{query}"))
        assert (answer.status_code, error["param"]) == (400, param)


async def test_a_response_that_was_awaited_cannot_be_cancelled(
    provider: Provider, client: openai.AsyncOpenAI
) -> None:
    kept = await client.responses.create(model=CLAUDE, input="Hi")
    with pytest.raises(openai.BadRequestError, match="Cannot cancel a synchronous response"):
        await client.responses.cancel(kept.id)


@pytest.mark.parametrize(
    ("method", "below"), [("GET", ""), ("DELETE", ""), ("GET", "/input_items"), ("POST", "/cancel")]
)
async def test_unknown_responses(
    provider: Provider, http: httpx.AsyncClient, method: str, below: str
) -> None:
    error = error_of(answer := await http.request(method, f"{PATH}/resp_none{below}"))
    assert (answer.status_code, error["message"]) == (404, "Response with id 'resp_none' not found.")
    assert provider.requests == []
