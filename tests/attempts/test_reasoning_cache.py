"""Cached reasoning returns to its own conversation, and the oldest is dropped."""

from __future__ import annotations

import copy
from typing import Any

import pytest

from smart_router.attempts.reasoning_cache import ReasoningCache, ReasoningCollector, scope_of
from smart_router.dialects.conversation import History
from smart_router.dialects.hub import Delta, End, Event, Finish, Start
from smart_router.routing.decision import Candidate

START = Start("id", "m", 1)
SCOPE = scope_of("alice", Candidate("openrouter", "moonshotai/kimi-k3"))
ASKED: list[Any] = [{"role": "system", "content": "be brief"}, {"role": "user", "content": "weather?"}]


def detail(text: str, index: int = 0) -> Any:
    return {"type": "reasoning.text", "text": text, "format": "f", "index": index}


def call(name: str, index: int = 0, choice: int = 0) -> Delta:
    return Delta({"tool_calls": [{"index": index, **made(name)}]}, choice)


def made(name: str, arguments: str = "{}") -> dict[str, Any]:
    return {"id": name, "type": "function", "function": {"name": "f", "arguments": arguments}}


def stored(events: list[Event], cache: ReasoningCache | None = None) -> ReasoningCache:
    """A cache after an answer to `ASKED`."""
    cache, collector = cache or ReasoningCache(), ReasoningCollector()
    for event in events:
        collector.take([event])
    collector.store(cache, History(ASKED), SCOPE)
    return cache


def answer(thought: str, *calls: str) -> list[Event]:
    made = [call(name, index) for index, name in enumerate(calls)]
    return [START, Delta({"reasoning_details": [detail(thought)]}), *made, Finish("tool_calls"), End()]


def turn(*calls: dict[str, Any], **fields: Any) -> list[Any]:
    """An assistant's turn and the tools' results, as a client sends them back that dropped the reasoning."""
    results = [{"role": "tool", "tool_call_id": one["id"], "content": "rain"} for one in calls]
    return [{"role": "assistant", "content": None, "tool_calls": list(calls), **fields}, *results]


def restored(cache: ReasoningCache, messages: list[Any], scope: Any = SCOPE) -> list[str | None]:
    """The thoughts that each assistant turn goes up with."""
    request: Any = {"model": "auto", "messages": copy.deepcopy(messages)}
    found: Any = cache.restore(request, History(messages), scope)
    assert request["messages"] == messages, "the request itself is not changed"
    return [
        "".join(piece["text"] for piece in message.get("reasoning_details", [])) or None
        for message in found["messages"]
        if message["role"] == "assistant"
    ]


def test_each_call_of_a_turn_finds_its_details() -> None:
    cache = stored(
        [
            START,
            Delta({"reasoning_details": [detail("Hm", 0)]}),
            Delta({"reasoning_details": [detail("m.", 0)]}),
            Delta({"content": "text"}),
            call("one"),
            call("two", 1),
            Finish("tool_calls"),
            End(),
        ]
    )
    assert len(cache) == 2
    for calls in (["one", "two"], ["one"], ["two"], ["three", "two"]):
        assert restored(cache, [*ASKED, *turn(*map(made, calls))]) == ["Hmm."]
    assert restored(cache, [*ASKED, *turn(made("three"))]) == [None]


def test_choices_are_kept_apart() -> None:
    cache = stored(
        [
            START,
            Delta({"reasoning_details": [detail("A")]}, 0),
            Delta({"reasoning_details": [detail("B")]}, 1),
            call("one", choice=0),
            call("two", choice=1),
        ]
    )
    assert [restored(cache, [*ASKED, *turn(made(name))]) for name in ("one", "two")] == [["A"], ["B"]]


@pytest.mark.parametrize(
    "events",
    [
        [START, Delta({"content": "x"})],
        [START, call("one")],
        [START, Delta({"reasoning_details": [detail("A")]})],
    ],
    ids=["text", "no details", "no calls"],
)
def test_turns_without_calls_or_details_store_nothing(events: list[Event]) -> None:
    assert len(stored(events)) == 0


OTHERS = {
    "another client": scope_of("bob", Candidate("openrouter", "moonshotai/kimi-k3")),
    "no client": scope_of(None, Candidate("openrouter", "moonshotai/kimi-k3")),
    "another provider": scope_of("alice", Candidate("groq", "moonshotai/kimi-k3")),
    "another owner's model": scope_of("alice", Candidate("openrouter", "anthropic/claude-opus-5.5")),
}


@pytest.mark.parametrize("scope", OTHERS.values(), ids=OTHERS)
def test_reasoning_stays_in_its_scope(scope: Any) -> None:
    cache = stored(answer("A", "call"))
    assert restored(cache, [*ASKED, *turn(made("call"))], scope) == [None]


def test_another_model_of_the_same_owner_gets_reasoning() -> None:
    scope = scope_of("alice", Candidate("openrouter", "moonshotai/kimi-k3-thinking"))
    assert restored(stored(answer("A", "call")), [*ASKED, *turn(made("call"))], scope) == ["A"]


CHANGED: dict[str, list[Any]] = {
    "another system prompt": [{"role": "system", "content": "be long"}, *ASKED[1:], *turn(made("call"))],
    "another question": [ASKED[0], {"role": "user", "content": "news?"}, *turn(made("call"))],
    "more before": [*ASKED, {"role": "assistant", "content": "?"}, ASKED[1], *turn(made("call"))],
    "other arguments": [*ASKED, *turn(made("call", '{"x":1}'))],
    "an equal call one turn later": [*ASKED, *turn(made("first")), *turn(made("call"))],
}


@pytest.mark.parametrize("messages", CHANGED.values(), ids=CHANGED)
def test_equal_call_of_another_turn_gets_nothing(messages: list[Any]) -> None:
    assert set(restored(stored(answer("A", "call")), messages)) == {None}


def test_turns_of_one_conversation_with_equal_calls_are_kept_apart() -> None:
    cache = stored(answer("A", "f:0"))
    longer = [*ASKED, *turn(made("f:0"))]
    collector = ReasoningCollector()
    collector.take(answer("B", "f:0"))
    collector.store(cache, History(longer), SCOPE)
    assert restored(cache, [*longer, *turn(made("f:0"))]) == ["A", "B"]


def test_details_from_the_client_are_kept() -> None:
    echoed = turn(made("call"), reasoning_details=[detail("echoed")])
    assert restored(stored(answer("A", "call")), [*ASKED, *echoed]) == ["echoed"]


def test_least_recently_used_entries_are_dropped() -> None:
    cache = ReasoningCache(most_entries=2)
    for name in ("one", "two"):
        cache.put([name], [detail(name)])
    assert cache.get("one")
    cache.put(["three"], [detail("three")])
    assert (len(cache), cache.get("two")) == (2, ())
    assert [cache.get(name)[0].get("text") for name in ("one", "three")] == ["one", "three"]


def test_size_is_bounded() -> None:
    cache = ReasoningCache(most_bytes=10_000)
    for number in range(20):
        cache.put([f"{number}"], [detail("x" * 2_000)])
    assert [number for number in range(20) if cache.get(f"{number}")] == [17, 18, 19]
    cache.put(["19"], [detail("y" * 2_000)])
    assert len(cache) == 3, "an entry that is replaced is not counted twice"
    cache.put(["large"], [detail("x" * 20_000)])
    assert (len(cache), cache.get("large")) == (3, ()), "what can never fit drives nothing out"
