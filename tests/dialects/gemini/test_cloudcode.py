"""Cloud Code: Gemini's format in an envelope, and what its backend wants otherwise."""

from __future__ import annotations

import re
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pydantic_core import from_json, to_json

from smart_router.dialects.base import CallContext
from smart_router.dialects.fold import fold
from smart_router.dialects.gemini.cloudcode import PLACEHOLDER, USER_AGENT, CloudCodeDialect
from smart_router.dialects.gemini.signatures import SKIP_VALIDATION
from smart_router.dialects.hub import Failure
from smart_router.dialects.model_rules import ModelRules
from smart_router.errors import ClientError, UpstreamError
from tests.dialects.gemini.gemini_cases import (
    HI,
    USER,
    answer,
    make_call,
    read_chunks,
    sse,
)
from tests.testbed.cases import Case, case_params
from tests.testbed.examples import examples
from tests.testbed.oracle import check_grammar

DIALECT = CloudCodeDialect()
EXTRAS = {"project": "p"}
TOOL_SCHEMA = {"type": "object", "properties": {"a": {"anyOf": [{"type": "string"}, {"type": "integer"}]}}}
TOOL = {"type": "function", "function": {"name": "f", "parameters": TOOL_SCHEMA}}
PLACEHOLDER_PROPERTY = {"type": "BOOLEAN", "description": "Unused. Always true."}


def gemini(**fields: Any) -> CallContext:
    return make_call(**{"provider": "antigravity", "extras": EXTRAS, **fields})


def claude(**fields: Any) -> CallContext:
    return gemini(model="claude-sonnet-4-6", **fields)


def write(request: Any, call: CallContext) -> Any:
    """The inner request, as data."""
    return from_json(DIALECT.write_request(request, call).body)["request"]


@settings(max_examples=examples(25), deadline=None)
@given(edits=st.lists(st.tuples(st.integers(0, 1 << 20), st.binary(max_size=3)), max_size=6))
@pytest.mark.parametrize("model", ["gemini-3-flash", "claude-sonnet-4-6"])
@pytest.mark.parametrize("case", case_params(wire="cloudcode", status=200))
def test_broken_bytes_never_raise(case: Case, model: str, edits: list[tuple[int, bytes]]) -> None:
    body = bytearray(case.body)
    for place, replacement in edits:
        body[place % len(body) : place % len(body) + 1] = replacement
    check_grammar(read_chunks(DIALECT, gemini(model=model), [bytes(body)]))
    DIALECT.read_answer(bytes(body), gemini(model=model))


@pytest.mark.parametrize(
    "item", [{"response": 1}, {"response": {"candidates": 1}}, [1], 1, {"response": [[]]}]
)
@pytest.mark.parametrize("call", [gemini(), claude()])
def test_a_strange_envelope_is_a_failure(item: Any, call: CallContext) -> None:
    events = read_chunks(DIALECT, call, [b"data: " + to_json(item) + b"\n\n"])
    assert isinstance(events[-1], Failure)


@pytest.mark.parametrize(
    "wrap", [lambda error: error, lambda error: [error], lambda error: {"response": error}]
)
def test_an_error_with_and_without_an_envelope(wrap: Any) -> None:
    error = {"error": {"code": 503, "message": "No capacity", "status": "UNAVAILABLE"}}
    assert isinstance(DIALECT.read_answer(to_json(wrap(error)), gemini()), UpstreamError)


def test_the_envelope() -> None:
    request: Any = {"messages": [{"role": "system", "content": "s"}, HI], "max_tokens": 5, "temperature": 1}
    path, headers, body, *_ = DIALECT.write_request(request, gemini())
    assert path == "/v1internal:generateContent"
    assert headers == {"content-type": "application/json", "user-agent": USER_AGENT}
    envelope = from_json(body)
    session = envelope["request"].pop("sessionId")
    assert envelope == {
        "project": "p",
        "model": "gemini-2.5-flash",
        "userAgent": "antigravity",
        "requestType": "agent",
        "requestId": "agent-req",
        "request": {
            "contents": [USER],
            "systemInstruction": {"role": "user", "parts": [{"text": "s"}]},
            "generationConfig": {"temperature": 1},
        },
    }
    assert -(2**63) < int(session) < 0
    longer: Any = {"messages": [HI, {"role": "assistant", "content": "a"}, HI]}
    assert write(longer, gemini())["sessionId"] == session, "the same in all requests of a conversation"
    other: Any = {"messages": [{"role": "user", "content": "ho"}]}
    assert write(other, gemini())["sessionId"] != session


def test_other_paths_and_headers() -> None:
    call = gemini(model="gemini-3.1-flash-image", stream=True, extras={**EXTRAS, "user_agent": "mine/1"})
    path, headers, body, *_ = DIALECT.write_request({"messages": [HI]}, call)  # type: ignore[list-item]
    assert path == "/v1internal:streamGenerateContent?alt=sse"
    assert headers["user-agent"] == "mine/1"
    assert from_json(body)["requestType"] == "image_gen"
    assert DIALECT.upstream_streams({"stream": True}, call) and not DIALECT.upstream_streams({}, call)


def test_a_login_without_project_is_refused() -> None:
    with pytest.raises(ClientError, match="no Cloud Code project") as raised:
        write({"messages": [HI]}, gemini(extras={}))
    assert (raised.value.status, raised.value.code) == (400, "missing_project")


STRING_AMONG_OTHERS = {"type": "STRING", "description": 'anyOf: "other forms, too"'}


@pytest.mark.parametrize(
    ("call", "schema", "declared"),
    [
        (gemini(), TOOL_SCHEMA, {"type": "OBJECT", "properties": {"a": STRING_AMONG_OTHERS}}),
        (gemini(), None, None),
        (
            claude(),
            TOOL_SCHEMA,
            {
                "type": "OBJECT",
                "properties": {"a": STRING_AMONG_OTHERS, PLACEHOLDER: PLACEHOLDER_PROPERTY},
                "required": [PLACEHOLDER],
            },
        ),
        (
            claude(),
            {**TOOL_SCHEMA, "required": ["a"]},
            {"type": "OBJECT", "properties": {"a": STRING_AMONG_OTHERS}, "required": ["a"]},
        ),
        (
            claude(),
            None,
            {
                "type": "OBJECT",
                "properties": {PLACEHOLDER: PLACEHOLDER_PROPERTY},
                "required": [PLACEHOLDER],
            },
        ),
    ],
)
def test_tool_schemas(call: CallContext, schema: Any, declared: Any) -> None:
    tool = {"type": "function", "function": {"name": "f", "parameters": schema}}
    (written,) = write({"messages": [HI], "tools": [tool]}, call)["tools"][0]["functionDeclarations"]
    assert written == {"name": "f", **({"parameters": declared} if declared else {})}


@pytest.mark.parametrize("name", ["2fa", "-x", "a b"])
def test_tool_names_that_the_backend_refuses_are_fitted(name: str) -> None:
    body = write({"messages": [HI], "tools": [{"type": "function", "function": {"name": name}}]}, gemini())
    written = body["tools"][0]["functionDeclarations"][0]["name"]
    assert re.fullmatch("[A-Za-z_][A-Za-z0-9_.:-]{0,63}", written)


@pytest.mark.parametrize(
    ("call", "choice", "mode"),
    [
        (gemini(), None, None),
        (claude(), None, "VALIDATED"),
        (claude(), "auto", "VALIDATED"),
        (claude(), "none", "NONE"),
    ],
)
def test_claude_calls_are_validated(call: CallContext, choice: Any, mode: str | None) -> None:
    body = write({"messages": [HI], "tools": [TOOL], "tool_choice": choice}, call)
    assert body.get("toolConfig") == ({"functionCallingConfig": {"mode": mode}} if mode else None)


BUDGET = ModelRules(thinking="budget", max_output=64_000)


@pytest.mark.parametrize(
    ("call", "fields", "config"),
    [
        (gemini(), {"max_tokens": 5}, {}),
        (claude(), {}, {}),
        (claude(rules=BUDGET), {}, {"maxOutputTokens": 64_000}),
        (claude(rules=BUDGET), {"max_tokens": 100_000}, {"maxOutputTokens": 64_000}),
        (
            claude(rules=BUDGET),
            {"reasoning_effort": "high", "max_tokens": 4000},
            {"maxOutputTokens": 4000, "thinkingConfig": {"thinkingBudget": 2000, "includeThoughts": True}},
        ),
        (claude(rules=BUDGET), {"reasoning_effort": "high", "max_tokens": 1000}, {"maxOutputTokens": 1000}),
        (claude(rules=BUDGET), {"reasoning_effort": "high", "max_tokens": 1}, {"maxOutputTokens": 1}),
    ],
)
def test_room_to_think_and_to_answer(call: CallContext, fields: Any, config: Any) -> None:
    assert write({"messages": [HI], **fields}, call).get("generationConfig") == config


THOUGHT = {"text": "Hm", "thought": True}
CALLED = {"functionCall": {"name": "f", "id": "call.1:x", "args": {PLACEHOLDER: True, "a": "b"}}}
CLAUDE_ANSWER: list[dict[str, Any]] = [
    {"response": answer(THOUGHT), "traceId": "t"},
    {"response": answer({"text": "m", "thought": True})},
    {"response": answer({"text": "", "thought": True, "thoughtSignature": "genuine"})},
    {"response": answer({**CALLED, "thoughtSignature": "meaningless"}, finishReason="STOP")},
]


def claude_message() -> dict[str, Any]:
    completion = fold(read_chunks(DIALECT, claude(stream=True), [sse(*CLAUDE_ANSWER)]))
    assert not isinstance(completion, UpstreamError)
    message: dict[str, Any] = from_json(to_json(completion["choices"][0]["message"]))
    return message


def second_turn(message: dict[str, Any], call: CallContext) -> Any:
    results = [{"role": "tool", "tool_call_id": made["id"], "content": "r"} for made in message["tool_calls"]]
    return write({"messages": [HI, message, *results], "reasoning_effort": "low"}, call)


def test_claude_answers() -> None:
    message = claude_message()
    detail = {"type": "reasoning.text", "text": "Hmm", "signature": "genuine", "index": 0}
    assert message["reasoning_details"] == [{**detail, "format": "cloudcode-claude-v1"}]
    assert message["reasoning_content"] == "Hmm"
    assert message["tool_calls"] == [
        {"id": "call.1:x", "type": "function", "function": {"name": "f", "arguments": '{"a":"b"}'}}
    ]


def test_claude_gets_its_signed_thoughts_back() -> None:
    body = second_turn(claude_message(), claude(rules=BUDGET))
    thought, called = body["contents"][1]["parts"]
    assert thought == {"text": "Hmm", "thought": True, "thoughtSignature": "genuine"}
    assert called["functionCall"]["id"] == "call_1_x"
    assert body["contents"][2]["parts"][0]["functionResponse"]["id"] == "call_1_x"
    assert "thinkingConfig" in body["generationConfig"]


def test_claude_does_not_think_on_where_its_thoughts_are_lost() -> None:
    message = claude_message()
    del message["reasoning_details"]
    body = second_turn(message, claude(rules=BUDGET))
    assert [list(part) for part in body["contents"][1]["parts"]] == [["functionCall"]]
    assert "thinkingConfig" not in body["generationConfig"]


def test_gemini_gets_no_claude_signature() -> None:
    body = second_turn(claude_message(), gemini(rules=ModelRules(thinking="level")))
    (part,) = body["contents"][1]["parts"]
    assert part["thoughtSignature"] == SKIP_VALIDATION
    assert part["functionCall"]["id"] == "call.1:x"
