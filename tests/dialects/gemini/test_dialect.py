"""Gemini's format against recorded answers: the router reads them as the vendor's SDK does."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from smart_router.dialects.base import CallContext
from smart_router.dialects.gemini.dialect import GeminiDialect
from smart_router.dialects.hub import ChatRequest, Failure
from smart_router.dialects.sse import MAX_EVENT_BYTES
from smart_router.errors import UpstreamError
from tests.dialects.gemini.gemini_cases import answer, case_call, cut, make_call, read_chunks, sse
from tests.testbed.cases import Case, case_params
from tests.testbed.examples import examples
from tests.testbed.oracle import check_grammar

DIALECT = GeminiDialect()
SAMPLE = sse(answer({"text": "grüß"}), answer({"functionCall": {"name": "f"}}, finishReason="STOP"))
QUESTION: ChatRequest = {"model": "auto", "messages": [{"role": "user", "content": "hi"}]}


@settings(max_examples=examples(25), deadline=None)
@given(
    places=st.lists(st.integers(0, 1 << 20), max_size=4),
    edits=st.lists(st.tuples(st.integers(0, 1 << 20), st.binary(max_size=3)), max_size=6),
)
@pytest.mark.parametrize("case", case_params(wire="gemini", status=200))
def test_broken_bytes_never_raise(case: Case, places: list[int], edits: list[tuple[int, bytes]]) -> None:
    body = bytearray(case.body)
    for place, replacement in edits:
        body[place % len(body) : place % len(body) + 1] = replacement
    call = case_call(case)
    check_grammar(read_chunks(DIALECT, call, cut(bytes(body), places)))
    DIALECT.read_answer(bytes(body), call)


@pytest.mark.parametrize(
    ("body", "message"),
    [
        (b"", "ended early"),
        (b"\r\n \n", "ended early"),
        (sse(answer({"text": "a"})), "ended early"),
        (b"data: {\n\n", "not JSON"),
        (b"data: 1\n\n", "not in Gemini's format"),
        (b"[1]", "not in Gemini's format"),
        (b"[]", "ended early"),
        (b"<html>", "ended early"),
        (b"{", "not JSON"),
    ],
)
def test_what_is_no_answer_is_a_failure(body: bytes, message: str) -> None:
    events = read_chunks(DIALECT, make_call(), [body])
    check_grammar(events)
    assert isinstance(events[-1], Failure) and message in events[-1].error.message
    assert isinstance(DIALECT.read_answer(body, make_call()), UpstreamError)


def test_a_json_array_is_read_like_a_stream() -> None:
    """The answer of an endpoint that was called without `alt=sse`."""
    array = b"\n[" + SAMPLE.replace(b"data: ", b"").strip().replace(b"\r\n\r\n", b"\r\n,\r\n") + b"]\n"
    expected = read_chunks(DIALECT, make_call(), [SAMPLE])
    assert read_chunks(DIALECT, make_call(), [array]) == expected
    assert read_chunks(DIALECT, make_call(), cut(array, range(len(array)))) == expected


@pytest.mark.parametrize(
    "body",
    [b"[" + b" " * MAX_EVENT_BYTES, b"data: " + b" " * MAX_EVENT_BYTES + b"\n\n"],
    ids=["json", "event"],
)
def test_what_is_too_large_is_a_failure(body: bytes) -> None:
    (failed,) = DIALECT.open_stream(make_call()).feed(body)
    assert isinstance(failed, Failure) and "too large" in failed.error.message


def test_nothing_follows_a_failure() -> None:
    reader = DIALECT.open_stream(make_call())
    events = reader.feed(b"data: {\n\n" + SAMPLE) + reader.feed(SAMPLE) + reader.close()
    assert [type(event) for event in events] == [Failure]
    assert reader.close() == []


@pytest.mark.parametrize(
    ("call", "path"),
    [
        (make_call(), "/models/gemini-2.5-flash:generateContent"),
        (make_call(stream=True), "/models/gemini-2.5-flash:streamGenerateContent?alt=sse"),
        (make_call("../x?y#z:w"), "/models/..%2Fx%3Fy%23z%3Aw:generateContent"),
    ],
)
def test_the_path_names_model_and_method(call: CallContext, path: str) -> None:
    request = DIALECT.write_request(QUESTION, call)
    assert request.path == path
    assert request.headers == {"content-type": "application/json"}


def test_it_streams_as_the_client_does() -> None:
    assert DIALECT.upstream_streams({**QUESTION, "stream": True}, make_call())
    assert not DIALECT.upstream_streams(QUESTION, make_call())
