"""From a stream's events to one whole answer, and back.

For providers that only stream when the client did not ask for a stream, and the other way round.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from itertools import chain
from typing import Any, cast

from smart_router.dialects.errors import broken
from smart_router.dialects.hub import (
    ChatCompletion,
    Choice,
    Delta,
    End,
    Event,
    Failure,
    Finish,
    FinishReason,
    Message,
    ReasoningDetail,
    Start,
    ToolCall,
    Usage,
    UsageEvent,
    make_completion,
)
from smart_router.errors import UpstreamError

Joins = Mapping[str, Callable[[Sequence[Any]], Any]]
"""By the name of a field, the way to join its fragments."""

_NAMED = frozenset({"id", "object", "created", "model", "choices", "usage"})
_REASONING = ("reasoning_content", "reasoning_details")


def fold(events: Iterable[Event]) -> ChatCompletion | UpstreamError:
    """Return the whole answer of a stream's events, or the failure that ended them."""
    start: Start | None = None
    usage: Usage | None = None
    ended = False
    deltas: dict[int, list[Mapping[str, Any]]] = {}
    extras: dict[int, list[Mapping[str, Any]]] = {}
    reasons: dict[int, FinishReason] = {}
    for event in events:
        match event:
            case Delta(delta, choice, extra):
                deltas.setdefault(choice, []).append(delta)
                extras.setdefault(choice, []).append(extra)
            case Finish(reason, choice, extra):
                reasons[choice] = reason
                extras.setdefault(choice, []).append(extra)
            case Start():
                start = start or event
            case UsageEvent(counted):
                usage = counted
            case Failure(error):
                return error
            case End():
                ended = True
    if start is None or not ended:
        return broken("the provider's stream ended early")
    choices = [
        _choice(index, deltas.get(index, []), reasons.get(index), extras[index]) for index in sorted(extras)
    ]
    return make_completion(start, choices, usage)


def unfold(completion: ChatCompletion) -> list[Event]:
    """Return the events that fold to this answer: each choice's reasoning, content and tool calls."""
    top = cast(dict[str, Any], completion)
    others = {name: value for name, value in top.items() if name not in _NAMED}
    events: list[Event] = [Start(completion["id"], completion["model"], completion["created"], others)]
    for choice in completion["choices"]:
        events += _unfold_message(choice)
    for choice in completion["choices"]:
        extra = {name: value for name, value in choice.items() if name not in Choice.__annotations__}
        if reason := choice["finish_reason"]:
            events.append(Finish(reason, choice["index"], extra))
    if usage := completion.get("usage"):
        events.append(UsageEvent(usage))
    return [*events, End()]


def _unfold_message(choice: Choice) -> list[Event]:
    rest = cast(dict[str, Any], choice["message"]).copy()
    rest.pop("role", None)
    reasoning = {name: rest.pop(name) for name in _REASONING if name in rest}
    calls: list[ToolCall] | None = rest.pop("tool_calls", None)
    logprobs = {"logprobs": choice["logprobs"]} if "logprobs" in choice else {}
    index = choice["index"]
    events: list[Event] = [Delta(reasoning, index)] if reasoning else []
    events.append(Delta(rest, index, logprobs))
    if calls:
        events.append(Delta({"tool_calls": [{**call, "index": n} for n, call in enumerate(calls)]}, index))
    return events


def _choice(
    index: int,
    deltas: Sequence[Mapping[str, Any]],
    reason: FinishReason | None,
    extras: Sequence[Mapping[str, Any]],
) -> Choice:
    message = {"role": "assistant", "content": None, **_join_objects(deltas, _OF_MESSAGES)}
    choice: Choice = {"index": index, "message": cast(Message, message), "finish_reason": reason}
    return cast(Choice, {**_join_objects(extras), **choice})


def _join_objects(pieces: Iterable[Mapping[str, Any]], joins: Joins | None = None) -> dict[str, Any]:
    """Join fragments of one JSON object, field by field; `joins` are other ways than `_join`."""
    joins = _OF_OBJECTS if joins is None else joins
    values: dict[str, list[Any]] = {}
    for piece in pieces:
        for name, value in piece.items():
            values.setdefault(name, []).append(value)
    return {name: joins.get(name, _join)(found) for name, found in values.items()}


def _join(values: Sequence[Any]) -> Any:
    """Join texts, lists and objects; return the last of any other values."""
    present = [value for value in values if value is not None]
    kinds = {type(value) for value in present}
    if kinds == {str}:
        return "".join(present)
    if kinds == {list}:
        return list(chain.from_iterable(present))
    if kinds == {dict}:
        return _join_objects(present)
    return present[-1] if present else None


def _last(values: Sequence[Any]) -> Any:
    return next((value for value in reversed(values) if value is not None), None)


def join_tool_calls(lists: Sequence[list[dict[str, Any]]]) -> list[dict[str, Any]]:
    """Join fragments of calls by their `index`, which only streams have."""
    by_index: dict[int, list[dict[str, Any]]] = {}
    for fragment in chain.from_iterable(lists):
        by_index.setdefault(fragment["index"], []).append(fragment)
    calls = [_join_objects(by_index[index]) for index in sorted(by_index)]
    for call in calls:
        del call["index"]
    return calls


def join_details(lists: Sequence[list[ReasoningDetail] | None]) -> list[ReasoningDetail]:
    """Join fragments with the same index and type, unless their ids differ."""
    groups: list[list[ReasoningDetail]] = []
    for fragment in chain.from_iterable(found for found in lists if found):
        group = next((group for group in reversed(groups) if _continues(group, fragment)), None)
        if group is None:
            groups.append([fragment])
        else:
            group.append(fragment)
    joined = [_join_objects(cast(list[Mapping[str, Any]], group)) for group in groups]
    return cast(list[ReasoningDetail], joined)


def _continues(group: Sequence[ReasoningDetail], fragment: ReasoningDetail) -> bool:
    first = group[0]
    if "index" not in fragment or first.get("index") != fragment["index"]:
        return False
    ids = [piece["id"] for piece in (*group, fragment) if piece.get("id")]
    return first.get("type") == fragment.get("type") and all(other == ids[0] for other in ids)


_OF_OBJECTS: Joins = dict.fromkeys(("id", "type", "name", "index", "format"), _last)
_OF_MESSAGES: Joins = {**_OF_OBJECTS, "tool_calls": join_tool_calls, "reasoning_details": join_details}
