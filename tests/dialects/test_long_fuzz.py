"""Damaged answers for as long as one likes, run by hand:

`FUZZ_SECONDS=600 uv run pytest -n0 -s -m slow tests/dialects/test_long_fuzz.py`

Every recorded answer is cut, spliced, repeated and overwritten, by bytes and by JSON values, and fed to its
reader in random pieces. Whatever comes of it is events in the hub's order, never an exception.
"""

from __future__ import annotations

import json
import os
import random
import time
from collections.abc import Callable
from typing import Any

import pytest

from smart_router.dialects.anthropic.dialect import AnthropicDialect
from smart_router.dialects.base import CallContext, Dialect
from smart_router.dialects.errors import read_error
from smart_router.dialects.fold import fold
from smart_router.dialects.gemini.cloudcode import CloudCodeDialect
from smart_router.dialects.gemini.dialect import GeminiDialect
from smart_router.dialects.hub import Delta, End, Event, Failure, Finish, Start, UsageEvent
from smart_router.dialects.openai_chat.client import ChatStreamWriter
from smart_router.dialects.openai_chat.dialect import ChatDialect
from smart_router.dialects.openai_responses.dialect import CODEX, ResponsesDialect
from smart_router.providers.registry import PROVIDERS
from tests.testbed.cases import Case, load_cases

SECONDS = float(os.environ.get("FUZZ_SECONDS", "60"))
"""For all dialects together."""

DIALECTS: dict[str, Dialect] = {
    "openai-chat": ChatDialect(),
    "anthropic-messages": AnthropicDialect(),
    "gemini": GeminiDialect(),
    "cloudcode": CloudCodeDialect(),
    "openai-responses": ResponsesDialect(CODEX),
}

ODD: tuple[Any, ...] = (
    None,
    True,
    -1,
    0,
    1e308,
    "",
    "\ud83d",
    [],
    {},
    [[]],
    {"": {}},
    "x" * 300,
    1 << 70,
    [None],
)

PLACES = {Start: 0, Delta: 1, Finish: 2, UsageEvent: 3, End: 4, Failure: 4}
"""An event's place in the order that readers promise."""


def overwrite(body: bytes, chance: random.Random) -> bytes:
    """Some bytes replaced by others."""
    damaged = bytearray(body)
    for _ in range(chance.randint(1, 8)):
        if damaged:
            damaged[chance.randrange(len(damaged))] = chance.randrange(256)
    return bytes(damaged)


def splice(body: bytes, chance: random.Random) -> bytes:
    """A piece left out, and another repeated somewhere."""
    cuts = sorted(chance.randrange(len(body) + 1) for _ in range(4))
    first, second, third, fourth = cuts
    return body[:first] + body[second:third] + body[first:fourth] + body[third:]


def revalue(body: bytes, chance: random.Random) -> bytes:
    """One JSON value in one of the events replaced by something odd."""
    lines = body.split(b"\n")
    number = chance.randrange(len(lines))
    head, brace, tail = lines[number].partition(b"{")
    try:
        value = json.loads(brace + tail)
    except ValueError:
        return splice(body, chance)
    lines[number] = head + json.dumps(put_somewhere(value, chance)).encode()
    return b"\n".join(lines)


def put_somewhere(value: Any, chance: random.Random) -> Any:
    """The value with one of its parts replaced by something odd, or left out."""
    if not isinstance(value, dict | list) or not value or chance.random() < 0.15:
        return chance.choice(ODD)
    key = chance.choice(list(value)) if isinstance(value, dict) else chance.randrange(len(value))
    changed: Any = dict(value) if isinstance(value, dict) else list(value)
    if chance.random() < 0.1:
        del changed[key]
    else:
        changed[key] = put_somewhere(value[key], chance)
    return changed


DAMAGE: tuple[Callable[[bytes, random.Random], bytes], ...] = (overwrite, splice, revalue)


def read(dialect: Dialect, call: CallContext, body: bytes, chance: random.Random) -> list[Event]:
    """The events of a body in random pieces."""
    reader = dialect.open_stream(call)
    events: list[Event] = []
    position = 0
    while position < len(body):
        size = chance.choice((1, 7, 100, 1400, 65536))
        events += reader.feed(body[position : position + size])
        position += size
    return [*events, *reader.close()]


def check(events: list[Event]) -> None:
    """Events are in the hub's order and end, and the client's side can write and fold them."""
    places = [PLACES[type(event)] for event in events]
    assert places == sorted(places)
    assert isinstance(events[-1], End | Failure)
    assert sum(isinstance(event, End | Failure) for event in events) == 1
    ChatStreamWriter(include_usage=True).write(events)
    fold(events)


def attack(case: Case, chance: random.Random) -> None:
    """One damaged answer, as a stream, as a whole and as an error."""
    body = case.body
    for _ in range(chance.randint(1, 3)):
        body = chance.choice(DAMAGE)(body, chance)
    dialect, provider = DIALECTS[case.wire], PROVIDERS.get(case.provider)
    rules = provider.error_rules if provider else ()
    call = CallContext(case.provider, case.model, True, 1_700_000_000, "fuzz", error_rules=rules)
    check(read(dialect, call, body, chance))
    dialect.read_answer(body, call)
    read_error(case.status, case.headers, body, rules, 1_700_000_000.0)


@pytest.mark.slow
def test_no_damaged_answer_raises() -> None:
    cases = [case for case in load_cases() if case.body]
    until, rounds = time.monotonic() + SECONDS, 0
    while time.monotonic() < until:
        chance = random.Random(rounds)  # noqa: S311  # a seed is what makes a failure repeatable
        case = chance.choice(cases)
        try:
            attack(case, chance)
        except Exception as error:
            raise AssertionError(f"round {rounds}: {case.id}") from error
        rounds += 1
    print(f"{rounds} damaged answers")
