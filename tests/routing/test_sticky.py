from __future__ import annotations

from typing import Any

import pytest

from smart_router.routing.decision import Candidate, Decision
from smart_router.routing.sticky import SessionKeys, StickyTable, session_keys
from tests.routing.fakes import chat

CANDIDATE = Candidate("openai", "gpt")


def decision(asked: str = "auto") -> Decision:
    return Decision(asked, False, 0.5, "MEDIUM", 0.9, None, (CANDIDATE,), False, "")


def test_keeps_until_idle_for_ttl() -> None:
    table = StickyTable(ttl=10)
    table.keep(("s",), decision(), CANDIDATE, now=0)
    table.keep(("s",), decision(), CANDIDATE, now=9)
    kept = table.get(("s",), "auto", now=18.9)
    assert kept and (kept.candidate, kept.tier) == (CANDIDATE, "MEDIUM")
    assert table.get(("s",), "auto", now=19) is None
    assert table.get(("s",), "auto:eco", now=10) is None
    assert table.get((), "auto", now=10) is None


def test_is_bounded_by_size_and_age() -> None:
    table = StickyTable(ttl=10, size=2)
    for i, name in enumerate("abc"):
        table.keep((name,), decision(), CANDIDATE, now=i)
    assert [name for name in "abc" if table.get((name,), "auto", now=3)] == ["b", "c"]
    table.keep(("d",), decision(), CANDIDATE, now=100)
    assert len(table) == 1


def test_explicit_models_are_not_kept() -> None:
    table = StickyTable()
    explicit = Decision("openai/gpt", True, None, None, None, None, (CANDIDATE,), False, "")
    table.keep(("s",), explicit, CANDIDATE, now=0)
    assert len(table) == 0


def test_the_first_key_that_has_something_decides() -> None:
    table = StickyTable(ttl=10)
    other = Candidate("openai", "other")
    table.keep(("thread",), decision(), CANDIDATE, now=0)
    table.keep(("session",), decision(), other, now=5)
    found = [table.get(("thread", "session"), "auto", now) for now in (6, 12, 20)]
    assert [kept and kept.candidate for kept in found] == [CANDIDATE, other, None]


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
def test_session(one: Any, other: Any, same: bool) -> None:
    assert (session_keys(one).session == session_keys(other).session) is same


def test_session_sources() -> None:
    system: dict[str, Any] = {
        "messages": [{"role": "system", "content": "be brief"}, *chat("hi")["messages"]]
    }
    assert session_keys(system).session != session_keys(chat("hi")).session
    by_id = session_keys(chat("hi"), header="id-1").session
    assert by_id == session_keys(chat("ho", user="me"), header="id-1").session
    assert session_keys({"messages": []}) == SessionKeys(None, (), False)


NAMED: list[tuple[dict[str, Any], str]] = [
    ({}, ""),
    ({"user": "me"}, ""),
    ({"prompt_cache_key": "k"}, ""),
    ({"user": "me"}, "id-1"),
]


@pytest.mark.parametrize(("fields", "header"), NAMED)
def test_names_are_one_clients_own(fields: dict[str, Any], header: str) -> None:
    request = chat("hi", "hello", "and now?", **fields)
    keys = [session_keys(request, client, header) for client in (None, "alice", "bob")]
    assert len({one.session for one in keys}) == 3
    assert len({key for one in keys for key in one.sticky}) == sum(len(one.sticky) for one in keys)


@pytest.mark.parametrize(("fields", "header"), NAMED)
def test_a_first_turn_looks_nothing_up_and_is_found_by_the_second(
    fields: dict[str, Any], header: str
) -> None:
    first = session_keys(chat("hi", **fields), header=header)
    second = session_keys(chat("hi", "hello", "and now?", **fields), header=header)
    other = session_keys(chat("ho", "hello", "and now?", **fields), header=header)
    assert first.earlier == ()
    assert first.sticky == second.earlier
    assert first.sticky[0] != other.sticky[0]


def test_a_later_turn_with_another_beginning_is_found_by_its_session_id_alone() -> None:
    one, other = chat("hi", "hello", "and now?", user="me"), chat("summary", "ok", "go on", user="me")
    by_id = [set(session_keys(request, header="id-1").sticky) for request in (one, other)]
    by_user = [set(session_keys(request).sticky) for request in (one, other)]
    assert by_id[0] & by_id[1]
    assert not by_user[0] & by_user[1]


def test_marks_of_prompt_caches_and_the_form_of_a_text_do_not_change_the_thread() -> None:
    def keys(content: Any) -> Any:
        return session_keys({"messages": [{"role": "user", "content": content}]})

    part = {"type": "text", "text": "Hi"}
    marked = {**part, "cache_control": {"type": "ephemeral"}}
    assert keys([marked]) == keys([part]) == keys("Hi") != keys("Ho")
