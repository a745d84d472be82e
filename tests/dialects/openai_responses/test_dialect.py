"""OpenAI Responses answers: the recorded ones against the vendor's SDK, and broken ones."""

from __future__ import annotations

import itertools
import json
from dataclasses import replace
from typing import Any

import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from smart_router.dialects.base import CallContext, Dialect
from smart_router.dialects.fold import fold, unfold
from smart_router.dialects.hub import Failure, Start
from smart_router.dialects.openai_responses.dialect import CODEX, ResponsesDialect
from smart_router.dialects.tool_names import tool_names
from smart_router.errors import UpstreamError
from tests.dialects.broken_json import ANYTHING, replace_somewhere
from tests.dialects.openai_responses.responses_helpers import CALL, DIALECT, LONG, QUOTA, read_stream, write
from tests.testbed.cases import Case, case_params, find_case, load_cases
from tests.testbed.examples import byte_by_byte, examples
from tests.testbed.oracle import check_answer, check_grammar, check_stream

FINISH_REASONS = {"completed": "stop", "completed+tools": "tool_calls", "incomplete": "length"}
"""Every recorded incomplete answer ran into its token limit."""

WITHOUT_CHUNKS = {
    "openai-responses/openai/openai-custom-tool-1-0-s": "the SDK's chunks know function calls only",
}
"""Cases that are compared as whole answers only, and why."""

UNSEEN_BY_SDK = {
    "openai-responses/openai/responses-prompt-caching-5-6-cache-write-0-n": {"cache_write": 1217},
}
"""Counts that are in the bytes and that the oracle left out."""


def cases(**meta: Any) -> Any:
    """Failed requests never reach a dialect's answers: their statuses say what they are."""
    return case_params(wire="openai-responses", status=200, **meta)


def recorded(name: str) -> Case:
    return find_case("openai-responses", name)


def call_for(case: Case) -> CallContext:
    return CallContext(case.provider, case.model, case.stream, now=1, request_id="r")


def prepare(case: Case) -> None:
    """Plain reasoning is reasoning to a chat client where there is no summary of it."""
    if not case.oracle["reasoning"]:
        output = [] if case.stream else json.loads(case.body)["output"]
        items = [item for item in output if item["type"] == "reasoning"]
        texts = [part["text"] for item in items for part in item.get("content") or ()]
        case.oracle["reasoning"] = "\n\n".join(texts) or case.oracle.get("reasoning_text", "")
    if case.oracle["usage_openai"]:
        case.oracle["usage_openai"].update(UNSEEN_BY_SDK.get(case.id, {}))


@pytest.mark.parametrize("case", cases(stream=True))
def test_streamed_answers(case: Case) -> None:
    prepare(case)
    events = read_stream(case.body, call_for(case))
    check_grammar(events)
    if case.id not in WITHOUT_CHUNKS:
        check_stream(case, events, FINISH_REASONS)
    check_answer(case, fold(events), FINISH_REASONS)


@pytest.mark.parametrize("case", cases(stream=False))
def test_whole_answers(case: Case) -> None:
    prepare(case)
    answer = DIALECT.read_answer(case.body, call_for(case))
    check_answer(case, answer, FINISH_REASONS)
    if isinstance(answer, dict):
        check_stream(case, unfold(answer), FINISH_REASONS)


@pytest.mark.parametrize("case", cases(stream=True))
def test_splits_do_not_matter(case: Case) -> None:
    pieces = byte_by_byte(case.body)
    assert read_stream(case.body, call_for(case), pieces) == read_stream(case.body, call_for(case))


@pytest.mark.parametrize("case", cases(stream=True))
@given(data=st.data())
@settings(max_examples=5)
def test_random_splits_do_not_matter(case: Case, data: st.DataObject) -> None:
    cuts = data.draw(st.lists(st.integers(0, len(case.body)), max_size=20))
    reader = DIALECT.open_stream(call_for(case))
    places = [0, *sorted(cuts), len(case.body)]
    chunks = [case.body[start:end] for start, end in itertools.pairwise(places)]
    events = [event for chunk in chunks for event in reader.feed(chunk)] + reader.close()
    assert events == read_stream(case.body, call_for(case))


@pytest.mark.parametrize("case", cases(stream=True))
def test_the_final_response_alone_says_the_same(case: Case) -> None:
    """Apart from the details of reasoning: providers encrypt it anew and mint new ids for it."""
    [*_, terminal] = [line[6:] for line in case.body.splitlines() if line.startswith(b"data: {")]
    response = json.loads(terminal)["response"]
    if not response["output"]:
        pytest.skip("the terminal event has no output")
    messages = []
    for answer in (fold(read_stream(case.body)), DIALECT.read_answer(json.dumps(response).encode(), CALL)):
        assert isinstance(answer, dict)
        message = answer["choices"][0]["message"]
        messages.append({name: value for name, value in message.items() if name != "reasoning_details"})
    assert messages[0] == messages[1]


def test_shortened_names_are_restored() -> None:
    tools = [{"type": "function", "function": {"name": LONG}}]
    call = replace(CALL, tool_names=tool_names({"tools": tools}))
    [tool] = write({"tools": tools})["tools"]
    made = {"type": "function_call", "call_id": "c", "name": tool["name"], "arguments": "{}"}
    answer = DIALECT.read_answer(json.dumps({"output": [made]}).encode(), call)
    assert isinstance(answer, dict)
    [seen] = answer["choices"][0]["message"]["tool_calls"]
    assert seen["function"]["name"] == LONG != tool["name"]


BAD_ANSWERS: dict[str, tuple[bytes, str]] = {
    "not JSON": (b"<html>", "server"),
    "not an object": (b"[]", "server"),
    "no output": (b"{}", "server"),
    "error": (json.dumps({"error": QUOTA}).encode(), "quota"),
    "failed": (json.dumps({"status": "failed", "error": QUOTA, "output": []}).encode(), "quota"),
    "still running": (b'{"status": "in_progress", "output": []}', "server"),
}


@pytest.mark.parametrize(("body", "kind"), BAD_ANSWERS.values(), ids=BAD_ANSWERS)
def test_whole_answers_that_failed(body: bytes, kind: str) -> None:
    answer = DIALECT.read_answer(body, CALL)
    assert isinstance(answer, UpstreamError)
    assert answer.kind == kind


def test_a_failure_in_a_recorded_stream_has_the_providers_message() -> None:
    case = recorded("openai-error-1-0-s")
    [begin, failure] = read_stream(case.body, call_for(case))
    assert isinstance(begin, Start) and isinstance(failure, Failure)
    assert failure.error.kind == "quota"
    assert failure.error.message == case.oracle["error"]["message"]


def test_codex_streams_whatever_the_client_asked() -> None:
    codex: Dialect = ResponsesDialect(CODEX)
    assert codex.upstream_streams({}, CALL)
    assert not DIALECT.upstream_streams({}, CALL)
    assert DIALECT.upstream_streams({"stream": True}, CALL)


def mutate(body: bytes, data: st.DataObject) -> bytes:
    """The body with one byte changed, one JSON value replaced, a piece cut out, or its end cut off."""
    start = data.draw(st.integers(0, len(body)))
    match data.draw(st.sampled_from(["byte", "cut", "end", "value", "value"])):
        case "byte":
            return body[:start] + data.draw(st.binary(min_size=1, max_size=1)) + body[start + 1 :]
        case "cut":
            return body[:start] + body[data.draw(st.integers(start, len(body))) :]
        case "end":
            return body[:start]
    lines = body.split(b"\n")
    number = data.draw(
        st.sampled_from([n for n, line in enumerate(lines) if b"{" in line or len(lines) < 3] or [0])
    )
    prefix, brace, rest = lines[number].partition(b"{")
    try:
        value = json.loads(brace + rest)
    except ValueError:
        value = None
    lines[number] = prefix + json.dumps(replace_somewhere(value, data, data.draw(ANYTHING))).encode()
    return b"\n".join(lines)


RECORDED = [case for case in load_cases("openai-responses", status=200) if len(case.body) < 30_000]


@given(data=st.data())
@settings(max_examples=examples(300), deadline=None)
def test_broken_answers_never_raise(data: st.DataObject) -> None:
    case = data.draw(st.sampled_from(RECORDED))
    body = case.body if case.stream else json.dumps(json.loads(case.body)).encode()
    for _ in range(data.draw(st.integers(1, 3))):
        body = mutate(body, data)
    assume(body)
    if case.stream:
        check_grammar(read_stream(body, call_for(case)))
    else:
        answer = DIALECT.read_answer(body, call_for(case))
        assert isinstance(answer, dict | UpstreamError)
