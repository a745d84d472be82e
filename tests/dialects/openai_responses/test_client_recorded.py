"""Recorded answers of every wire, written for a Responses client: the SDK reads what the oracle says."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import NamedTuple

import pytest
from openai.types.responses import Response

from smart_router.dialects.base import CallContext, Dialect
from smart_router.dialects.fold import unfold
from smart_router.dialects.formats import DIALECTS
from smart_router.dialects.hub import ChatRequest, Event, Failure
from smart_router.dialects.openai_responses.client import RESPONSES
from smart_router.errors import UpstreamError
from tests.dialects.anthropic.test_dialect import FINISH_REASONS as ANTHROPIC_FINISH
from tests.dialects.anthropic.test_dialect import call_for as anthropic_call
from tests.dialects.anthropic.test_dialect import prepare as prepare_anthropic
from tests.dialects.gemini.gemini_cases import FINISH as GEMINI_FINISH
from tests.dialects.gemini.gemini_cases import case_call as gemini_call
from tests.dialects.openai_chat.chat_wire import FINISH as CHAT_FINISH
from tests.dialects.openai_chat.chat_wire import call_to as chat_call
from tests.dialects.openai_responses.test_dialect import FINISH_REASONS as RESPONSES_FINISH
from tests.dialects.openai_responses.test_dialect import call_for as responses_call
from tests.dialects.openai_responses.test_dialect import prepare as prepare_responses
from tests.testbed.cases import Case, case_params
from tests.testbed.oracle import compare
from tests.testbed.responses_sdk import accumulate, as_chat, events_of

ASKED: ChatRequest = RESPONSES.read_request(b'{"model": "m", "input": "Hi"}', {})


class Wire(NamedTuple):
    """How a wire's recorded answers are read."""

    dialect: str
    call: Callable[[Case], CallContext]
    finish: Mapping[str, str]
    prepare: Callable[[Case], None] = lambda case: None


WIRES = {
    "openai-chat": Wire("openai-chat", lambda case: chat_call(case.provider, case.model), CHAT_FINISH),
    "anthropic-messages": Wire("anthropic", anthropic_call, ANTHROPIC_FINISH, prepare_anthropic),
    "gemini": Wire("gemini", gemini_call, GEMINI_FINISH),
    "cloudcode": Wire("cloudcode", gemini_call, GEMINI_FINISH),
    "openai-responses": Wire("responses", responses_call, RESPONSES_FINISH, prepare_responses),
}

CASES = case_params(status=200)

STOPPED_WITH_CALLS = {
    "openai-chat-model-gemini-complete-return-true-output-types1-bool-0-s",
    "penai-chat-model-gemini-acomplete-return-true-output-types1-bool-0-s",
    "test-retry-chat-model-complete-openai-1-s",
}
"""Cases whose finish reason is `stop` in spite of tool calls; a response is `completed` either way."""


def finish_of(case: Case) -> Mapping[str, str]:
    finish = WIRES[case.wire].finish
    return {**finish, "stop+tools": "tool_calls"} if case.folder.name in STOPPED_WITH_CALLS else finish


@pytest.mark.parametrize("case", CASES)
def test_recorded_answers(case: Case) -> None:
    wire = WIRES[case.wire]
    wire.prepare(case)
    dialect, call = DIALECTS[wire.dialect], wire.call(case)
    if not case.stream:
        completion = dialect.read_answer(case.body, call)
        if isinstance(completion, UpstreamError):
            assert case.oracle["error"] is not None
            return
        whole = Response.model_validate_json(RESPONSES.write_answer(completion, ASKED))
        compare(case, as_chat(whole.model_dump(exclude_unset=True)), finish_of(case))
        check_stream(case, unfold(completion))
        return
    events = read(dialect, call, [case.body])
    check_stream(case, events)
    assert written(events) == written_one_by_one(events)


def check_stream(case: Case, events: Sequence[Event]) -> None:
    told = events_of(written(events))
    if isinstance(events[-1], Failure):
        assert case.oracle["error"] is not None
        assert [event["type"] for event in told[-2:]] == ["error", "response.failed"]
        return
    compare(case, as_chat(accumulate(told)), finish_of(case))


def read(dialect: Dialect, call: CallContext, chunks: Sequence[bytes]) -> list[Event]:
    reader = dialect.open_stream(call)
    events = [event for chunk in chunks for event in reader.feed(chunk)]
    return [*events, *reader.close()]


def written(events: Sequence[Event]) -> bytes:
    return RESPONSES.open_writer(ASKED).write(events)


def written_one_by_one(events: Sequence[Event]) -> bytes:
    writer = RESPONSES.open_writer(ASKED)
    return b"".join(writer.write([event]) for event in events)
