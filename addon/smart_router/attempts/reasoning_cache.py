"""Reasoning that a provider must get back in the next turn, kept for clients that drop it.

Anthropic, Gemini and OpenAI refuse or spoil a tool loop whose signatures are missing, and most OpenAI
clients send back only the fields that they know.
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Callable, Iterable, Sequence
from typing import Any, NamedTuple

from pydantic_core import to_json

from smart_router.dialects.conversation import History, call_key
from smart_router.dialects.fold import fold
from smart_router.dialects.hub import (
    ChatCompletion,
    ChatRequest,
    Delta,
    End,
    Event,
    Message,
    ReasoningDetail,
    Start,
)
from smart_router.routing.decision import Candidate

MOST_ENTRIES = 10_000
MOST_BYTES = 32 << 20
"""Limits of the cache, in entries (one for each tool call) and in bytes of JSON."""

ENTRY_BYTES = 500
"""Approximate bytes of an entry besides its details."""


class Scope(NamedTuple):
    """Recipients of cached reasoning: one client, at one provider, for models of one owner.

    `client` is the name under `[clients]`, None without a key. `owner` is the vendor before the slash where a
    provider sells models of several: their signatures are not valid for each other's models.
    """

    client: str | None
    provider: str
    owner: str


def scope_of(client: str | None, candidate: Candidate) -> Scope:
    """The scope of an attempt."""
    return Scope(client, candidate.provider, candidate.model.rpartition("/")[0])


class ReasoningCache:
    """Reasoning details by tool call; the least recently used go first.

    A call's id alone names nothing: some providers number the calls of each answer, and a client could guess
    another's. Its key (see `call_key`) also covers the scope and all messages before the turn, so a client
    that has changed them, such as by compaction, gets nothing. `told`, if there is one, is called with what
    is kept here; turns that have no details are then kept as such.
    """

    def __init__(self, most_entries: int = MOST_ENTRIES, most_bytes: int = MOST_BYTES) -> None:
        self._most_entries = most_entries
        self._most_bytes = most_bytes
        self.told: Callable[[Sequence[str], Sequence[ReasoningDetail]], None] | None = None
        self._bytes = 0
        self._entries: OrderedDict[str, tuple[Sequence[ReasoningDetail], int]] = OrderedDict()

    def __len__(self) -> int:
        return len(self._entries)

    def get(self, key: str) -> Sequence[ReasoningDetail]:
        """The details of the turn that made this call; empty if unknown."""
        if (entry := self._entries.get(key)) is None:
            return ()
        self._entries.move_to_end(key)
        return entry[0]

    def put(self, keys: Sequence[str], details: Sequence[ReasoningDetail]) -> None:
        """Keep a turn's details under the keys of its calls."""
        size = len(to_json(details)) + ENTRY_BYTES
        if size * len(keys) > self._most_bytes:
            return
        for key in keys:
            if (old := self._entries.pop(key, None)) is not None:
                self._bytes -= old[1]
            self._entries[key] = details, size
            self._bytes += size
        while len(self._entries) > self._most_entries or self._bytes > self._most_bytes:
            self._bytes -= self._entries.popitem(last=False)[1][1]

    def store(
        self, completion: ChatCompletion, history: History, scope: Scope, *, texts: bool = False
    ) -> None:
        """Keep the details of a complete answer; with `texts` also reasoning that comes without any."""
        for choice in completion["choices"]:
            message = choice["message"]
            calls = message.get("tool_calls")
            details = message.get("reasoning_details")
            if texts and not details and (text := message.get("reasoning_content")):
                details = [{"type": "reasoning.text", "text": text}]
            if calls and (details or self.told):
                before = history.before_answer()
                keys = [call_key(scope, before, call) for call in calls]
                self.put(keys, details or ())
                if self.told is not None:
                    self.told(keys, details or ())

    def restore(self, request: ChatRequest, history: History, scope: Scope) -> ChatRequest:
        """The request with the details of those turns that came back without; itself if there are none."""
        if not self._entries:
            return request
        messages = request["messages"]
        found = {
            index: details
            for index, message in enumerate(messages)
            if _lacks_details(message) and (details := self._find(message, history.before(index), scope))
        }
        if not found:
            return request
        restored = [*messages]
        for index, details in found.items():
            restored[index] = {**messages[index], "reasoning_details": list(details)}
        return {**request, "messages": restored}

    def unknown(self, request: ChatRequest, history: History, scope: Scope) -> list[str]:
        """The keys of turns without details of which nothing is known, not even that there are none."""
        return [
            key
            for index, message in enumerate(request["messages"])
            if _lacks_details(message)
            and (key := call_key(scope, history.before(index), message["tool_calls"][0])) not in self._entries
        ]

    def _find(self, message: Message, before: str, scope: Scope) -> Sequence[ReasoningDetail]:
        """A turn's details, by any of its calls: a client may have dropped some."""
        keys = (call_key(scope, before, call) for call in message["tool_calls"])
        return next(filter(None, map(self.get, keys)), ())


def _lacks_details(message: Message) -> bool:
    return bool(
        message["role"] == "assistant" and message.get("tool_calls") and not message.get("reasoning_details")
    )


class ReasoningCollector:
    """Gathers the parts of an answer that a later turn must send back."""

    def __init__(self) -> None:
        self._deltas: list[Event] = []
        self._has_details = False

    def take(self, events: Iterable[Event], *, texts: bool = False) -> None:
        """Look through more of the answer; with `texts` also for reasoning that comes without details."""
        for event in events:
            if type(event) is Delta:
                if "reasoning_details" in event.delta or (texts and "reasoning_content" in event.delta):
                    self._has_details = True
                    self._deltas.append(event)
                elif "tool_calls" in event.delta:
                    self._deltas.append(event)

    def store(self, cache: ReasoningCache, history: History, scope: Scope, *, texts: bool = False) -> None:
        """The answer is complete: keep its details."""
        if not self._has_details and not (cache.told and self._deltas):
            return
        folded: Any = fold([Start("", "", 0), *self._deltas, End()])
        cache.store(folded, history, scope, texts=texts)
