"""Invalid requests: each gets OpenAI's JSON error, which names the field, and none reaches a provider."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator
from typing import Any

import httpx
import pytest
import pytest_asyncio
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.end_to_end.bad_requests import CHAT, MEGABYTE, VALID, error_of, strict_router
from tests.testbed.examples import examples
from tests.testbed.harness import NO_TLS, Router
from tests.testbed.json_places import places, replaced
from tests.testbed.provider import Provider

pytestmark = [pytest.mark.asyncio(loop_scope="module"), pytest.mark.xdist_group("bad-input")]


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def router(
    shared_provider: Provider, tmp_path_factory: pytest.TempPathFactory
) -> AsyncIterator[Router]:
    async with strict_router(tmp_path_factory.mktemp("bad") / "router", shared_provider) as router:
        yield router


NOT_REQUESTS = [
    pytest.param(b"", None, "JSON", id="nothing"),
    pytest.param(b"hello", None, "JSON", id="text"),
    pytest.param(b'{"model": "auto", "messages": [', None, "JSON", id="cut off"),
    pytest.param(b'{"model": "auto",}', None, "JSON", id="trailing comma"),
    pytest.param(b"\xff\xfe{\x00}\x00", None, "JSON", id="UTF-16"),
    pytest.param(b'{"model": "\xe4"}', None, "JSON", id="Latin-1"),
    pytest.param(b'{"model": "auto", "temperature": NaN}', None, "JSON", id="NaN"),
    pytest.param(b'{"model": "auto", "temperature": -Infinity}', None, "JSON", id="Infinity"),
    pytest.param(b"[" * 100_000, None, "JSON", id="nested lists"),
    pytest.param(b'{"a":' * 100_000 + b"1" + b"}" * 100_000, None, "JSON", id="nested objects"),
    pytest.param(
        json.dumps(VALID)[:-1].encode() + b', "metadata": ' + b"[" * 100_000 + b"]" * 100_000 + b"}",
        None,
        "JSON",
        id="nested field",
    ),
    pytest.param(b"null", None, "object", id="null"),
    pytest.param(b"[]", None, "object", id="list"),
    pytest.param(b'"auto"', None, "object", id="string"),
    pytest.param(b"{}", "model", "model", id="empty object"),
]


@pytest.mark.parametrize(("body", "param", "message"), NOT_REQUESTS)
async def test_body_that_is_no_request_is_refused(
    provider: Provider, http: httpx.AsyncClient, body: bytes, param: str | None, message: str
) -> None:
    answer = await http.post(CHAT, content=body)
    error = error_of(answer)
    assert (answer.status_code, error["param"], error["type"]) == (400, param, "invalid_request_error")
    assert message in error["message"]
    assert provider.requests == []


def user(content: Any) -> list[Any]:
    return [{"role": "user", "content": content}]


def assistant(**fields: Any) -> list[Any]:
    return [*user("Hi"), {"role": "assistant", **fields}]


MISSING = object()
# the path that the error names, and the request's fields that are wrong there
WRONG: list[tuple[str, dict[str, Any]]] = [
    ("model", {"model": MISSING}),
    ("model", {"model": None}),
    ("model", {"model": ""}),
    ("model", {"model": 5}),
    ("model", {"model": ["auto"]}),
    ("messages", {"messages": MISSING}),
    ("messages", {"messages": None}),
    ("messages", {"messages": []}),
    ("messages", {"messages": "Hi"}),
    ("messages", {"messages": {"role": "user", "content": "Hi"}}),
    ("messages[0]", {"messages": ["Hi"]}),
    ("messages[0].role", {"messages": [{"content": "Hi"}]}),
    ("messages[0].role", {"messages": [{"role": "bot", "content": "Hi"}]}),
    ("messages[0].role", {"messages": [{"role": ["user"], "content": "Hi"}]}),
    ("messages[0].content", {"messages": [{"role": "user"}]}),
    ("messages[0].content", {"messages": user(None)}),
    ("messages[0].content", {"messages": user(5)}),
    ("messages[0].content", {"messages": user({"type": "text", "text": "Hi"})}),
    ("messages[0].content[0]", {"messages": user(["Hi"])}),
    ("messages[0].content[0].type", {"messages": user([{"text": "Hi"}])}),
    ("messages[0].content[0].text", {"messages": user([{"type": "text"}])}),
    ("messages[0].content[0].text", {"messages": user([{"type": "text", "text": 1}])}),
    ("messages[0].content[0].image_url", {"messages": user([{"type": "image_url", "image_url": "u"}])}),
    ("messages[0].content[0].image_url.url", {"messages": user([{"type": "image_url", "image_url": {}}])}),
    ("messages[1].tool_calls", {"messages": assistant(tool_calls={})}),
    ("messages[1].tool_calls[0].id", {"messages": assistant(tool_calls=[{"type": "function"}])}),
    (
        "messages[1].tool_calls[0].function.arguments",
        {"messages": assistant(
            tool_calls=[{"id": "1", "type": "function", "function": {"name": "f", "arguments": {}}}]
        )},
    ),
    ("messages[1].tool_call_id", {"messages": [*user("Hi"), {"role": "tool", "content": "x"}]}),
    ("stream", {"stream": "true"}),
    ("stream", {"stream": 1}),
    ("stream_options", {"stream": True, "stream_options": True}),
    ("stream_options.include_usage", {"stream": True, "stream_options": {"include_usage": "yes"}}),
    ("tools", {"tools": {}}),
    ("tools[0]", {"tools": ["f"]}),
    ("tools[0].type", {"tools": [{"function": {"name": "f"}}]}),
    ("tools[0].function", {"tools": [{"type": "function"}]}),
    ("tools[0].function.name", {"tools": [{"type": "function", "function": {}}]}),
    ("tools[0].function.parameters",
     {"tools": [{"type": "function", "function": {"name": "f", "parameters": "{}"}}]}),
    ("tool_choice", {"tool_choice": 1}),
    ("tool_choice.type", {"tool_choice": {}}),
    ("parallel_tool_calls", {"parallel_tool_calls": "no"}),
    ("response_format", {"response_format": "json"}),
    ("response_format.type", {"response_format": {}}),
    ("response_format.json_schema", {"response_format": {"type": "json_schema"}}),
    ("response_format.json_schema.name", {"response_format": {"type": "json_schema", "json_schema": {}}}),
    ("max_tokens", {"max_tokens": "100"}),
    ("max_tokens", {"max_tokens": 0}),
    ("max_tokens", {"max_tokens": 1.5}),
    ("max_completion_tokens", {"max_completion_tokens": -1}),
    ("temperature", {"temperature": "0.5"}),
    ("temperature", {"temperature": [1]}),
    ("top_p", {"top_p": "high"}),
    ("n", {"n": 0}),
    ("n", {"n": "2"}),
    ("n", {"n": True}),
    ("stop", {"stop": 5}),
    ("stop[0]", {"stop": [5]}),
    ("seed", {"seed": "1"}),
    ("presence_penalty", {"presence_penalty": "0"}),
    ("frequency_penalty", {"frequency_penalty": {}}),
    ("logit_bias", {"logit_bias": []}),
    ("logprobs", {"logprobs": 5}),
    ("top_logprobs", {"top_logprobs": -1}),
    ("reasoning_effort", {"reasoning_effort": 3}),
    ("user", {"user": 5}),
    ("metadata", {"metadata": "m"}),
    ("modalities", {"modalities": "text"}),
    ("store", {"store": "yes"}),
]  # fmt: skip


@pytest.mark.parametrize(("param", "wrong"), WRONG, ids=[f"{p}-{n}" for n, (p, _) in enumerate(WRONG)])
async def test_wrong_fields_are_named(
    provider: Provider, http: httpx.AsyncClient, param: str, wrong: dict[str, Any]
) -> None:
    request = {name: value for name, value in (VALID | wrong).items() if value is not MISSING}
    answer = await http.post(CHAT, json=request)
    error = error_of(answer)
    assert (answer.status_code, error["param"]) == (400, param)
    assert f"'{param}'" in error["message"]
    assert error["code"] in ("missing_required_parameter", "invalid_type", "invalid_value")
    assert provider.requests == []


async def test_null_means_absent(provider: Provider, http: httpx.AsyncClient) -> None:
    optional = {param: None for param, wrong in WRONG if param in wrong} | VALID
    answer = await http.post(CHAT, json=optional)
    assert answer.status_code == 200
    assert provider.requests[0].json.keys() <= {"model", "messages", "stream"}


async def test_schemas_with_several_types(provider: Provider, http: httpx.AsyncClient) -> None:
    parameters = {"type": "object", "properties": {"a": {"type": ["string", "null"]}}}
    tool = {"type": "function", "function": {"name": "f", "parameters": parameters}}
    asked = VALID | {"model": "openai/gpt-4.1", "tools": [tool]}
    assert (await http.post(CHAT, json=asked)).status_code == 200
    assert provider.requests[0].json["tools"] == [tool]


async def test_large_bodies(provider: Provider, http: httpx.AsyncClient) -> None:
    text = "long " * (4 * MEGABYTE)
    answer = await http.post(CHAT, json=VALID | {"messages": user(text)})
    assert (answer.status_code, error_of(answer)["code"]) == (400, "context_length_exceeded")
    answer = await http.post(CHAT, content=b"x" * (20 * MEGABYTE))
    assert (answer.status_code, error_of(answer)["code"]) == (400, "invalid_json")
    assert provider.requests == []


JSON_VALUES = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=8), inner, max_size=4),
    max_leaves=12,
)
RICH: dict[str, Any] = {
    **VALID,
    "messages": [
        {"role": "system", "content": "Be brief."},
        {"role": "user", "content": [{"type": "text", "text": "Hi"}]},
        {"role": "assistant", "content": None, "tool_calls": [
            {"id": "c", "type": "function", "function": {"name": "f", "arguments": "{}"}}
        ]},
        {"role": "tool", "tool_call_id": "c", "content": "x"},
    ],
    "tools": [{"type": "function", "function": {"name": "f", "parameters": {"type": "object"}}}],
    "tool_choice": "auto",
    "response_format": {"type": "json_schema", "json_schema": {"name": "n", "schema": {"type": "object"}}},
    "stream_options": {"include_usage": True},
    "stop": ["x"],
    "max_tokens": 5,
    "reasoning_effort": "low",
    "logit_bias": {"1": 1},
    "user": "u",
}  # fmt: skip


MUTATED = st.builds(replaced, st.just(RICH), st.sampled_from(places(RICH)), JSON_VALUES)


@pytest.mark.parametrize("bodies", [JSON_VALUES, MUTATED], ids=["any JSON", "mutated requests"])
async def test_no_json_makes_the_router_fail(
    provider: Provider, router: Router, bodies: st.SearchStrategy[Any]
) -> None:
    models = ["openai/gpt-5.4-mini", "openai/gpt-3.5-turbo", "auto"]

    @settings(max_examples=examples(150))
    @given(body=bodies, model=st.sampled_from(models))
    def check(body: Any, model: str) -> None:
        if isinstance(body, dict) and body.get("model") == "auto":
            body = body | {"model": model}
        answer = client.post(CHAT, content=json.dumps(body).encode())
        assert answer.status_code < 500, answer.text
        if answer.status_code != 200:
            error_of(answer)

    with httpx.Client(base_url=router.url, verify=NO_TLS, trust_env=False) as client:
        await asyncio.to_thread(check)
