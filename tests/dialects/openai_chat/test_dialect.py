"""The OpenAI chat dialect on recorded answers, and on whatever else may come."""

from __future__ import annotations

import itertools
import json
import random
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from smart_router.dialects.fold import fold, unfold
from tests.dialects.openai_chat.chat_wire import CALL, CHAT, FINISH, FRAGMENT, JSON, WIRE, call_to, read
from tests.testbed.cases import Case, case_params, load_cases
from tests.testbed.examples import byte_by_byte
from tests.testbed.oracle import check_answer, check_grammar, check_stream


def split(data: bytes, cuts: list[int]) -> list[bytes]:
    return [data[start:end] for start, end in itertools.pairwise([0, *sorted(cuts), len(data)])]


@pytest.mark.parametrize("case", case_params(wire=WIRE, stream=True, status=200))
def test_recorded_stream(case: Case) -> None:
    events = read(call_to(case.provider, case.model), case.body)
    check_stream(case, events, FINISH)
    check_answer(case, fold(events), FINISH)


@pytest.mark.parametrize("case", case_params(wire=WIRE, stream=True, status=200))
def test_splits_do_not_matter(case: Case) -> None:
    call = call_to(case.provider, case.model)
    events = read(call, case.body)
    assert read(call, *byte_by_byte(case.body)) == events
    places = random.Random(case.id)  # noqa: S311
    for count in (1, 7, 50):
        cuts = [places.randrange(len(case.body)) for _ in range(count)]
        assert read(call, *split(case.body, cuts)) == events


@pytest.mark.parametrize("case", case_params(wire=WIRE, stream=False, status=200))
def test_recorded_answer(case: Case) -> None:
    answer = CHAT.read_answer(case.body, call_to(case.provider, case.model))
    check_answer(case, answer, FINISH)
    if isinstance(answer, dict):
        check_stream(case, unfold(answer), FINISH)


def test_whole_answer_with_reasoning_among_its_parts() -> None:
    thoughts = {
        "type": "thinking",
        "thinking": [{"type": "text", "text": "a"}, {"type": "text", "text": "b"}],
    }
    message = {"role": "assistant", "content": [thoughts, {"type": "text", "text": "c"}]}
    answer = CHAT.read_answer(
        json.dumps({"choices": [{"index": 0, "message": message, "finish_reason": "stop"}]}).encode(), CALL
    )
    assert isinstance(answer, dict)
    read_message = answer["choices"][0]["message"]
    assert (read_message["reasoning_content"], read_message["content"]) == ("ab", "c")


STREAMS = load_cases(wire=WIRE, stream=True, status=200)


@pytest.mark.skipif(not STREAMS, reason="recorded answers not found")
@given(st.data())
def test_broken_streams_never_raise(data: st.DataObject) -> None:
    case = data.draw(st.sampled_from(STREAMS))
    body = bytearray(case.body[:20_000])
    for _ in range(data.draw(st.integers(1, 4))):
        at = data.draw(st.integers(0, len(body)))
        body[at : at + data.draw(st.integers(0, 9))] = data.draw(
            st.binary(max_size=4) | st.sampled_from([b"null", b"{}", b"[]", b"1e999", b'"', b"\n\n", b"-1"])
        )
    events = read(call_to(case.provider, case.model), bytes(body))
    check_grammar(events)
    fold(events)
    CHAT.read_answer(bytes(body), CALL)


DELTA = st.fixed_dictionaries(
    {},
    optional={
        "role": JSON,
        "content": st.text(max_size=2) | JSON,
        "reasoning": JSON,
        "reasoning_details": st.lists(JSON, max_size=2) | JSON,
        "refusal": JSON,
        "tool_calls": st.lists(FRAGMENT | JSON, max_size=3) | JSON,
        "annotations": JSON,
        "audio": JSON,
    },
)
CHUNK = st.fixed_dictionaries(
    {},
    optional={
        "id": JSON,
        "model": JSON,
        "created": JSON,
        "service_tier": JSON,
        "choices": st.lists(
            st.fixed_dictionaries(
                {},
                optional={
                    "index": st.integers(0, 1) | JSON,
                    "delta": DELTA | JSON,
                    "finish_reason": st.sampled_from([None, "stop", "tool_calls", "error"]) | JSON,
                    "logprobs": JSON,
                },
            )
            | JSON,
            max_size=2,
        )
        | JSON,
        "usage": st.dictionaries(
            st.sampled_from(["prompt_tokens", "completion_tokens", "prompt_tokens_details", "cost"]), JSON
        )
        | JSON,
        "citations": JSON,
    },
)


@given(st.lists(CHUNK, max_size=4), st.booleans())
def test_any_json_gives_events_in_order(chunks: list[dict[str, Any]], done: bool) -> None:
    stream = b"".join(b"data: " + json.dumps(chunk).encode() + b"\n\n" for chunk in chunks)
    events = read(CALL, stream, b"data: [DONE]\n\n" if done else b"")
    check_grammar(events)
    answer = fold(events)
    if isinstance(answer, dict):
        for choice in answer["choices"]:
            ids = [made["id"] for made in choice["message"].get("tool_calls", [])]
            assert len(ids) == len(set(ids))
            assert all(ids)
        assert fold(unfold(answer)) == answer
