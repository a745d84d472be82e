"""OpenAI Responses answers: recorded ones against the vendor's SDK, and the event grammar by hand."""

from __future__ import annotations

import itertools
import json
from collections.abc import Mapping
from typing import Any

import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from smart_router.dialects.base import Call, Dialect
from smart_router.dialects.fold import fold, unfold
from smart_router.dialects.hub import Delta, Event, Failure, Finish, Start, is_content
from smart_router.dialects.responses import CODEX, PUBLIC, ResponsesDialect
from smart_router.dialects.sse import sse_event
from smart_router.errors import UpstreamError
from tests.cases import Case, case_params, load_cases
from tests.dialects.broken_json import ANYTHING, replace_somewhere
from tests.oracle import check_answer, check_grammar, check_stream

DIALECT = ResponsesDialect(PUBLIC)
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
    found = [case for case in load_cases("openai-responses") if case.folder.name == name]
    return found[0] if found else pytest.skip("recorded answers not found")


def call_for(case: Case) -> Call:
    return Call(case.provider, case.model, case.stream, now=1, request_id="r")


CALL = Call("openai", "gpt-x", stream=True, now=7, request_id="r")


def prepare(case: Case) -> None:
    """Plain reasoning is reasoning to a chat client where there is no summary of it."""
    if not case.oracle["reasoning"]:
        output = [] if case.stream else json.loads(case.body)["output"]
        items = [item for item in output if item["type"] == "reasoning"]
        texts = [part["text"] for item in items for part in item.get("content") or ()]
        case.oracle["reasoning"] = "\n\n".join(texts) or case.oracle.get("reasoning_text", "")
    if case.oracle["usage_openai"]:
        case.oracle["usage_openai"].update(UNSEEN_BY_SDK.get(case.id, {}))


def read_stream(body: bytes, call: Call = CALL, size: int | None = None) -> list[Event]:
    """The events of a stream, fed in chunks of `size` bytes."""
    reader = DIALECT.open_stream(call)
    step = size or len(body) or 1
    events = [event for at in range(0, len(body), step) for event in reader.feed(body[at : at + step])]
    return events + reader.close()


def stream(*events: Mapping[str, Any]) -> bytes:
    """Events as the provider sends them."""
    return b"".join(sse_event(json.dumps(event).encode(), str(event.get("type"))) for event in events)


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
    assert read_stream(case.body, call_for(case), size=1) == read_stream(case.body, call_for(case))


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


CREATED = {
    "type": "response.created",
    "response": {"id": "resp_1", "model": "m", "created_at": 5, "output": []},
}
COMPLETED = {"type": "response.completed", "response": {"status": "completed", "output": []}}
FUNCTION = {"type": "function_call", "id": "fc_1", "call_id": "call_1", "name": "f", "arguments": ""}
MESSAGE = {"type": "message", "id": "msg_1", "content": [{"type": "output_text", "text": "Hello"}]}


def event(name: str, **fields: Any) -> dict[str, Any]:
    return {"type": f"response.{name}", **fields}


def added(item: Mapping[str, Any], place: int = 0) -> dict[str, Any]:
    return event("output_item.added", output_index=place, item=item)


def done(item: Mapping[str, Any], place: int = 0) -> dict[str, Any]:
    return event("output_item.done", output_index=place, item=item)


def text(delta: str, **where: Any) -> dict[str, Any]:
    return event("output_text.delta", delta=delta, **where)


def arguments(delta: str, **where: Any) -> dict[str, Any]:
    return event("function_call_arguments.delta", delta=delta, **where)


def summary(delta: str, part: int, place: int = 0) -> dict[str, Any]:
    return event("reasoning_summary_text.delta", delta=delta, summary_index=part, output_index=place)


def called(text: str, number: int = 0) -> dict[str, Any]:
    return {"id": f"call_{number + 1}", "type": "function", "function": {"name": "f", "arguments": text}}


MESSAGES: dict[str, tuple[list[dict[str, Any]], dict[str, Any]]] = {
    "pieces are not repeated by the whole": (
        [text("Hel", output_index=0), text("lo", output_index=0), done(MESSAGE)],
        {"content": "Hello"},
    ),
    "items known by their id only": (
        [
            event("output_item.added", item=FUNCTION),
            arguments('{"a":', item_id="fc_1"),
            arguments("1}", item_id="fc_1"),
            event("output_item.done", item={**FUNCTION, "arguments": '{"a":1}'}),
        ],
        {"content": None, "tool_calls": [called('{"a":1}')]},
    ),
    "item without pieces": ([done(MESSAGE)], {"content": "Hello"}),
    "two texts are continued": ([done(MESSAGE), done(MESSAGE, 1)], {"content": "HelloHello"}),
    "whole text without pieces": ([event("output_text.done", text="Hi", output_index=0)], {"content": "Hi"}),
    "refusal": (
        [
            event("refusal.delta", delta="No", output_index=0),
            event("refusal.done", refusal="No", output_index=0),
        ],
        {"content": None, "refusal": "No"},
    ),
    "arguments come whole": (
        [added(FUNCTION), event("function_call_arguments.done", arguments='{"b":2}', output_index=0)],
        {"content": None, "tool_calls": [called('{"b":2}')]},
    ),
    "call was not announced": (
        [arguments('{"b"', output_index=0), done({**FUNCTION, "arguments": '{"b":2}'})],
        {"content": None, "tool_calls": [called('{"b":2}')]},
    ),
    "call without arguments": (
        [added(FUNCTION), done(FUNCTION)],
        {"content": None, "tool_calls": [called("{}")]},
    ),
    "call that is never done": ([added(FUNCTION)], {"content": None, "tool_calls": [called("{}")]}),
    "calls side by side": (
        [
            added(FUNCTION, 3),
            added({**FUNCTION, "id": "fc_2", "call_id": "call_2"}, 4),
            arguments("[1", output_index=3),
            arguments("[2", output_index=4),
            arguments("]", output_index=3),
            arguments("]", output_index=4),
        ],
        {"content": None, "tool_calls": [called("[1]"), called("[2]", 1)]},
    ),
    "call without id": (
        [done({"type": "function_call", "name": "f"})],
        {
            "content": None,
            "tool_calls": [
                {"id": "call_r_0", "type": "function", "function": {"name": "f", "arguments": "{}"}}
            ],
        },
    ),
    "custom tool": (
        [
            added({"type": "custom_tool_call", "call_id": "c", "name": "sql", "input": ""}),
            event("custom_tool_call_input.delta", delta="SELECT", output_index=0),
            done({"type": "custom_tool_call", "call_id": "c", "name": "sql", "input": "SELECT"}),
        ],
        {
            "content": None,
            "tool_calls": [{"id": "c", "type": "custom", "custom": {"name": "sql", "input": "SELECT"}}],
        },
    ),
    "summary in parts": (
        [summary("One", 0), summary(" more", 0), summary("Two", 1), summary("Three", 0, place=1)],
        {"content": None, "reasoning_content": "One more\n\nTwo\n\nThree"},
    ),
    "reasoning to send back": (
        [
            done(
                {
                    "type": "reasoning",
                    "id": "rs_1",
                    "summary": [{"type": "summary_text", "text": "Sum"}],
                    "content": [{"type": "reasoning_text", "text": "Full"}],
                    "encrypted_content": "gAAA",
                }
            )
        ],
        {
            "content": None,
            "reasoning_content": "Sum\n\nFull",
            "reasoning_details": [
                {"type": kind, field: value, "id": "rs_1", "format": "openai-responses-v1", "index": index}
                for index, (kind, field, value) in enumerate(
                    [
                        ("reasoning.summary", "summary", "Sum"),
                        ("reasoning.text", "text", "Full"),
                        ("reasoning.encrypted", "data", "gAAA"),
                    ]
                )
            ],
        },
    ),
    "another vendor's reasoning, relayed": (
        [done({"type": "reasoning", "summary": [], "encrypted_content": "x", "format": "google-gemini-v1"})],
        {
            "content": None,
            "reasoning_details": [
                {
                    "type": "reasoning.encrypted",
                    "data": "x",
                    "id": None,
                    "format": "google-gemini-v1",
                    "index": 0,
                }
            ],
        },
    ),
    "citations count from the whole content": (
        [
            text("Hello. ", output_index=0),
            text("Rain", output_index=1),
            event(
                "output_text.annotation.added",
                output_index=1,
                content_index=0,
                annotation_index=0,
                annotation={
                    "type": "url_citation",
                    "url": "https://a.example",
                    "start_index": 0,
                    "end_index": 4,
                },
            ),
            event("output_text.annotation.added", output_index=1, annotation={"type": "file_citation"}),
        ],
        {
            "content": "Hello. Rain",
            "annotations": [
                {
                    "type": "url_citation",
                    "url_citation": {
                        "url": "https://a.example",
                        "title": "https://a.example",
                        "start_index": 7,
                        "end_index": 11,
                    },
                    "index": 0,
                }
            ],
        },
    ),
    "image": (
        [done({"type": "image_generation_call", "result": "UklG", "output_format": "webp"})],
        {
            "content": None,
            "images": [
                {"type": "image_url", "image_url": {"url": "data:image/webp;base64,UklG"}, "index": 0}
            ],
        },
    ),
    "what is not known is passed over": (
        [
            event("web_search_call.searching", output_index=0),
            {"type": "codex.rate_limits", "rate_limits": {"error": "none"}},
            {"type": "keepalive"},
            {"type": 3},
            done({"type": "web_search_call", "id": "ws_1"}),
            done(MESSAGE, 1),
        ],
        {"content": "Hello"},
    ),
}


@pytest.mark.parametrize(("events", "message"), MESSAGES.values(), ids=MESSAGES)
def test_messages(events: list[dict[str, Any]], message: dict[str, Any]) -> None:
    seen = read_stream(stream(CREATED, *events, COMPLETED))
    check_grammar(seen)
    answer = fold(seen)
    assert isinstance(answer, dict)
    assert answer["choices"][0]["message"] == {"role": "assistant", **message}


def test_log_probabilities_are_the_choices() -> None:
    logprobs = [{"token": "Hi", "logprob": -0.1, "top_logprobs": []}]
    expected = {"content": logprobs, "refusal": None}
    answer = fold(read_stream(stream(CREATED, text("Hi", output_index=0, logprobs=logprobs), COMPLETED)))
    assert isinstance(answer, dict)
    assert answer["choices"][0]["logprobs"] == expected


def test_the_type_in_the_data_counts() -> None:
    body = stream(CREATED) + sse_event(json.dumps(text("Hi", output_index=0)).encode(), "response.failed")
    answer = fold(read_stream(body + stream(COMPLETED)))
    assert isinstance(answer, dict)
    assert answer["choices"][0]["message"]["content"] == "Hi"


def test_the_events_name_counts_where_the_data_has_no_type() -> None:
    [begin, *_] = read_stream(
        sse_event(json.dumps({"response": CREATED["response"]}).encode(), "response.created")
    )
    assert begin == Start("resp_1", "m", 5)


def test_an_answer_without_a_beginning_gets_one() -> None:
    events = read_stream(stream(text("Hi", output_index=0), COMPLETED))
    assert events[0] == Start("resp_r_0", "gpt-x", 7)


def test_the_role_comes_at_once_and_is_no_content() -> None:
    reader = DIALECT.open_stream(CALL)
    assert reader.feed(stream(CREATED)) == [Start("resp_1", "m", 5)]
    assert reader.feed(stream({**CREATED, "type": "response.in_progress"})) == []
    [delta] = reader.feed(stream(text("Hi", output_index=0)))
    assert is_content(delta)


def test_shortened_names_are_restored() -> None:
    long = "mcp__" + "x" * 80
    call = Call("openai", "m", True, 1, "r", tool_names=(long, "f"))
    request = {"messages": [], "tools": [{"type": "function", "function": {"name": long}}]}
    body = json.loads(DIALECT.write_request(request, call).body)  # type: ignore[arg-type]
    short = body["tools"][0]["name"]
    assert len(short) == 64
    answer = fold(read_stream(stream(CREATED, done({**FUNCTION, "name": short}), COMPLETED), call))
    assert isinstance(answer, dict)
    assert answer["choices"][0]["message"]["tool_calls"][0]["function"]["name"] == long


ENDINGS: dict[str, tuple[dict[str, Any], str]] = {
    "completed": (COMPLETED, "stop"),
    "older name": (event("done", response={"status": "completed"}), "stop"),
    "older name, status left out": (event("done", response={}), "stop"),
    "token limit": (
        event("incomplete", response={"incomplete_details": {"reason": "max_output_tokens"}}),
        "length",
    ),
    "filtered": (
        event("incomplete", response={"incomplete_details": {"reason": "content_filter"}}),
        "content_filter",
    ),
    "cut off, the reason is new": (
        event("incomplete", response={"incomplete_details": {"reason": "x"}}),
        "length",
    ),
    "cut off by the older name": (event("done", response={"status": "incomplete"}), "length"),
}


@pytest.mark.parametrize(("terminal", "reason"), ENDINGS.values(), ids=ENDINGS)
def test_endings(terminal: dict[str, Any], reason: str) -> None:
    events = read_stream(stream(CREATED, text("Hi", output_index=0), terminal, text("late", output_index=0)))
    check_grammar(events)
    assert Finish(reason) in events  # type: ignore[arg-type]
    assert Delta({"content": "late"}) not in events


QUOTA = {"code": "insufficient_quota", "message": "You exceeded your current quota."}
FAILURES: dict[str, tuple[bytes, str, str]] = {
    "no terminal event": (stream(CREATED), "server", "ended early"),
    "nothing at all": (b"", "server", "ended early"),
    "[DONE] is no terminal event": (stream(CREATED) + b"data: [DONE]\n\n", "server", "ended early"),
    "error, flat": (stream(CREATED, {"type": "error", **QUOTA}), "quota", "quota"),
    "error, nested": (stream({"type": "error", "error": QUOTA}, COMPLETED), "quota", "quota"),
    "error without a type": (
        stream(CREATED) + sse_event(json.dumps({"error": QUOTA}).encode()),
        "quota",
        "quota",
    ),
    "failed": (stream(event("failed", response={"status": "failed", "error": QUOTA})), "quota", "quota"),
    "failed, nothing said": (stream(event("failed", response={})), "server", "failed"),
    "failed by the older name": (
        stream(event("done", response={"status": "failed", "error": QUOTA})),
        "quota",
        "quota",
    ),
    "cancelled": (stream(event("done", response={"status": "cancelled"})), "server", "cancelled"),
    "not JSON": (sse_event(b"{"), "server", "not a JSON object"),
    "not an object": (sse_event(b"[]"), "server", "not a JSON object"),
    "not a number": (sse_event(b'{"type": NaN}'), "server", "not a JSON object"),
    "too large": (b"data: " + b" " * (9 << 20), "server", "too large"),
}


@pytest.mark.parametrize(("body", "kind", "message"), FAILURES.values(), ids=FAILURES)
def test_failures(body: bytes, kind: str, message: str) -> None:
    events = read_stream(body)
    check_grammar(events)
    failure = events[-1]
    assert isinstance(failure, Failure)
    assert failure.error.kind == kind
    assert message in failure.error.message


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


@pytest.mark.skipif(not RECORDED, reason="recorded answers not found")
@given(data=st.data())
@settings(max_examples=300, deadline=None)
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
