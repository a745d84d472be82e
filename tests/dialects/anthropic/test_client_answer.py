"""Answers of every provider, as Anthropic's own SDK reads them from the Messages endpoint."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from smart_router.dialects.anthropic.answer import FINISH_REASONS
from smart_router.dialects.anthropic.dialect import AnthropicDialect
from smart_router.dialects.base import CallContext, Dialect, ModelCapabilities
from smart_router.dialects.fold import unfold
from smart_router.dialects.gemini.cloudcode import CloudCodeDialect
from smart_router.dialects.gemini.dialect import GeminiDialect
from smart_router.dialects.openai_chat.dialect import ChatDialect
from smart_router.dialects.openai_responses.dialect import PUBLIC, ResponsesDialect
from smart_router.providers.registry import PROVIDERS
from tests.dialects.anthropic.messages_reading import check_message, read_stream, read_whole
from tests.dialects.gemini.gemini_cases import FINISH as GEMINI_FINISH
from tests.dialects.openai_chat.test_dialect import FINISH as CHAT_FINISH
from tests.dialects.openai_responses.test_dialect import FINISH_REASONS as RESPONSES_FINISH
from tests.testbed.cases import Case, case_params

WIRES: dict[str, tuple[Dialect, Mapping[str, str]]] = {
    "openai-chat": (ChatDialect(), CHAT_FINISH),
    "gemini": (GeminiDialect(), GEMINI_FINISH),
    "cloudcode": (CloudCodeDialect(), GEMINI_FINISH),
    "openai-responses": (ResponsesDialect(PUBLIC), RESPONSES_FINISH),
    "anthropic-messages": (AnthropicDialect(), FINISH_REASONS),
}


def recorded(**meta: Any) -> list[Any]:
    """The successful answers of all wires."""
    params = [param for wire in WIRES for param in case_params(wire=wire, status=200, **meta)]
    return [param for param in params if param.values[0].oracle["error"] is None]


def call_of(case: Case) -> CallContext:
    quirks = PROVIDERS[case.provider].quirks if case.provider in PROVIDERS else ()
    rules = ModelCapabilities(thinking="level" if case.model.startswith("gemini-3") else "budget")
    return CallContext(case.provider, case.model, case.stream, 1, "r", rules=rules, **({"quirks": quirks} if quirks else {}))


@pytest.mark.parametrize("case", recorded(stream=True))
def test_streams(case: Case) -> None:
    dialect, finish = WIRES[case.wire]
    reader = dialect.open_stream(call_of(case))
    check_message(case, read_stream([reader.feed(case.body), reader.close()]), finish)


@pytest.mark.parametrize("case", recorded(stream=False))
def test_whole_answers(case: Case) -> None:
    dialect, finish = WIRES[case.wire]
    completion = dialect.read_answer(case.body, call_of(case))
    assert isinstance(completion, dict)
    check_message(case, read_whole(completion), finish)
    check_message(case, read_stream([unfold(completion)]), finish)
