"""`POST /v1/messages`: untranslated to providers that speak it, translated to all others."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator
from typing import Any

import anthropic
import httpx
import pytest
import pytest_asyncio

from smart_router.dialects.sse import sse_event
from tests.testbed.answers import Answer, Fault
from tests.testbed.cases import Case, load_cases
from tests.testbed.chat import STREAM_HEADERS, chat_answer, chat_stream
from tests.testbed.harness import Router, provider_env
from tests.testbed.provider import Provider
from tests.testbed.wires import messages_answer, messages_stream

pytestmark = [pytest.mark.asyncio(loop_scope="module"), pytest.mark.xdist_group("messages")]

PATH = "/v1/messages?beta=true"
CLAUDE, GROQ = "anthropic/claude-opus-4-8", "groq/openai/gpt-oss-20b"
HEADERS = {"anthropic-version": "2026-10-21", "anthropic-beta": "context-management-2025-06-27,new-2027"}
USER: Any = {"role": "user", "content": "Hi"}
KEY = "a router key that is long enough"
CLAUDE_FIRST = '[routing.virtual_models]\n"auto:claude" = { tier_models = "claude" }\n' + (
    "[routing.tier_models.claude]\n"
    + "".join(
        f'{tier} = ["anthropic/claude-sonnet-5-5", "groq/openai/gpt-oss-120b"]\n'
        for tier in ("SIMPLE", "MEDIUM", "COMPLEX", "REASONING")
    )
)


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def router(
    shared_provider: Provider, tmp_path_factory: pytest.TempPathFactory
) -> AsyncIterator[Router]:
    env = provider_env(shared_provider.url, "groq", "google", "deepseek", "openai")
    two = f'[providers.anthropic]\nbase_url = "{shared_provider.url}/anthropic"\n'
    env |= {"ANTHROPIC_API_KEY": "sk-ant-first, sk-ant-second"}
    async with Router(
        tmp_path_factory.mktemp("messages") / "router",
        env=env,
        config=f'{two}[clients]\nlaptop = "{KEY}"\n{CLAUDE_FIRST}',
        options={"router_hold_head": "0.3"},
    ) as router:
        yield router


def written(**fields: Any) -> bytes:
    """A request as its client happened to write it: spaces, escapes, unknown fields, numbers of any form."""
    request = {
        "messages": [
            {"role": "user", "content": "Grüße – \\u00e9 \ud83d\ude00"},
            {"role": "system", "content": "S"},
        ],
        "model": CLAUDE,
        "max_tokens": 64000,
        "context_management": {"edits": [{"type": "clear_thinking_20251015", "keep": "all"}]},
        "thinking": {"type": "adaptive"},
        "tools": [{"type": "web_search_20250305", "name": "web_search"}, {"name": "f", "input_schema": {}}],
        "unknown_since_2027": {"model": "kept", "ratio": 1.50},
        **fields,
    }
    return json.dumps(request, indent=1).replace("1.5", "1.50e0").encode()


STREAMS = load_cases("anthropic-messages", "anthropic", status=200, stream=True)
WHOLE = load_cases("anthropic-messages", "anthropic", status=200, stream=False)


def answer_of(case: Case, **changes: Any) -> Answer:
    kind = "text/event-stream; charset=utf-8" if case.stream else "application/json"
    return Answer(headers={"content-type": kind}, body=case.body).but(**changes)


@pytest.mark.parametrize("case", [*STREAMS, *WHOLE], ids=lambda case: case.folder.name)
async def test_answer_of_the_own_format_passes_byte_for_byte(
    provider: Provider, http: httpx.AsyncClient, case: Case
) -> None:
    if case.oracle["error"] is not None:
        pytest.skip("an error within a 200 is the router's to handle")
    provider.on(answer_of(case, cut=97))
    body = written(stream=case.stream)
    answer = await http.post(PATH, content=body, headers=HEADERS | {"x-api-key": "client-key"})
    assert (answer.status_code, answer.content) == (200, case.body)
    (request,) = provider.requests
    assert request.path == "/anthropic/v1/messages?beta=true"
    assert request.body == body.replace(CLAUDE.encode(), b"claude-opus-4-8")
    assert HEADERS.items() <= request.headers.items()
    assert request.headers["x-api-key"].startswith("sk-ant-")
    assert "client-key" not in str(request.headers)


@pytest.mark.parametrize("streams", [True, False])
async def test_answer_of_server_tools_alone_is_not_empty(
    provider: Provider, http: httpx.AsyncClient, streams: bool
) -> None:
    """`auto` leaves an empty answer for another candidate's; this one is the client's to go on with."""
    block = {"type": "server_tool_use", "id": "srvtoolu_1", "name": "web_search", "input": {"query": "x"}}
    whole = {"id": "msg_1", "type": "message", "role": "assistant", "model": "c", "content": [block],
             "stop_reason": "pause_turn", "usage": {"input_tokens": 1, "output_tokens": 1}}  # fmt: skip
    events = (
        {"type": "message_start", "message": {**whole, "content": [], "stop_reason": None}},
        {"type": "content_block_start", "index": 0, "content_block": block},
        {"type": "content_block_stop", "index": 0},
        {"type": "message_delta", "delta": {"stop_reason": "pause_turn"}, "usage": {"output_tokens": 1}},
        {"type": "message_stop"},
    )
    body = b"".join(sse_event(json.dumps(event).encode(), str(event["type"])) for event in events)
    said = Answer(headers=STREAM_HEADERS, body=body) if streams else Answer(body=json.dumps(whole).encode())
    provider.on(said)
    request = {"model": "auto:claude", "max_tokens": 100, "messages": [USER], "stream": streams,
               "tools": [{"type": "web_search_20250305", "name": "web_search"}]}  # fmt: skip
    answer = await http.post(PATH, json=request)
    assert (answer.status_code, answer.headers["x-router-attempts"]) == (200, "1")
    assert answer.headers["x-router-provider"] == "anthropic"
    assert answer.content == said.body


async def test_account_that_is_limited_is_followed_by_the_other(
    provider: Provider, http: httpx.AsyncClient
) -> None:
    limited = {"type": "error", "error": {"type": "rate_limit_error", "message": "Slow down."}}
    provider.on(
        Answer(429, {"content-type": "application/json"}, json.dumps(limited).encode()), messages_stream()
    )
    answer = await http.post(PATH, content=written(stream=True, model="anthropic/claude-sonnet-5"))
    assert (answer.status_code, answer.headers["x-router-attempts"]) == (200, "2")
    keys = [request.headers["x-api-key"] for request in provider.requests]
    assert sorted(keys) == ["sk-ant-first", "sk-ant-second"]
    assert provider.requests[0].body == provider.requests[1].body


@pytest.mark.parametrize("fault", [Fault.CLOSE_BEFORE_HEAD, Fault.CLOSE_AFTER_HEAD, Fault.RESET_MID_HEAD])
async def test_provider_that_dies_before_content_is_followed_by_another_attempt(
    provider: Provider, http: httpx.AsyncClient, fault: Fault
) -> None:
    provider.on(messages_stream().but(fault=fault), messages_stream(["Hel", "lo."]))
    answer = await http.post(PATH, content=written(stream=True, model="anthropic/claude-opus-4-7"))
    assert (answer.status_code, answer.headers["x-router-attempts"]) == (200, "2")
    assert answer.content == b"".join(messages_stream(["Hel", "lo."]).chunks("claude-opus-4-7"))


async def test_native_stream_that_breaks_off_ends_with_one_error_event_and_no_half_event(
    provider: Provider, http: httpx.AsyncClient
) -> None:
    body = messages_stream(["one", "two", "three"]).body
    provider.on(Answer(headers=STREAM_HEADERS, body=body[: body.index(b"two")], cut=97), always=True)
    answer = await http.post(PATH, content=written(stream=True, model="anthropic/claude-opus-4-7"))
    *events, last, rest = answer.text.split("\n\n")
    assert rest == ""
    assert last.startswith("event: error\n")
    assert [json.loads(event.partition("data: ")[2])["type"] for event in (*events, last)].count("error") == 1


async def test_error_event_of_the_provider_is_told_once(provider: Provider, http: httpx.AsyncClient) -> None:
    head, *_ = messages_stream(["Hello."]).body.partition(b"event: content_block_stop")
    error = b'event: error\ndata: {"type":"error","error":{"type":"overloaded_error","message":"Busy."}}\n\n'
    provider.on(messages_stream().but(body=head + error))
    answer = await http.post(PATH, content=written(stream=True, model="anthropic/claude-opus-4-6"))
    assert answer.text.count("event: error\n") == 1
    assert "Busy." in answer.text
    assert "Hello." in answer.text


async def test_early_head_is_followed_by_pings(provider: Provider, http: httpx.AsyncClient) -> None:
    provider.on(messages_stream(["Hello."]).but(fault=Fault.SILENT_BEFORE_HEAD))
    async with http.stream("POST", PATH, content=written(stream=True)) as answer:
        pieces = answer.aiter_raw()
        first = await anext(pieces)
        provider.requests[0].release()
        rest = b"".join([piece async for piece in pieces])
    assert first.startswith(b'event: ping\ndata: {"type":"ping"}\n\n')
    assert (first + rest).endswith(b"".join(messages_stream(["Hello."]).chunks("claude-opus-4-8")))


async def test_request_with_another_model_is_fitted_where_the_router_chose_it(
    provider: Provider, http: httpx.AsyncClient
) -> None:
    provider.on(messages_answer("Hello."))
    body = written(model="auto:premium", output_config={"effort": "max"}, temperature=0.5)
    answer = await http.post(PATH, content=body)
    assert answer.status_code == 200, answer.text
    sent = provider.requests[0].json
    assert sent["model"] != "auto:premium"


TOOLS = [
    {
        "name": "get_weather",
        "description": "The weather.",
        "input_schema": {"type": "object", "properties": {}},
    },
    {"type": "web_search_20250305", "name": "web_search", "max_uses": 5},
]


async def test_hosted_tools_that_a_provider_lacks_are_left_out_and_said(
    provider: Provider, http: httpx.AsyncClient
) -> None:
    provider.on(chat_answer("Hello."))
    body = {"model": GROQ, "max_tokens": 9, "messages": [{"role": "user", "content": "Hi"}], "tools": TOOLS}
    answer = await http.post(PATH, json=body)
    assert answer.status_code == 200, answer.text
    assert "without the hosted tools web_search" in answer.headers["x-router-why"]
    (tool,) = provider.requests[0].json["tools"]
    assert tool["function"]["name"] == "get_weather"
    assert "x_router" not in provider.requests[0].json


async def test_tokens_are_counted_by_anthropic_for_its_own_models(
    provider: Provider, sdk: anthropic.AsyncAnthropic
) -> None:
    provider.on(Answer(headers={"content-type": "application/json"}, body=b'{"input_tokens": 2095}'))
    raw = await sdk.messages.with_raw_response.count_tokens(model="claude-opus-4-8", messages=[USER])
    assert (await raw.parse()).input_tokens == 2095
    assert raw.headers["x-router-provider"] == "anthropic"
    (request,) = provider.requests
    assert (request.path, request.model) == ("/anthropic/v1/messages/count_tokens", "claude-opus-4-8")


async def test_tokens_are_estimated_for_others_and_the_answer_says_so(
    provider: Provider, sdk: anthropic.AsyncAnthropic
) -> None:
    raw = await sdk.messages.with_raw_response.count_tokens(
        model=GROQ, messages=[{"role": "user", "content": "four" * 100}]
    )
    assert 100 <= (await raw.parse()).input_tokens <= 110
    assert "4 characters" in raw.headers["x-router-token-count"]
    assert provider.requests == []


@pytest.mark.parametrize("failure", [Answer(status=529), Answer(status=404), Answer(body=b"<html>")])
async def test_tokens_are_estimated_where_anthropic_does_not_count_them(
    provider: Provider, http: httpx.AsyncClient, failure: Answer
) -> None:
    provider.on(failure, always=True)
    answer = await http.post("/v1/messages/count_tokens", json={"model": "auto:claude", "messages": [USER]})
    assert answer.json() == {"input_tokens": 1}, answer.text
    assert answer.headers["x-router-token-count"].startswith("estimated")
    assert {request.path for request in provider.requests} <= {"/anthropic/v1/messages/count_tokens"}


async def test_request_that_anthropic_refuses_to_count_is_refused(
    provider: Provider, http: httpx.AsyncClient
) -> None:
    error = {"type": "error", "error": {"type": "invalid_request_error", "message": "messages: odd"}}
    provider.on(Answer(status=400, body=json.dumps(error).encode()))
    answer = await http.post("/v1/messages/count_tokens", json={"model": CLAUDE, "messages": [USER]})
    assert (answer.status_code, answer.json()["error"]["message"]) == (400, "messages: odd")


@pytest.mark.parametrize("header", [{"x-api-key": KEY}, {"authorization": f"Bearer {KEY}"}])
async def test_router_key_is_known_in_either_header(
    provider: Provider, http: httpx.AsyncClient, header: dict[str, str]
) -> None:
    provider.on(messages_answer("Hello."))
    answer = await http.post(PATH, content=written(), headers=header)
    assert answer.status_code == 200
    assert KEY not in str(provider.requests[0].headers)


VALID: dict[str, Any] = {"model": "auto", "max_tokens": 9, "messages": [USER]}
GONE = object()


def said(content: Any, role: str = "user") -> dict[str, Any]:
    return {"messages": [{"role": role, "content": content}]}


def image(source: Any) -> dict[str, Any]:
    return said([{"type": "image", "source": source}])


WRONG: list[tuple[str, dict[str, Any]]] = [
    ("model", {"model": GONE}),
    ("model", {"model": ""}),
    ("max_tokens", {"max_tokens": GONE}),
    ("max_tokens", {"max_tokens": 0}),
    ("max_tokens", {"max_tokens": "9"}),
    ("messages", {"messages": GONE}),
    ("messages", {"messages": []}),
    ("messages", {"messages": {}}),
    ("messages[0]", {"messages": ["Hi"]}),
    ("messages[0].role", said("Hi", "tool")),
    ("messages[0].content", {"messages": [{"role": "user"}]}),
    ("messages[0].content", said(None)),
    ("messages[0].content[0]", said(["Hi"])),
    ("messages[0].content[0].type", said([{"text": "Hi"}])),
    ("messages[0].content[0].text", said([{"type": "text"}])),
    ("messages[0].content[0].source", said([{"type": "image"}])),
    ("messages[0].content[0].source.data", image({"type": "base64", "media_type": "image/png"})),
    ("messages[0].content[0].source.url", image({"type": "url", "url": 1})),
    ("messages[0].content[0].tool_use_id", said([{"type": "tool_result"}])),
    ("messages[0].content[0].content", said([{"type": "tool_result", "tool_use_id": "a", "content": 1}])),
    ("messages[0].content[0].input", said([{"type": "tool_use", "id": "a", "name": "f"}], "assistant")),
    ("messages[0].content[0].thinking", said([{"type": "thinking"}], "assistant")),
    ("messages[0].content[0].data", said([{"type": "redacted_thinking"}], "assistant")),
    ("system", {"system": 1}),
    ("system[0].text", {"system": [{"type": "text"}]}),
    ("stream", {"stream": "yes"}),
    ("tools", {"tools": {}}),
    ("tools[0].name", {"tools": [{"input_schema": {}}]}),
    ("tools[0].input_schema", {"tools": [{"name": "f"}]}),
    ("tool_choice.type", {"tool_choice": {"type": "some"}}),
    ("thinking.type", {"thinking": {}}),
    ("output_config.format.type", {"output_config": {"format": {}}}),
    ("stop_sequences[0]", {"stop_sequences": [1]}),
    ("metadata", {"metadata": "u"}),
    ("temperature", {"temperature": "hot"}),
]


@pytest.mark.parametrize(("field", "wrong"), WRONG, ids=[f"{i}-{row[0]}" for i, row in enumerate(WRONG)])
async def test_wrong_field_is_named_in_anthropics_shape(
    provider: Provider, http: httpx.AsyncClient, field: str, wrong: dict[str, Any]
) -> None:
    body = {name: value for name, value in {**VALID, **wrong}.items() if value is not GONE}
    answer = await http.post(PATH, json=body)
    assert answer.status_code == 400
    assert answer.json()["type"] == "error"
    assert answer.json()["error"]["type"] == "invalid_request_error"
    assert f"'{field}'" in answer.json()["error"]["message"]
    assert provider.requests == []


@pytest.mark.parametrize(
    ("method", "body", "status", "kind"),
    [
        ("POST", b"{", 400, "invalid_request_error"),
        ("POST", b"[]", 400, "invalid_request_error"),
        ("POST", b'{"a":' * 100_000, 400, "invalid_request_error"),
        ("GET", b"", 405, "invalid_request_error"),
        ("POST", json.dumps({**VALID, "model": "no-such-model"}).encode(), 404, "not_found_error"),
    ],
)
async def test_what_is_no_request_has_an_error_in_anthropics_shape(
    provider: Provider, http: httpx.AsyncClient, method: str, body: bytes, status: int, kind: str
) -> None:
    answer = await http.request(method, PATH, content=body)
    assert (answer.status_code, answer.json()["error"]["type"]) == (status, kind)
    assert provider.requests == []


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def sdk(router: Router) -> AsyncIterator[anthropic.AsyncAnthropic]:
    async with anthropic.AsyncAnthropic(api_key="unused", base_url=router.url, max_retries=0) as client:
        yield client


async def test_sdk_streams_from_another_vendor(provider: Provider, sdk: anthropic.AsyncAnthropic) -> None:
    provider.on(
        chat_stream(["Hel", "lo."], usage={"prompt_tokens": 5, "completion_tokens": 2, "total_tokens": 7})
    )
    async with sdk.messages.stream(model=GROQ, max_tokens=9, messages=[USER]) as stream:
        texts = [text async for text in stream.text_stream]
        message = await stream.get_final_message()
    assert texts == ["Hel", "lo."]
    assert (message.usage.input_tokens, message.usage.output_tokens) == (5, 2)
    assert message.stop_reason == "end_turn"


async def test_sdk_raises_for_an_error_in_mid_stream(
    provider: Provider, sdk: anthropic.AsyncAnthropic
) -> None:
    provider.on(chat_stream(["Hel"], done=False))
    with pytest.raises(anthropic.APIStatusError, match="ended"):
        async with sdk.messages.stream(model=GROQ, max_tokens=9, messages=[USER]) as stream:
            await stream.get_final_message()
