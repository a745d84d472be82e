from __future__ import annotations

from typing import Any

import pytest

from smart_router.routing.decision import Candidate, Decision
from smart_router.routing.sticky import StickyTable, session_key
from tests.routing.fakes import chat

CANDIDATE = Candidate("openai", "gpt")


def decision(asked: str = "auto") -> Decision:
    return Decision(asked, False, 0.5, "MEDIUM", 0.9, (), (CANDIDATE,), False, "")


def test_keeps_until_idle_for_ttl() -> None:
    table = StickyTable(ttl=10)
    table.keep("s", decision(), CANDIDATE, now=0)
    table.keep("s", decision(), CANDIDATE, now=9)
    kept = table.get("s", "auto", now=18.9)
    assert kept and (kept.candidate, kept.tier) == (CANDIDATE, "MEDIUM")
    assert table.get("s", "auto", now=19) is None
    assert table.get("s", "auto:eco", now=10) is None
    assert table.get(None, "auto", now=10) is None


def test_is_bounded_by_size_and_age() -> None:
    table = StickyTable(ttl=10, size=2)
    for i, name in enumerate("abc"):
        table.keep(name, decision(), CANDIDATE, now=i)
    assert [name for name in "abc" if table.get(name, "auto", now=3)] == ["b", "c"]
    table.keep("d", decision(), CANDIDATE, now=100)
    assert len(table) == 1


def test_explicit_models_are_not_kept() -> None:
    table = StickyTable()
    explicit = Decision("openai/gpt", True, None, None, None, (), (CANDIDATE,), False, "")
    table.keep("s", explicit, CANDIDATE, now=0)
    assert len(table) == 0


@pytest.mark.parametrize(
    ("one", "other", "same"),
    [
        (chat("hi"), chat("hi", "hello", "and now?"), True),
        (chat("hi"), chat("hi", temperature=1), True),
        (chat("hi"), chat("ho"), False),
        (chat("hi", user="me"), chat("ho", user="me"), True),
        (chat("hi", user="me"), chat("hi", user="you"), False),
        (chat([{"type": "text", "text": "hi"}]), chat([{"type": "text", "text": "hi"}], "yes", "so"), True),
    ],
)
def test_session_key(one: Any, other: Any, same: bool) -> None:
    assert (session_key(one) == session_key(other)) is same


def test_session_key_sources() -> None:
    system: dict[str, Any] = {
        "messages": [{"role": "system", "content": "be brief"}, *chat("hi")["messages"]]
    }
    assert session_key(system) != session_key(chat("hi"))
    assert session_key(chat("hi"), "id-1") == session_key(chat("ho", user="me"), "id-1")
    assert session_key({"messages": []}) is None
