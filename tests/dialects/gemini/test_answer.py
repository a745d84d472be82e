"""Gemini's response objects, read into events."""

from __future__ import annotations

from copy import copy
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from smart_router.dialects.fold import fold
from smart_router.dialects.gemini.answer import AnswerReader
from smart_router.dialects.gemini.signatures import CLAUDE_FORMAT, GEMINI_FORMAT
from smart_router.dialects.hub import Delta, End, Event, Failure, Finish, Start, UsageEvent, make_usage
from smart_router.dialects.openai_chat.client import ChatStreamWriter
from smart_router.dialects.tool_names import fit_name
from smart_router.errors import UpstreamError
from tests.dialects.gemini.gemini_cases import NOW, answer, make_call
from tests.testbed.examples import examples
from tests.testbed.oracle import check_grammar


def read(*objects: Any, **fields: Any) -> list[Event]:
    reader = AnswerReader(make_call(**fields))
    events = [event for item in objects for event in reader.read(item)] + reader.close()
    check_grammar(events)
    return events


def deltas(events: list[Event]) -> list[dict[str, Any]]:
    return [event.delta for event in events if isinstance(event, Delta)]


def finish(events: list[Event]) -> str:
    return next(event.reason for event in events if isinstance(event, Finish))


def failure(events: list[Event]) -> UpstreamError:
    last = events[-1]
    assert isinstance(last, Failure)
    return last.error


def called(name: str, number: int = 0, arguments: str = "{}", id_: str | None = None) -> dict[str, Any]:
    function = {"name": name, "arguments": arguments}
    call = {"index": number, "id": id_ or f"call_req_{number}", "type": "function", "function": function}
    return {"tool_calls": [call]}


IMAGE = {"mimeType": "image/png", "data": "AAAA"}
SOUND = {"mimeType": "audio/L16;rate=24000", "data": "BBBB"}
URL = "data:image/png;base64,AAAA"


@pytest.mark.parametrize(
    ("part", "delta"),
    [
        ({"text": "a"}, {"content": "a"}),
        ({"text": "a", "thought": False}, {"content": "a"}),
        ({"text": "a", "thought": True}, {"reasoning_content": "a"}),
        ({"text": ""}, None),
        ({"functionCall": {"name": "f"}}, called("f")),
        ({"functionCall": {"name": "f", "args": {"x": [1]}, "id": "i"}}, called("f", 0, '{"x":[1]}', "i")),
        ({"functionCall": {"name": "f", "args": "no object"}}, called("f")),
        ({"functionCall": {}}, None),
        ({"functionCall": {"name": 7}}, None),
        ({"inlineData": IMAGE}, {"images": [{"type": "image_url", "image_url": {"url": URL}}]}),
        ({"inlineData": IMAGE, "thought": True}, None),
        (
            {"inlineData": SOUND},
            {"audio": {"id": "audio_req_0", "data": "BBBB", "transcript": "", "expires_at": NOW}},
        ),
        ({"inlineData": {"mimeType": "video/mp4", "data": "C"}}, None),
        ({"executableCode": {"language": "PYTHON", "code": "1"}}, None),
        ({"codeExecutionResult": {"outcome": "OUTCOME_OK", "output": "1"}}, None),
        ({"toolCall": {"toolType": "FILE_SEARCH"}, "thoughtSignature": "s"}, None),
        (7, None),
    ],
)
def test_parts(part: Any, delta: dict[str, Any] | None) -> None:
    assert deltas(read(answer(part, finishReason="STOP"))) == ([delta] if delta else [])


@pytest.mark.parametrize(
    ("reason", "expected", "with_calls"),
    [
        ("STOP", "stop", "tool_calls"),
        ("MAX_TOKENS", "length", "length"),
        ("SAFETY", "content_filter", "content_filter"),
        ("IMAGE_SAFETY", "content_filter", "content_filter"),
        ("RECITATION", "content_filter", "content_filter"),
        ("LANGUAGE", "stop", "tool_calls"),
        ("OTHER", "stop", "tool_calls"),
        ("A_NEW_ONE", "stop", "tool_calls"),
    ],
)
def test_finish_reasons(reason: str, expected: str, with_calls: str) -> None:
    assert finish(read(answer({"text": "a"}, finishReason=reason))) == expected
    assert finish(read(answer({"functionCall": {"name": "f"}}, finishReason=reason))) == with_calls


def test_a_breakdown_before_any_output_is_a_failure() -> None:
    error = failure(read(answer(finishReason="MALFORMED_FUNCTION_CALL", finishMessage="no such tool")))
    assert (error.kind, error.scope, error.status) == ("server", "none", 502)
    assert (error.message, error.code) == ("no such tool", "malformed_function_call")


@pytest.mark.parametrize(
    "reason",
    ["MALFORMED_FUNCTION_CALL", "UNEXPECTED_TOOL_CALL", "MISSING_THOUGHT_SIGNATURE", "MALFORMED_RESPONSE"],
)
def test_a_breakdown_after_some_text_is_a_failure_and_no_stop(reason: str) -> None:
    events = read(answer({"text": "I call it now."}), answer(finishReason=reason))
    assert [type(event) for event in events] == [Start, Delta, Failure]


@pytest.mark.parametrize(
    ("counts", "completion"),
    [
        ({"candidatesTokenCount": 3}, 3),
        ({"candidatesTokenCount": 3, "thoughtsTokenCount": 4}, 7),
        ({"thoughtsTokenCount": 4}, 4),
        ({"candidatesTokenCount": 3, "totalTokenCount": 9}, 3),
    ],
)
def test_usage_without_the_prompts_count_tells_the_output(counts: dict[str, int], completion: int) -> None:
    events = read(answer({"text": "a"}, finishReason="STOP") | {"usageMetadata": counts})
    [used] = [event for event in events if isinstance(event, UsageEvent)]
    assert used.usage["completion_tokens"] == completion


@pytest.mark.parametrize("candidates", [{}, {"candidates": []}])
def test_a_blocked_prompt_is_an_empty_answer(candidates: dict[str, Any]) -> None:
    events = read({"promptFeedback": {"blockReason": "PROHIBITED_CONTENT"}, **candidates})
    assert [type(event) for event in events] == [Start, Finish, End]
    assert finish(events) == "content_filter"


def test_usage_may_follow_the_finish_and_the_last_counts() -> None:
    counts = {
        "promptTokenCount": 10,
        "toolUsePromptTokenCount": 5,
        "candidatesTokenCount": 3,
        "thoughtsTokenCount": 4,
        "cachedContentTokenCount": 2,
        "totalTokenCount": 22,
    }
    events = read(
        {**answer({"text": "a"}, finishReason="STOP"), "usageMetadata": {"promptTokenCount": 10}},
        {"usageMetadata": counts},
        {"usageMetadata": {"trafficType": "ON_DEMAND"}},
    )
    assert events[-2:] == [UsageEvent(make_usage(15, 7, total=22, cached=2, reasoning=4)), End()]


@pytest.mark.parametrize(
    ("counts", "usage"),
    [
        # the total shows that the thoughts are among the candidates' tokens
        (
            {
                "promptTokenCount": 10,
                "candidatesTokenCount": 7,
                "thoughtsTokenCount": 4,
                "totalTokenCount": 17,
            },
            make_usage(10, 7, total=17, reasoning=4),
        ),
        (
            {
                "promptTokenCount": 10,
                "candidatesTokenCount": 7,
                "thoughtsTokenCount": 4,
                "totalTokenCount": 21,
            },
            make_usage(10, 11, total=21, reasoning=4),
        ),
        ({"candidatesTokenCount": 3}, make_usage(0, 3)),
    ],
)
def test_thoughts_are_counted_once(counts: dict[str, int], usage: Any) -> None:
    events = read({**answer({"text": "a"}, finishReason="STOP"), "usageMetadata": counts})
    assert UsageEvent(usage) in events


def test_names_and_ids_of_the_answer() -> None:
    assert read(answer(finishReason="STOP"))[0] == Start("resp", "gemini-test", NOW)
    bare = {"candidates": [{"finishReason": "STOP"}], "responseId": 7}
    assert read(bare)[0] == Start("chatcmpl_req_0", "gemini-2.5-flash", NOW)


def test_calls_are_numbered_per_choice_and_ids_are_unique() -> None:
    call = {"functionCall": {"name": "f", "id": "same"}}
    first = {"content": {"parts": [call, call]}, "finishReason": "STOP", "index": 0}
    second = {"content": {"parts": [{"functionCall": {"name": "f"}}]}, "finishReason": "STOP", "index": 1}
    events = read({"candidates": [second, first]})
    calls = [(event.choice, event.delta["tool_calls"][0]) for event in events if isinstance(event, Delta)]
    assert [(choice, call["index"], call["id"]) for choice, call in calls] == [
        (1, 0, "call_req_0"),
        (0, 0, "same"),
        (0, 1, "call_req_1"),
    ]
    assert [event.choice for event in events if isinstance(event, Finish)] == [0, 1]


@pytest.mark.parametrize(
    ("objects", "finished"),
    [
        ([answer({"text": "a"})], False),
        ([answer({"text": "a"}), answer(finishReason="STOP")], True),
        ([answer({"text": "a"}, finishReason="STOP"), {"usageMetadata": {"promptTokenCount": 1}}], True),
        ([{"promptFeedback": {"blockReason": "SAFETY"}}], True),
        ([answer({"text": "a"}, finishReason="STOP"), answer({"text": "b"}, finishReason="STOP")], False),
        ([answer({"text": "a"}, finishReason="STOP"), answer({"text": "b"}), answer()], False),
    ],
)
def test_an_answer_is_all_there_with_finish_reasons_that_no_content_follows(
    objects: list[Any], finished: bool
) -> None:
    """Gemini 1.x put a finish reason into each object of a stream."""
    reader = AnswerReader(make_call())
    for one in objects:
        reader.read(one)
    assert reader.finished is finished


def test_every_choice_must_finish() -> None:
    pair = {"candidates": [{"finishReason": "STOP"}, {"content": {"parts": [{"text": "b"}]}}]}
    assert failure(read(pair)).kind == "server"


def test_shortened_tool_names_are_restored() -> None:
    long_name = "f" * 70
    written = {"functionCall": {"name": fit_name(long_name)}}
    (delta,) = deltas(read(answer(written, finishReason="STOP"), tool_names=(long_name,)))
    assert delta["tool_calls"][0]["function"]["name"] == long_name


@pytest.mark.parametrize("wrap", [lambda item: item, lambda item: [item]])
def test_an_error_inside_an_answer(wrap: Any) -> None:
    error = {"error": {"code": 503, "message": "The model is overloaded.", "status": "UNAVAILABLE"}}
    assert failure(read(wrap(error))).retryable
    later = read(answer({"text": "a"}), wrap(error), answer({"text": "b"}, finishReason="STOP"))
    assert deltas(later) == [{"content": "a"}]
    assert failure(later).retryable


SOURCE = {"web": {"uri": "https://example.org", "title": "Example"}}


def test_sources_become_annotations_once() -> None:
    support = {"segment": {"startIndex": 0, "endIndex": 6}, "groundingChunkIndices": [0]}
    grounding = {"groundingChunks": [SOURCE, {"retrievedContext": {}}], "groundingSupports": [support]}
    events = read(
        answer({"text": "grüß"}, groundingMetadata={}),
        answer({"text": "e"}, groundingMetadata=grounding),
        answer(groundingMetadata=grounding, finishReason="STOP"),
    )
    citation = {"url": "https://example.org", "title": "Example", "start_index": 0, "end_index": 4}
    assert [delta["annotations"] for delta in deltas(events) if "annotations" in delta] == [
        [{"type": "url_citation", "url_citation": citation}]
    ]


def test_log_probabilities() -> None:
    hi, ho = {"token": "hi", "logProbability": -0.5}, {"token": "ho", "logProbability": -1.5}
    never = {"token": "no", "logProbability": -(10**400)}
    result = {"chosenCandidates": [hi, {"token": 1}], "topCandidates": [{"candidates": [hi, ho, never]}]}
    events = read(answer({"text": "hi"}, logprobsResult=result, finishReason="STOP"))
    (logprobs,) = [event.extra["logprobs"] for event in events if isinstance(event, Delta) and event.extra]
    token = {"token": "hi", "logprob": -0.5, "bytes": [104, 105]}
    rival = {"token": "ho", "logprob": -1.5, "bytes": [104, 111]}
    least = {"token": "no", "logprob": -9999.0, "bytes": [110, 111]}
    assert logprobs == {"content": [{**token, "top_logprobs": [token, rival, least]}], "refusal": None}


def partial(path: str, more: bool = False, **value: Any) -> dict[str, Any]:
    return {"jsonPath": path, "willContinue": more, **value}


def pieces(*partials: dict[str, Any], **fields: Any) -> dict[str, Any]:
    return answer({"functionCall": {"partialArgs": list(partials), **fields}})


@pytest.mark.parametrize(
    ("partials", "arguments"),
    [
        ([], "{}"),
        ([partial("$.a", True, stringValue="x"), partial("$.a", stringValue="y")], '{"a":"xy"}'),
        ([partial("$.a", stringValue="x"), partial("$.a", stringValue="y")], '{"a":"y"}'),
        (
            [partial("$.a.b[0].c", numberValue=1), partial("$.a.b[1]", boolValue=True)],
            '{"a":{"b":[{"c":1},true]}}',
        ),
        ([partial("$['a b'][\"c\"]", nullValue="NULL_VALUE")], '{"a b":{"c":null}}'),
        ([partial("$.a[9]", numberValue=1), partial("$", numberValue=1), partial("$..a"), {}, 7], '{"a":[]}'),
        ([partial("$.a", numberValue=1), partial("$.a.b", numberValue=2)], '{"a":1}'),
        ([partial("$" + ".a" * 1000, numberValue=1)], "{}"),
    ],
)
def test_calls_that_come_in_pieces(partials: list[Any], arguments: str) -> None:
    opening = answer({"functionCall": {"name": "f", "willContinue": True}})
    middle = [pieces(piece, willContinue=True) for piece in partials]
    events = read(opening, *middle, pieces(), answer(finishReason="STOP"))
    assert deltas(events) == [called("f", 0, arguments)]


def test_a_call_in_pieces_ends_with_the_next_call_or_the_answer() -> None:
    opening = [answer({"functionCall": {"name": name, "willContinue": True}}) for name in ("f", "g")]
    assert deltas(read(*opening, answer(finishReason="STOP"))) == [called("f"), called("g", 1)]
    assert deltas(read(*opening)) == [called("f")], "what was cut off is no call"


RICH = [
    {"error": None, "promptFeedback": {"blockReason": None}, "usageMetadata": {"promptTokenCount": 1}},
    answer(
        {"text": "a", "thought": True, "thoughtSignature": "s"},
        {"inlineData": IMAGE},
        {"functionCall": {"name": "f", "id": "i", "args": {"x": 1}}, "thoughtSignature": "s"},
        {
            "functionCall": {
                "name": "g",
                "willContinue": True,
                "partialArgs": [partial("$.a", stringValue="x")],
            }
        },
        logprobsResult={
            "chosenCandidates": [{"token": "a", "logProbability": -1}],
            "topCandidates": [{"candidates": [{"token": "a", "logProbability": -1}]}],
        },
        groundingMetadata={
            "groundingChunks": [SOURCE],
            "groundingSupports": [{"segment": {"endIndex": 1}, "groundingChunkIndices": [0]}],
        },
        finishReason="STOP",
        finishMessage="m",
        index=0,
    ),
]
FORMATS = st.sampled_from([GEMINI_FORMAT, CLAUDE_FORMAT])
JUNK = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(max_size=3),
    lambda inner: st.lists(inner, max_size=2) | st.dictionaries(st.text(max_size=3), inner, max_size=2),
    max_leaves=4,
)


def places(value: Any, *path: Any) -> list[tuple[Any, ...]]:
    """The path of every value within a JSON value."""
    inner = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    return [path, *(found for key, item in inner for found in places(item, *path, key))]


def replaced(value: Any, path: tuple[Any, ...], new: Any) -> Any:
    if not path:
        return new
    copied = copy(value)
    copied[path[0]] = replaced(value[path[0]], path[1:], new)
    return copied


@settings(max_examples=examples(300), deadline=None)
@given(path=st.sampled_from(places(RICH)), junk=JUNK, signature_format=FORMATS)
def test_a_value_of_any_other_type_never_raises(path: Any, junk: Any, signature_format: str) -> None:
    reader = AnswerReader(make_call(), signature_format)
    events = reader.read(replaced(RICH, path, junk)) + reader.close()
    check_grammar(events)
    assert reader.read(RICH) == [] == reader.close()
    ChatStreamWriter(include_usage=True).write(events)
    fold(events)


def test_a_candidate_with_an_absurd_index_is_left_out() -> None:
    candidates = [
        {"index": index, "content": {"parts": [{"text": text}]}, "finishReason": "STOP"}
        for index, text in ((1 << 70, "no"), (0, "yes"))
    ]
    assert deltas(read({"candidates": candidates})) == [{"content": "yes"}]
