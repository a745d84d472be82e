"""The client's answer: the hub events that it holds, and the moment at which they are sent."""

from __future__ import annotations

import json
from typing import Any

import pytest

from smart_router.attempts.answer import Answer
from smart_router.attempts.steps import select_step
from smart_router.dialects.client_errors import openai_error
from smart_router.dialects.hub import Delta, End, Event, Finish, Start, UsageEvent, make_usage
from smart_router.errors import ClientError, UpstreamError
from tests.testbed.exchanges import exchange

START = Start("id-1", "m", 1_700_000_000)
ROLE = Delta({})
HELLO: list[Event] = [START, Delta({"content": "Hel"}), Delta({"content": "lo."}), Finish("stop")]
USED = UsageEvent(make_usage(3, 4))
DETAILS = [{"type": "reasoning.encrypted", "data": "xyz", "format": "f", "index": 0}]
CALL = {"index": 0, "id": "call-1", "type": "function", "function": {"name": "f", "arguments": "{}"}}


def answer(**body: Any) -> Answer:
    one = exchange("b/m", "c/m", **body)
    select_step(one, 0.0)
    return Answer(one)


def events(data: bytes) -> list[Any]:
    """Return the objects of a stream, and `[DONE]` as text."""
    lines = [line[6:] for line in data.decode().splitlines() if line]
    return [line if line == "[DONE]" else json.loads(line) for line in lines]


# events so far: is a streaming client to get them, is the answer complete, and empty
STATES: list[tuple[list[Event], bool, bool, bool]] = [
    ([START], False, False, False),
    ([START, ROLE], False, False, False),
    ([START, Delta({"content": ""})], False, False, False),
    ([START, Delta({"content": "x"})], True, False, False),
    ([START, Delta({"reasoning_content": "x"})], True, False, False),
    ([START, Delta({"tool_calls": [CALL]})], True, False, False),
    ([START, Finish("stop")], False, False, False),
    ([START, Finish("stop"), USED, End()], True, True, True),
    ([*HELLO, USED, End()], True, True, False),
]


@pytest.mark.parametrize(("taken", "due", "complete", "empty"), STATES)
def test_events_are_held_until_there_is_content(
    taken: list[Event], due: bool, complete: bool, empty: bool
) -> None:
    one = answer(stream=True)
    for event in taken:
        one.take([event])
    assert (one.due, one.complete, one.empty, one.committed) == (due, complete, empty, False)


def test_stream_is_written_event_by_event() -> None:
    one = answer(stream=True)
    one.take(HELLO[:2])
    first = events(one.stream_bytes(early_head=False))
    assert one.committed
    one.take([*HELLO[2:], USED, End()])
    rest = events(one.stream_bytes(early_head=False))
    assert [chunk["choices"][0]["delta"].get("content") for chunk in (*first, *rest[:-1])] == [
        "Hel",
        "lo.",
        None,
    ]
    assert rest[-1] == "[DONE]"
    assert all("x_router" not in chunk for chunk in (*first, *rest[:-1]))
    assert one.stream_bytes(early_head=False) == b""


def test_last_chunk_holds_what_an_early_head_lacked() -> None:
    one = answer(stream=True)
    one.take([*HELLO, End()])
    *_, last, done = events(one.stream_bytes(early_head=True))
    assert (last["x_router"]["provider"], last["x_router"]["attempts"], done) == ("b", "1", "[DONE]")


def test_discarded_attempt_leaves_nothing() -> None:
    one = answer(stream=True)
    one.take([Start("id-0", "other", 1), Delta({"content": ""})])
    one.discard()
    assert (one.due, one.complete) == (False, False)
    one.take([*HELLO, End()])
    chunks = events(one.stream_bytes(early_head=False))[:-1]
    assert {(chunk["id"], chunk["model"]) for chunk in chunks} == {("id-1", "m")}


@pytest.mark.parametrize("whole", [False, True], ids=["events", "whole"])
def test_whole_answer(whole: bool) -> None:
    one = answer()
    if whole:
        message: Any = {"role": "assistant", "content": "Hello."}
        choice: Any = {"index": 0, "message": message, "finish_reason": "stop"}
        one.take_complete(
            {"id": "id-1", "object": "chat.completion", "created": 1, "model": "m", "choices": [choice]}
        )
    else:
        one.take([*HELLO, End()])
    response = one.whole_response()
    assert (response.status_code, response.headers["content-type"]) == (200, "application/json")
    assert response.headers["x-router-provider"] == "b"
    assert response.json()["choices"][0]["message"]["content"] == "Hello."


@pytest.mark.parametrize(
    ("version", "chunked"), [("HTTP/1.1", True), ("HTTP/1.0", False), ("HTTP/2.0", False)]
)
def test_head_of_a_stream(version: str, chunked: bool) -> None:
    one = answer(stream=True)
    early = one.stream_head(version)
    assert ("transfer-encoding" in early.headers) == chunked
    assert "content-length" not in early.headers
    assert early.headers["content-type"] == "text/event-stream; charset=utf-8"
    assert early.headers["cache-control"] == "no-cache"
    assert "x-router-provider" not in early.headers
    one.take(HELLO)
    assert one.stream_head(version).headers["x-router-provider"] == "b"


ERRORS = [
    UpstreamError("server", "model", 502, "Broken.", type="server_error", code="upstream_server"),
    ClientError(502, "Broken.", type="server_error", code="upstream_server", details={"attempts": []}),
]


@pytest.mark.parametrize("error", ERRORS, ids=["upstream", "client"])
def test_error_in_a_stream(error: UpstreamError | ClientError) -> None:
    (event,) = events(answer(stream=True).failure_bytes(error))
    assert event == openai_error(error)
    assert event["error"]["message"] == "Broken."


def test_error_in_place_of_an_answer() -> None:
    error = ClientError(429, "Slow.", headers={"retry-after": "3", "x-should-retry": "false"})
    response = answer().error_response(error)
    assert (response.status_code, response.json()) == (429, openai_error(error))
    assert (response.headers["retry-after"], response.headers["x-should-retry"]) == ("3", "false")
    assert response.headers["x-router-request-id"] == "request-1"


def test_complete_answer_stores_its_reasoning() -> None:
    one = answer(stream=True)
    cache = one.exchange.services.reasoning
    one.take([START, Delta({"reasoning_details": DETAILS}), Delta({"tool_calls": [CALL]})])
    assert len(cache) == 0
    one.take([Finish("tool_calls"), End()])
    assert len(cache) == 1
