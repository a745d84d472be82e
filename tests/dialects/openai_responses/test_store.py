"""Kept responses: conversations that a client continues by id, within bounds."""

from __future__ import annotations

import json
from typing import Any

import pytest

from smart_router.dialects.openai_responses.client import RESPONSES
from smart_router.dialects.openai_responses.store import Continued, ResponseStore
from smart_router.errors import ClientError

CLIENT = "laptop"


def user(text: str) -> dict[str, Any]:
    return {"type": "message", "role": "user", "content": text}


def said(text: str) -> dict[str, Any]:
    return {"type": "message", "id": f"msg_{text}", "role": "assistant", "content": text}


def body(**fields: Any) -> bytes:
    return json.dumps({"model": "m", "input": "Hi", **fields}).encode()


def response(id_: str, *output: dict[str, Any]) -> bytes:
    return json.dumps({"id": id_, "output": list(output)}).encode()


def turn(there: ResponseStore, id_: str, text: str, previous: str | None = None, **fields: Any) -> Any:
    """One turn of a conversation; returns the input that providers get."""
    named = {"previous_response_id": previous} if previous else {}
    continued = there.continue_(body(input=text, **named, **fields), CLIENT)
    request: Any = RESPONSES.read_request(continued.body, {})
    there.attach(request, continued, CLIENT, "own")
    if "keep" in request["x_router"]:
        request["x_router"]["keep"](response(id_, said(id_)))
    return json.loads(continued.body)["input"]


def test_a_conversation_is_continued_by_id() -> None:
    store = ResponseStore()
    assert turn(store, "r1", "a") == "a"
    assert turn(store, "r2", "b", "r1") == [user("a"), said("r1"), user("b")]
    assert turn(store, "r3", "c", "r2") == [user("a"), said("r1"), user("b"), said("r2"), user("c")]
    assert turn(store, "r4", "d", "r1") == [user("a"), said("r1"), user("d")], "another branch"


def test_the_answer_names_the_response_before() -> None:
    store = ResponseStore()
    turn(store, "r1", "a")
    continued = store.continue_(body(previous_response_id="r1"), CLIENT)
    request: Any = RESPONSES.read_request(continued.body, {})
    store.attach(request, continued, CLIENT, "own")
    assert request["x_router"]["echo"]["previous_response_id"] == "r1"
    assert "untranslatable" not in request["x_router"]


@pytest.mark.parametrize("client", [None, "phone"])
def test_responses_are_their_client_s_own(client: str | None) -> None:
    store = ResponseStore()
    turn(store, "r1", "a")
    with pytest.raises(ClientError) as raised:
        store.get(client, "r1")
    assert (raised.value.status, raised.value.message) == (404, "Response with id 'r1' not found.")
    with pytest.raises(ClientError):
        store.continue_(body(previous_response_id="r1"), client)


def test_unknown_ids_get_openai_s_errors() -> None:
    store = ResponseStore()
    with pytest.raises(ClientError) as raised:
        store.continue_(body(previous_response_id="r0"), CLIENT)
    found = raised.value
    assert (found.status, found.code, found.param) == (
        400, "previous_response_not_found", "previous_response_id",
    )  # fmt: skip
    with pytest.raises(ClientError) as raised:
        store.continue_(body(input=[{"type": "item_reference", "id": "msg_0"}]), CLIENT)
    assert (raised.value.status, raised.value.param) == (404, "input")


def test_a_conversation_whose_beginning_is_gone_is_not_continued() -> None:
    store = ResponseStore()
    turn(store, "r1", "a")
    turn(store, "r2", "b", "r1")
    store.delete(CLIENT, "r1")
    with pytest.raises(ClientError, match="'r2' not found"):
        turn(store, "r3", "c", "r2")


def test_a_provider_that_repeats_its_ids_makes_no_endless_conversation() -> None:
    store = ResponseStore()
    turn(store, "r1", "a")
    turn(store, "r1", "b", "r1")
    with pytest.raises(ClientError, match="'r1' not found"):
        turn(store, "r2", "c", "r1")


def test_references_are_replaced_by_their_items() -> None:
    store = ResponseStore()
    turn(store, "r1", "a")
    given = [user("a"), {"type": "item_reference", "id": "msg_r1"}, user("b")]
    continued = store.continue_(body(input=given), CLIENT)
    assert json.loads(continued.body)["input"] == [user("a"), said("r1"), user("b")]


def test_store_false_keeps_nothing() -> None:
    store = ResponseStore()
    turn(store, "r1", "a", store=False)
    assert len(store) == 0


def test_a_store_that_is_off_keeps_nothing_and_changes_nothing() -> None:
    store = ResponseStore(most_bytes=0)
    turn(store, "r1", "a")
    named = body(previous_response_id="r1")
    assert (len(store), store.continue_(named, CLIENT)) == (0, Continued(named))
    facts: Any = RESPONSES.read_request(named, {})["x_router"]  # type: ignore[typeddict-item]
    assert facts["untranslatable"][0] == "previous_response_id"


UNCHANGED = [
    b"{",
    b'[]"previous_response_id"',
    b'["previous_response_id"]',
    body(previous_response_id=None),
    body(previous_response_id=5),
    body(previous_response_id="r1", input=5),
    body(previous_response_id="r1", input=""),
    body(input="about item_reference"),
]


@pytest.mark.parametrize("given", UNCHANGED)
def test_what_names_nothing_or_is_no_request_stays_as_it_is(given: bytes) -> None:
    assert ResponseStore().continue_(given, CLIENT) == Continued(given)


def test_the_oldest_responses_go_first() -> None:
    store = ResponseStore(most_bytes=4_000)
    for number in range(5):
        turn(store, f"r{number}", "a")
    assert len(store) == 3
    with pytest.raises(ClientError):
        store.get(CLIENT, "r1")
    assert json.loads(store.get(CLIENT, "r4").response)["id"] == "r4"


def test_a_response_larger_than_the_store_is_not_kept() -> None:
    store = ResponseStore(most_bytes=3_000)
    turn(store, "r1", "a")
    turn(store, "r2", "x" * 4_000)
    assert len(store) == 1


def test_lowering_the_bound_takes_effect_with_the_next_response() -> None:
    store = ResponseStore()
    for number in range(5):
        turn(store, f"r{number}", "a")
    store.most_bytes = 1_500
    turn(store, "r5", "a")
    assert len(store) == 1
