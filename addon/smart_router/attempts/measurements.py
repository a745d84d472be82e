"""Measurements of an attempt's answer: time of first content, usage, model."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from smart_router.dialects.hub import ChatCompletion, Delta, Event, Start, Usage, UsageEvent, is_content


@dataclass(slots=True)
class Measurements:
    """Filled in as the answer is read. `first_content` is in monotonic seconds, for streams alone;
    `characters` are those of the texts and tool calls, to estimate tokens from when `usage` never came.
    """

    first_content: float | None = None
    characters: int = 0
    usage: Usage | None = None
    model: str | None = None
    service_tier: str | None = None

    def take(self, events: Sequence[Event], now: float) -> None:
        """Measure more of a stream."""
        for event in events:
            if type(event) is Delta:
                if self.first_content is None and is_content(event):
                    self.first_content = now
                self.characters += _size(event.delta)
            elif type(event) is Start:
                self.model = event.model
                self._serve(event.extra.get("service_tier"))
            elif type(event) is UsageEvent:
                self.usage = event.usage

    def take_complete(self, answer: ChatCompletion) -> None:
        """A whole answer came."""
        self.model = answer.get("model")
        self.usage = answer.get("usage")
        self.characters = sum(_size(choice["message"]) for choice in answer["choices"])
        self._serve(answer.get("service_tier"))

    def _serve(self, tier: object) -> None:
        if isinstance(tier, str):
            self.service_tier = tier


def _size(message: Mapping[str, Any]) -> int:
    size = len(message.get("content") or "") + len(message.get("reasoning_content") or "")
    for call in message.get("tool_calls") or ():
        size += len((call.get("function") or {}).get("arguments") or "")
    return size
