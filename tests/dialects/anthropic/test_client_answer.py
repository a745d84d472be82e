"""Answers of every provider, as Anthropic's own SDK reads them from the Messages endpoint."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

import pytest
from anthropic.types import Message
from hypothesis import given, settings
from hypothesis import strategies as st

from smart_router.dialects.anthropic.answer import FINISH_REASONS
from smart_router.dialects.anthropic.client import MESSAGES
from smart_router.dialects.anthropic.dialect import AnthropicDialect
from smart_router.dialects.base import CallContext, ChatQuirks, Dialect
from smart_router.dialects.fold import unfold
from smart_router.dialects.gemini.cloudcode import CloudCodeDialect
from smart_router.dialects.gemini.dialect import GeminiDialect
from smart_router.dialects.hub import Event
from smart_router.dialects.model_rules import ModelRules
from smart_router.dialects.openai_chat.dialect import ChatDialect
from smart_router.dialects.openai_responses.dialect import PUBLIC, ResponsesDialect
from smart_router.providers.registry import PROVIDERS
from tests.dialects.anthropic.messages_reading import check_message, read_stream, read_whole
from tests.dialects.anthropic.recorded import OWN_EXPECTATION
from tests.dialects.anthropic.recorded import prepare as prepare_anthropic
from tests.dialects.gemini.gemini_cases import FINISH as GEMINI_FINISH
from tests.dialects.gemini.gemini_cases import cut
from tests.dialects.openai_chat.test_dialect import FINISH as CHAT_FINISH
from tests.dialects.openai_responses.test_dialect import FINISH_REASONS as RESPONSES_FINISH
from tests.dialects.openai_responses.test_dialect import prepare as prepare_responses
from tests.testbed.cases import Case, case_params
from tests.testbed.examples import examples

WIRES: dict[str, tuple[Dialect, Mapping[str, str]]] = {
    "openai-chat": (ChatDialect(), CHAT_FINISH),
    "gemini": (GeminiDialect(), GEMINI_FINISH),
    "cloudcode": (CloudCodeDialect(), GEMINI_FINISH),
    "openai-responses": (ResponsesDialect(PUBLIC), RESPONSES_FINISH),
    "anthropic-messages": (AnthropicDialect(), FINISH_REASONS),
}
PREPARE = {"openai-responses": prepare_responses, "anthropic-messages": prepare_anthropic}
"""Corrections of a wire's oracle, from that wire's own tests."""


CUSTOM_TOOLS = ("chat-completion-custom-tool-call-0-n", "openai-custom-tool-1-0-s")
"""Calls of custom tools, which no Messages request declares."""


def is_read(case: Case) -> bool:
    """Return whether the answer is a success that the Messages format can express."""
    name = case.folder.name
    return case.oracle["error"] is None and name not in (*CUSTOM_TOOLS, *OWN_EXPECTATION)


def recorded(**meta: Any) -> list[Any]:
    """The successful answers of all wires."""
    params = [param for wire in WIRES for param in case_params(wire=wire, status=200, **meta)]
    return [param for param in params if is_read(param.values[0])]


def check(case: Case, message: Message) -> None:
    prepare = PREPARE.get(case.wire)
    if prepare:
        prepare(case)
    check_message(case, message, WIRES[case.wire][1])


def call_of(case: Case) -> CallContext:
    quirks = PROVIDERS[case.provider].quirks if case.provider in PROVIDERS else ChatQuirks()
    rules = ModelRules(thinking="level" if case.model.startswith("gemini-3") else "budget")
    return CallContext(case.provider, case.model, case.stream, 1, "r", rules=rules, quirks=quirks)


def events_of(case: Case, pieces: Iterable[bytes]) -> list[list[Event]]:
    reader = WIRES[case.wire][0].open_stream(call_of(case))
    return [*[reader.feed(piece) for piece in pieces], reader.close()]


@pytest.mark.parametrize("case", recorded(stream=True))
def test_streams(case: Case) -> None:
    check(case, read_stream(events_of(case, [case.body])))


@pytest.mark.parametrize("case", recorded(stream=False))
def test_whole_answers(case: Case) -> None:
    completion = WIRES[case.wire][0].read_answer(case.body, call_of(case))
    assert isinstance(completion, dict)
    check(case, read_whole(completion))
    check(case, read_stream([unfold(completion)]))


STREAMS = [param.values[0] for param in recorded(stream=True)]


@settings(max_examples=examples(60))
@given(st.sampled_from(STREAMS), st.lists(st.integers(0, 1 << 20), max_size=8))
def test_any_split_gives_the_same_bytes(case: Case, places: list[int]) -> None:
    whole = MESSAGES.open_writer({}).write(
        [event for events in events_of(case, [case.body]) for event in events]
    )
    writer = MESSAGES.open_writer({})
    assert b"".join(map(writer.write, events_of(case, cut(case.body, places)))) == whole
