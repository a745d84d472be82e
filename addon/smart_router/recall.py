"""What earlier turns' reasoning must send back, for clients that drop the extension field."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Iterable, Sequence
from typing import Any

from smart_router.dialects.fold import fold
from smart_router.dialects.hub import ChatCompletion, Delta, End, Event, ReasoningDetail, Start


class Recall:
    """Reasoning details by the id of a tool call made in the same turn; the oldest are forgotten.

    Anthropic, Gemini and OpenAI refuse or spoil a tool loop whose signatures are missing, and most OpenAI
    clients send back only the fields that they know.
    """

    def __init__(self, size: int = 10_000) -> None:
        self._size = size
        self._details: OrderedDict[str, Sequence[ReasoningDetail]] = OrderedDict()

    def __len__(self) -> int:
        return len(self._details)

    def get(self, tool_call_id: str) -> Sequence[ReasoningDetail]:
        """The details of the turn that made this call; empty if unknown."""
        return self._details.get(tool_call_id, ())

    def put(self, tool_call_ids: Iterable[str], details: Sequence[ReasoningDetail]) -> None:
        """Remember the details of a turn under each of its calls."""
        for tool_call_id in tool_call_ids:
            self._details[tool_call_id] = details
            self._details.move_to_end(tool_call_id)
        while len(self._details) > self._size:
            self._details.popitem(last=False)


class Carried:
    """Gathers, from an answer's events, what a later turn must send back."""

    def __init__(self) -> None:
        self._deltas: list[Event] = []
        self._has_details = False

    def take(self, events: Iterable[Event]) -> None:
        """Look through more of the answer."""
        for event in events:
            if type(event) is Delta:
                if "reasoning_details" in event.delta:
                    self._has_details = True
                    self._deltas.append(event)
                elif "tool_calls" in event.delta:
                    self._deltas.append(event)

    def remember(self, recall: Recall) -> None:
        """The answer is complete: keep its details under the ids of its tool calls."""
        if not self._has_details:
            return
        folded: Any = fold([Start("", "", 0), *self._deltas, End()])
        remember(folded, recall)


def remember(completion: ChatCompletion, recall: Recall) -> None:
    """Keep the details of a complete answer under the ids of its tool calls."""
    for choice in completion["choices"]:
        message = choice["message"]
        if details := message.get("reasoning_details"):
            recall.put([call["id"] for call in message.get("tool_calls", ())], details)
