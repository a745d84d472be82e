"""Histories in which each tool call has its result right behind it, as every vendor demands.

Agents send others: an interrupted one has calls without results, one that summed up its history has results
without calls, and a user may speak before the results are there. A vendor that refuses such a history once
refuses each later request, because the history is sent again.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from itertools import takewhile

from smart_router.dialects.hub import Message

NO_RESULT = "(no result: the call was interrupted)"
"""The result of a call that has none."""

ORPHAN = "Result of an earlier tool call:"
"""Introduces a result without its call, which becomes the user's words."""


def pair_calls(messages: Sequence[Message]) -> Sequence[Message]:
    """Return the messages with one result behind each call; the same object if they are so already."""
    return messages if _is_paired(messages) else [*_paired(messages)]


def _is_paired(messages: Sequence[Message]) -> bool:
    waiting: list[str] = []
    for message in messages:
        if message["role"] == "tool":
            if message["tool_call_id"] not in waiting:
                return False
            waiting.remove(message["tool_call_id"])
        elif waiting:
            return False
        elif calls := message.get("tool_calls"):
            waiting = [call["id"] for call in calls]
    return not waiting


def _paired(messages: Sequence[Message]) -> Iterator[Message]:
    index = 0
    while index < len(messages):
        message = messages[index]
        index += 1
        if message["role"] == "tool":
            yield _orphan(message)
            continue
        yield message
        if calls := message.get("tool_calls"):
            following = [*takewhile(lambda one: one["role"] != "assistant", messages[index:])]
            index += len(following)
            for call in calls:
                yield _take_result(following, call["id"])
            yield from (_orphan(one) if one["role"] == "tool" else one for one in following)


def _take_result(following: list[Message], id_: str) -> Message:
    for place, one in enumerate(following):
        if one["role"] == "tool" and one["tool_call_id"] == id_:
            return following.pop(place)
    return {"role": "tool", "tool_call_id": id_, "content": NO_RESULT}


def _orphan(result: Message) -> Message:
    content = result.get("content") or ""
    if isinstance(content, str):
        return {"role": "user", "content": f"{ORPHAN}\n{content}"}
    return {"role": "user", "content": [{"type": "text", "text": ORPHAN}, *content]}
