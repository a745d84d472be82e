"""Responses answers as the official SDK reads them, and the grammar of their event streams."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from typing import Any, get_args

from openai._types import omit
from openai.lib.streaming.responses._responses import ResponseStreamState
from openai.types.responses import Response, ResponseStreamEvent
from pydantic import BaseModel

from smart_router.dialects.sse import SseParser

_EVENTS: dict[str, type[BaseModel]] = {
    get_args(model.model_fields["type"].annotation)[0]: model
    for model in get_args(get_args(ResponseStreamEvent)[0])
}
"""By type: as a union, each event would be tried against all of them."""

for _model in (Response, *_EVENTS.values()):
    _model.model_rebuild()  # the SDK leaves it to the first use, which is in each of the forked workers

_LAST = ("response.completed", "response.incomplete", "response.failed")


def events_of(stream: bytes) -> list[dict[str, Any]]:
    """The events of a stream. Each has the name of its type and the next sequence number."""
    parser = SseParser()
    found = []
    for number, event in enumerate([*parser.feed(stream), *parser.close()]):
        data = json.loads(event.data)
        assert data["type"] == event.event
        assert data["sequence_number"] == number
        found.append(data)
    return found


def accumulate(events: Sequence[Mapping[str, Any]]) -> dict[str, Any]:
    """The response that the SDK's accumulator makes of a stream, after a check of types and order."""
    check_grammar(events)
    state: ResponseStreamState[Any] = ResponseStreamState(input_tools=omit, text_format=omit)
    for event in events:
        state.handle_event(_EVENTS[event["type"]].model_validate(event))  # type: ignore[arg-type]
    last = Response.model_validate(events[-1]["response"])
    completed = state._completed_response
    if completed is not None:
        assert completed.output_text == last.output_text
    return last.model_dump(exclude_unset=True, by_alias=True)


def check_grammar(events: Sequence[Mapping[str, Any]]) -> None:
    """Items are added, filled and done in order; pieces make the whole; the last event repeats all items."""
    names = [event["type"] for event in events]
    assert names[:2] == ["response.created", "response.in_progress"]
    assert names[-1] in _LAST
    assert not set(names[2:-1]) & {*_LAST, *names[:2]}
    items: dict[int, dict[str, Any]] = {}
    done: dict[int, Mapping[str, Any]] = {}
    pieces: dict[tuple[Any, ...], str] = {}
    for event in events[2:-1]:
        name, place = event["type"], event.get("output_index", -1)
        if name == "error":
            continue
        if name == "response.output_item.added":
            assert place == len(items), "items are numbered as they begin"
            items[place] = event["item"]
            continue
        assert place not in done, f"{name} of an item that is done"
        if name == "response.output_item.done":
            identity = ("id", "type", "name", "namespace", "call_id")
            for field in identity:
                assert event["item"].get(field) == items[place].get(field)
            done[place] = event["item"]
            continue
        assert event["item_id"] == items[place]["id"]
        base, _, kind = name.rpartition(".")
        key = (base, place, event.get("content_index"), event.get("summary_index"))
        if kind == "delta":
            pieces[key] = pieces.get(key, "") + event["delta"]
        elif kind == "done" and not base.endswith("_part"):
            whole = next(
                event[field] for field in ("text", "refusal", "arguments", "input") if field in event
            )
            assert pieces.pop(key, "") == whole
    assert not pieces, f"begun and not ended: {pieces}"
    if names[-1] != "response.failed":
        assert [item.get("id") for item in items.values()] == [done[place]["id"] for place in items]
        assert events[-1]["response"]["output"] == [done[place] for place in items]


def as_chat(response: Mapping[str, Any]) -> dict[str, Any]:
    """A response in the shape of a chat completion, for comparisons."""
    message: dict[str, Any] = {"content": "", "reasoning_content": "", "refusal": "", "tool_calls": []}
    for item in response["output"]:
        match item["type"]:
            case "message":
                for part in item["content"]:
                    message["content"] += part.get("text") or ""
                    message["refusal"] += part.get("refusal") or ""
            case "reasoning":
                texts = [part["text"] for part in item["summary"]]
                message["reasoning_content"] += "".join(texts)
            case "function_call":
                function = {"name": item["name"], "arguments": item["arguments"]}
                message["tool_calls"].append(
                    {"id": item["call_id"], "type": "function", "function": function}
                )
            case "custom_tool_call":
                custom = {"name": item["name"], "input": item["input"]}
                message["tool_calls"].append({"id": item["call_id"], "type": "custom", "custom": custom})
    answer: dict[str, Any] = {"choices": [{"message": message, "finish_reason": _finish(response, message)}]}
    if usage := response.get("usage"):
        answer["usage"] = {
            "prompt_tokens": usage["input_tokens"],
            "completion_tokens": usage["output_tokens"],
            "total_tokens": usage["total_tokens"],
            "prompt_tokens_details": usage["input_tokens_details"],
            "completion_tokens_details": usage["output_tokens_details"],
        }
    return answer


def _finish(response: Mapping[str, Any], message: Mapping[str, Any]) -> str:
    if response["status"] == "completed":
        return "tool_calls" if message["tool_calls"] else "stop"
    reasons = {"max_output_tokens": "length", "content_filter": "content_filter"}
    return reasons[response["incomplete_details"]["reason"]]
