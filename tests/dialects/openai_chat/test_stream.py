"""Streams on OpenAI's chat wire that leave things out, repeat them, or break off."""

from __future__ import annotations

from typing import Any

import pytest

from smart_router.dialects.hub import Delta, End, Failure, Finish, Start
from smart_router.errors import UpstreamError
from tests.dialects.openai_chat.chat_wire import CALL, CHAT, read, says, sse
from tests.testbed.oracle import check_grammar


def thinking(*texts: str) -> dict[str, Any]:
    """A part with reasoning, as Mistral's reasoning models write it."""
    return {"type": "thinking", "thinking": [{"type": "text", "text": text} for text in texts]}


START = Start("c1", "m", 7)
DELTAS: dict[str, tuple[list[Any], list[dict[str, Any]], str]] = {
    "content": (
        [says({"role": "assistant", "content": ""}), says({"content": "a"}, "stop")],
        [{"content": "a"}],
        "stop",
    ),
    "content as parts": (
        [says({"content": [{"type": "text", "text": "a"}, 3]}, "stop")],
        [{"content": "a"}],
        "stop",
    ),
    "reasoning as parts of the content": (
        [
            says({"role": "assistant", "content": [thinking("a", "b")]}),
            says({"content": [thinking("c"), {"type": "text", "text": "d"}]}),
            says({"content": "e"}, "stop"),
        ],
        [{"reasoning_content": "ab"}, {"content": "d", "reasoning_content": "c"}, {"content": "e"}],
        "stop",
    ),
    "nothing said": ([says({"role": "assistant"}), says({}, "stop")], [{"content": ""}], "stop"),
    "reasoning by either name": (
        [says({"reasoning_content": "a"}), says({"reasoning": "b"}), says({}, "length")],
        [{"reasoning_content": "a"}, {"reasoning_content": "b"}, {"content": ""}],
        "length",
    ),
    "reasoning twice": (
        [says({"reasoning": "a", "reasoning_details": [{"type": "reasoning.text", "text": "a"}]}, "length")],
        [
            {"reasoning_content": "a", "reasoning_details": [{"type": "reasoning.text", "text": "a"}]},
            {"content": ""},
        ],
        "length",
    ),
    "reasoning in details only": (
        [
            says(
                {"content": "c", "reasoning_details": [{"type": "reasoning.summary", "summary": "a"}]}, "stop"
            )
        ],
        [
            {
                "content": "c",
                "reasoning_content": "a",
                "reasoning_details": [{"type": "reasoning.summary", "summary": "a"}],
            }
        ],
        "stop",
    ),
    "finish said twice": ([says({"content": "a"}, "stop"), says({}, "length")], [{"content": "a"}], "length"),
    "content after the finish": (
        [says({"content": "a"}, "stop"), says({"content": "b"}, "stop")],
        [{"content": "a"}, {"content": "b"}],
        "stop",
    ),
    "another word for the finish": ([says({"content": "a"}, "MAX_TOKENS")], [{"content": "a"}], "length"),
    "an unknown word for the finish": ([says({"content": "a"}, "eos")], [{"content": "a"}], "stop"),
    "finish never said": ([says({"content": "a"})], [{"content": "a"}], "stop"),
    "a chunk before the answer": (
        [{"id": "", "choices": [], "prompt_filter_results": []}, says({"content": "a"}, "stop")],
        [{"content": "a"}],
        "stop",
    ),
    "sources": (
        [says({"content": "a"}, citations=["https://x"]), says({}, "stop", citations=["https://x"])],
        [
            {"content": "a"},
            {
                "annotations": [
                    {
                        "type": "url_citation",
                        "url_citation": {
                            "url": "https://x",
                            "title": "https://x",
                            "start_index": 0,
                            "end_index": 0,
                        },
                    }
                ]
            },
        ],
        "stop",
    ),
}


@pytest.mark.parametrize(("chunks", "deltas", "reason"), DELTAS.values(), ids=DELTAS)
def test_deltas(chunks: list[Any], deltas: list[dict[str, Any]], reason: Any) -> None:
    expected = [START, *(Delta(delta) for delta in deltas), Finish(reason), End()]
    assert read(CALL, sse(*chunks)) == expected


def test_choices_end_together() -> None:
    events = read(
        CALL, sse(says({"content": "b"}, "stop", 1), says({"content": "a"}, None, 0), says({}, "length", 0))
    )
    assert events == [
        START,
        Delta({"content": "b"}, 1),
        Delta({"content": "a"}, 0),
        Finish("length", 0),
        Finish("stop", 1),
        End(),
    ]


def test_head_of_an_answer_without_one() -> None:
    chunk = {"choices": [{"delta": {"content": "a"}, "finish_reason": "stop"}]}
    assert read(CALL, sse(chunk))[0] == Start("chatcmpl_r1_0", "m", 1_700_000_000)


def test_other_fields_of_the_head() -> None:
    start = read(CALL, sse(says({}, "stop", system_fingerprint="fp", service_tier="flex", provider="P")))[0]
    assert start == Start("c1", "m", 7, {"system_fingerprint": "fp", "service_tier": "flex", "provider": "P"})
    start = read(CALL, sse(says({}, "stop", system_fingerprint=None, service_tier="on_demand")))[0]
    assert start == START


def test_logprobs_go_with_their_text() -> None:
    chunk = says({"content": "a"}, "stop")
    chunk["choices"][0]["logprobs"] = {"content": [{"token": "a"}]}
    assert Delta({"content": "a"}, 0, {"logprobs": {"content": [{"token": "a"}]}}) in read(CALL, sse(chunk))


@pytest.mark.parametrize("tail", ["", "data: [DO", ": bye\n\n", "data: [DONE]"])
def test_finished_choices_need_no_marker(tail: str) -> None:
    assert read(CALL, sse(says({"content": "a"}, "stop"), done=False) + tail.encode())[-1] == End()


@pytest.mark.parametrize(
    ("chunks", "finished"),
    [
        ([says({"content": "a"})], False),
        ([says({"content": "a"}, "stop")], True),
        ([says({"content": "a"}), says({"content": ""}, "stop"), says({}, "stop")], True),
        ([says({"content": "a"}, "stop"), {"choices": [], "usage": {"prompt_tokens": 1}}], True),
        ([says({"content": "a"}, "stop"), says({"content": "b"}, None, 1)], False),
        ([says({}, "stop"), says({"content": "b"}, None, 1), says({}, "stop", 1)], True),
        ([says({"content": "a"}, "stop"), says({"content": "b"}, "stop")], False),
        ([says({"content": "a"}, "stop"), says({"content": "b"}), says({}, "stop")], False),
    ],
)
def test_an_answer_is_all_there_with_finish_reasons_that_no_content_follows(
    chunks: list[Any], finished: bool
) -> None:
    """Some gateways put a finish reason into each chunk."""
    stream = CHAT.open_stream(CALL)
    stream.feed(sse(*chunks, done=False))
    assert stream.finished is finished


FAILURES: dict[str, tuple[bytes, str]] = {
    "nothing": (b"", "server"),
    "no choices": (sse({"id": "x", "choices": []}), "server"),
    "cut off": (sse(says({"content": "a"}), done=False), "server"),
    "one choice cut off": (
        sse(says({"content": "a"}, "stop"), says({"content": "b"}, None, 1), done=False),
        "server",
    ),
    "cut off in a chunk": (sse(says({"content": "a"}), done=False) + b'data: {"choices":[{"delta"', "server"),
    "not JSON": (sse("<html>"), "server"),
    "no object": (sse([1]), "server"),
    "error": (sse(says({"content": "a"}), {"error": {"message": "slow down", "code": 429}}), "rate_limit"),
    "error as text": (sse({"code": "overloaded", "error": "try later"}), "server"),
    "error of the server's own": (sse({"object": "error", "message": "no memory", "code": 500}), "server"),
    "error in a choice": (
        sse({"choices": [{"delta": {}, "error": {"code": 429, "message": "x"}, "finish_reason": "error"}]}),
        "rate_limit",
    ),
    "gave up": (sse(says({"content": "a"}, "insufficient_system_resource")), "overloaded"),
    "gave up without a word": (sse(says({"content": "a"}, "error")), "server"),
    "too large": (b"data: " + b"x" * (9 * 1024 * 1024), "server"),
}


@pytest.mark.parametrize(("stream", "kind"), FAILURES.values(), ids=FAILURES)
def test_failures(stream: bytes, kind: str) -> None:
    events = read(CALL, stream)
    check_grammar(events)
    assert isinstance(events[-1], Failure)
    assert events[-1].error.kind == kind


def test_nothing_after_the_end() -> None:
    stream = CHAT.open_stream(CALL)
    stream.feed(sse(says({}, "stop")))
    assert stream.feed(sse(says({"content": "a"}))) == []
    assert stream.close() == []


WHOLE_FAILURES = {
    "empty": b"",
    "not JSON": b"<html>",
    "no object": b"[]",
    "no choices": b'{"id":"x","choices":[]}',
    "error": b'{"error":{"message":"no","code":502}}',
    "error as text": b'{"code":"The service is currently unavailable","error":"no"}',
}


@pytest.mark.parametrize("body", WHOLE_FAILURES.values(), ids=WHOLE_FAILURES)
def test_failures_in_whole_answers(body: bytes) -> None:
    answer = CHAT.read_answer(body, CALL)
    assert isinstance(answer, UpstreamError)
    assert answer.retryable
