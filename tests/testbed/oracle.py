"""Compares translated answers with what the vendor's own SDK made of the same bytes (`Case.oracle`).

Streams are judged as a client sees them: written as OpenAI chunks and read by the `openai` package's types
and its accumulator.
"""

from __future__ import annotations

import copy
import json
import re
from collections.abc import Mapping, Sequence
from typing import Any

from openai.lib.streaming.chat import ChatCompletionStreamState
from openai.types.chat import ChatCompletion, ChatCompletionChunk

from smart_router.dialects import hub
from smart_router.dialects.hub import Event
from smart_router.dialects.openai_chat.client import CHAT, ChatStreamWriter
from smart_router.dialects.sse import SseParser
from tests.testbed.cases import Case

_GRAMMAR = re.compile(r"Start( Delta)*( Finish)+( UsageEvent)? End|(Start )?(Delta )*Failure")


def accumulate(events: Sequence[Event], case: Case) -> dict[str, Any]:
    """The whole answer that the openai package makes of the chunks written for these events.

    Checks on the way that every chunk has OpenAI's types and that the stream is complete.
    """
    stream = ChatStreamWriter(include_usage=True).write(events)
    parser = SseParser()
    *chunks, done = [event.data for event in [*parser.feed(stream), *parser.close()]]
    assert done == b"[DONE]", f"{case.id}: the stream ends with {done!r}"
    state: ChatCompletionStreamState[Any] = ChatCompletionStreamState()
    for data in chunks:
        chunk = json.loads(data)
        # tolerant construction is what the SDK does; validation is what finds a wrong type
        ChatCompletionChunk.model_validate(_without_custom_calls(chunk), strict=True)
        state.handle_chunk(ChatCompletionChunk.construct(**chunk))
    return state.current_completion_snapshot.model_dump(exclude_unset=True)


def _without_custom_calls(chunk: dict[str, Any]) -> dict[str, Any]:
    """The chunk as far as the SDK has types for it: calls of custom tools it only knows in whole answers."""
    choices = copy.deepcopy(chunk["choices"])
    for choice in choices:
        calls = choice["delta"].get("tool_calls", [])
        choice["delta"]["tool_calls"] = [call for call in calls if call.get("type") != "custom"]
    return {**chunk, "choices": choices}


def check_stream(case: Case, events: Sequence[Event], finish: Mapping[str, str]) -> None:
    """The events of a streamed case give the client what the oracle saw.

    `finish` maps the vendor's finish reasons to OpenAI's; a key with `+tools` appended goes first where the
    answer calls tools (`{"STOP": "stop", "STOP+tools": "tool_calls"}`).
    """
    check_grammar(events)
    if case.oracle["error"] is not None:
        assert isinstance(events[-1], hub.Failure), f"{case.id}: the failure was not seen"
        texts = [event.delta.get("content") for event in events if isinstance(event, hub.Delta)]
        assert "".join(text for text in texts if text) == case.oracle["text"]
        return
    assert not isinstance(events[-1], hub.Failure), events[-1]
    compare(case, accumulate(events, case), finish)


def check_answer(case: Case, completion: object, finish: Mapping[str, str]) -> None:
    """The same for a whole answer: a `ChatCompletion` or an `UpstreamError`."""
    if case.oracle["error"] is not None:
        assert not isinstance(completion, dict), f"{case.id}: the failure was not seen"
        return
    assert isinstance(completion, dict), completion
    written = json.loads(CHAT.write_answer(completion, {}))  # type: ignore[arg-type]
    ChatCompletion.model_validate(written, strict=True)
    compare(case, written, finish)


def check_grammar(events: Sequence[Event]) -> None:
    """The order that the hub promises: Start Delta* Finish+ UsageEvent? End, or Start? Delta* Failure."""
    names = " ".join(type(event).__name__ for event in events)
    assert _GRAMMAR.fullmatch(names), names
    finished = [event.choice for event in events if isinstance(event, hub.Finish)]
    assert len(finished) == len(set(finished)), "a choice finished twice"


def compare(case: Case, answer: Mapping[str, Any], finish: Mapping[str, str]) -> None:
    """The answer's first choice and usage against the oracle; the message names what differs."""
    oracle = case.oracle
    choice = answer["choices"][0]
    message = choice["message"]
    expected = {
        "text": oracle["text"],
        "reasoning": oracle["reasoning"],
        "refusal": oracle["refusal"] or "",
        "tool_calls": [_expected_call(call) for call in oracle["tool_calls"]],
        "finish_reason": finish_reason(oracle, finish),
    }
    found = {
        "text": message.get("content") or "",
        "reasoning": message.get("reasoning_content") or "",
        "refusal": message.get("refusal") or "",
        "tool_calls": [_found_call(call) for call in message.get("tool_calls") or []],
        "finish_reason": choice["finish_reason"],
    }
    for call, seen in zip(found["tool_calls"], message.get("tool_calls") or [], strict=True):
        assert isinstance(seen["id"], str) and seen["id"], f"a tool call without id: {call}"
    ids = [call["id"] for call in message.get("tool_calls") or []]
    assert len(ids) == len(set(ids)), f"tool call ids occur twice: {ids}"
    assert found == expected
    _compare_ids(oracle["tool_calls"], ids)
    if oracle["usage_openai"] is not None:
        assert found_usage(answer["usage"]) == expected_usage(case)


def finish_reason(oracle: Mapping[str, Any], finish: Mapping[str, str]) -> str:
    word = str(oracle["finish_reason"])
    with_tools = finish.get(f"{word}+tools") if oracle["tool_calls"] else None
    return with_tools or finish[word]


def _expected_call(call: Mapping[str, Any]) -> tuple[str, Any]:
    return call["name"], call.get("custom_input", call["arguments"] or {})


def _found_call(call: Mapping[str, Any]) -> tuple[str, Any]:
    if call["type"] == "custom":
        return call["custom"]["name"], call["custom"]["input"]
    arguments = call["function"]["arguments"]
    return call["function"]["name"], json.loads(arguments) if arguments else {}


def _compare_ids(calls: Sequence[Mapping[str, Any]], ids: Sequence[str]) -> None:
    """Ids that the vendor gave are kept; where it gave none, any will do."""
    for call, found in zip(calls, ids, strict=True):
        assert not call["id"] or found == call["id"]


def expected_usage(case: Case) -> dict[str, int]:
    usage = {name: count or 0 for name, count in case.oracle["usage_openai"].items()}
    if case.wire == "openai-chat" and usage["total"] == usage["input"] + usage["output"] + usage["reasoning"]:
        # xAI: completion_tokens leave the reasoning out, and the SDK does not know
        usage["output"] += usage["reasoning"]
    return usage


def found_usage(usage: Mapping[str, Any]) -> dict[str, int]:
    prompt = usage.get("prompt_tokens_details") or {}
    completion = usage.get("completion_tokens_details") or {}
    return {
        "input": usage["prompt_tokens"],
        "output": usage["completion_tokens"],
        "cached": prompt.get("cached_tokens") or 0,
        "cache_write": prompt.get("cache_write_tokens") or 0,
        "reasoning": completion.get("reasoning_tokens") or 0,
        "total": usage["total_tokens"],
    }
