"""Native streams: a client gets the bytes of each event before a failure, however the bytes are split."""

from __future__ import annotations

import functools
import random
import re

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from smart_router.attempts.native_stream import end_of_events, read_native
from smart_router.dialects.anthropic.dialect import AnthropicDialect
from smart_router.dialects.base import CallContext, Dialect
from smart_router.dialects.gemini.dialect import GeminiDialect
from smart_router.dialects.hub import End, Event, Failure
from smart_router.dialects.openai_chat.dialect import ChatDialect
from smart_router.dialects.openai_responses.dialect import PUBLIC, ResponsesDialect
from smart_router.dialects.untranslated import UNTRANSLATED
from tests.testbed.cases import load_cases
from tests.testbed.examples import examples

DIALECTS: dict[str, Dialect] = {
    "openai-chat": ChatDialect(),
    "anthropic-messages": AnthropicDialect(),
    "gemini": GeminiDialect(),
    "openai-responses": ResponsesDialect(PUBLIC),
}
WIRES = list(DIALECTS)
REFUSED = b'data: {"type": "error", "error": {"type": "overloaded_error", "message": "no", "code": 503}}\n\n'
BROKEN = {
    "refused": REFUSED,
    "no JSON": b'event: x\ndata: {"text": "cut\n\n',
    "too large": b"data: " + b"x" * 70_000,
}
CALL = CallContext("p", "m", True, 1, "r", max_event=60_000)


@functools.cache
def short_stream(wire: str) -> list[bytes]:
    """The events of a recorded stream, of which there are few."""
    bodies = [one.body.replace(b"\r\n", b"\n") for one in load_cases(wire=wire, stream=True, status=200)]
    streams = [re.findall(rb".*?\n\n", one, re.DOTALL) for one in bodies if b"failed" not in one]
    return min((one for one in streams if len(one) > 3), key=len)


def pass_on(dialect: Dialect, chunks: list[bytes]) -> tuple[bytes, list[Event]]:
    """The bytes that a client gets up to the end or the first failure, and the events read."""
    reader = dialect.open_stream(CALL)
    passed, unsent, events = b"", bytearray(), []
    for chunk in chunks:
        events += read_native(reader, chunk, unsent)
        ended = bool(events) and isinstance(events[-1], End)
        end = len(unsent) if ended else end_of_events(unsent)
        passed += bytes(unsent[:end])
        del unsent[:end]
        if ended or (events and isinstance(events[-1], Failure)):
            break
    return passed, events


def cut(data: bytes, chance: random.Random) -> list[bytes]:
    """The data in a few chunks, or many."""
    cuts = sorted(chance.sample(range(1, len(data)), chance.choice([0, 1, 3, 40])))
    return [data[start:end] for start, end in zip([0, *cuts], [*cuts, len(data)], strict=True)]


@pytest.mark.parametrize("why", BROKEN)
@pytest.mark.parametrize("wire", WIRES)
@settings(max_examples=examples(20))
@given(chance=st.randoms(use_true_random=False), crlf=st.booleans())
def test_client_gets_the_events_before_a_failure(
    wire: str, why: str, chance: random.Random, crlf: bool
) -> None:
    events = short_stream(wire)
    good = [b": ping\n\n", *events][: chance.randrange(1, len(events))]
    data = b"".join([*good, BROKEN[why], *events])
    expected = b"".join(good)
    if crlf:
        data, expected = data.replace(b"\n", b"\r\n"), expected.replace(b"\n", b"\r\n")

    passed, read = pass_on(DIALECTS[wire], cut(data, chance))

    assert isinstance(read[-1], Failure)
    assert passed == expected


@pytest.mark.parametrize("wire", sorted({*WIRES} - {"gemini"}))
@settings(max_examples=examples(40))
@given(
    chance=st.randoms(use_true_random=False),
    crlf=st.booleans(),
    ping=st.sampled_from([b"", b": ping\n\n", b"\n"]),
)
def test_client_gets_nothing_that_follows_the_end(
    wire: str, chance: random.Random, crlf: bool, ping: bytes
) -> None:
    """Gemini's streams have no event that ends them."""
    good = ping + b"".join(short_stream(wire))
    data = good + ping + good
    if crlf:
        data, good = data.replace(b"\n", b"\r\n"), good.replace(b"\n", b"\r\n")

    passed, read = pass_on(DIALECTS[wire], cut(data, chance))

    assert isinstance(read[-1], End)
    assert passed in (good, good[:-1] if crlf else good)  # a CR ends the line, too


@pytest.mark.parametrize("wire", WIRES)
def test_client_gets_all_of_a_good_stream(wire: str) -> None:
    body = b"".join(short_stream(wire))
    chunks = [body[at : at + 100] for at in range(0, len(body), 100)]
    passed, _ = pass_on(DIALECTS[wire], chunks)
    assert passed == body


def test_failure_in_an_untranslated_stream_ends_it_too() -> None:
    passed, read = pass_on(UNTRANSLATED, [b'data: {"text": "a"}\n\ndata: {"text": "b"}\n\n' + REFUSED])
    assert passed == b'data: {"text": "a"}\n\ndata: {"text": "b"}\n\n'
    assert isinstance(read[-1], Failure)


@pytest.mark.parametrize(("data", "finished"), [(b'{"text": "a"}', False), (b"[DONE]", True)])
def test_an_untranslated_stream_is_all_there_with_its_mark(data: bytes, finished: bool) -> None:
    reader = UNTRANSLATED.open_stream(CALL)
    reader.feed(b"data: %b\n\n" % data)
    assert reader.finished is finished
