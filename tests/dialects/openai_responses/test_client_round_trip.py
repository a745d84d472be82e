"""A tool loop's second turn through a Responses client: the provider gets its own turn back as it was."""

from __future__ import annotations

import json
from dataclasses import replace
from typing import Any

import pytest

from smart_router.dialects.base import CallContext, Dialect
from smart_router.dialects.fold import fold
from smart_router.dialects.formats import DIALECTS
from smart_router.dialects.hub import ChatCompletion, Message
from smart_router.dialects.native import Received
from smart_router.dialects.openai_responses.client import RESPONSES
from smart_router.dialects.openai_responses.dialect import CODEX, PUBLIC, ResponsesDialect
from smart_router.dialects.packed_reasoning import MARK
from tests.dialects.openai_responses.test_client_recorded import ASKED, WIRES, read
from tests.testbed.cases import Case, load_cases

CUT_OFF = {"sdk-incomplete-partial-json-response-0-s"}
"""Cases whose call was cut off by max_tokens: no client sends such a call back."""

CUSTOM = {"chat-completion-custom-tool-call-0-n", "openai-custom-tool-1-0-s"}
"""Cases with a call of a custom tool, which is translated as a function: see the tests of the tools."""

CASES = [
    pytest.param(case, id=case.id)
    for case in load_cases(status=200)
    if case.oracle["tool_calls"] and case.oracle["error"] is None and case.folder.name not in CUT_OFF | CUSTOM
]

INPUT: dict[str, Any] = {"role": "user", "content": "Hi"}


@pytest.mark.parametrize("case", CASES)
def test_a_turn_comes_back_as_it_was(case: Case) -> None:
    wire = WIRES[case.wire]
    dialect, call = DIALECTS[wire.dialect], replace(wire.call(case), extras={"project": "p"})
    completion = answer(case, dialect, call)
    message = completion["choices"][0]["message"]
    direct = {"model": "m", "messages": [INPUT, message, *results(message)], "stream": False}
    items = json.loads(RESPONSES.write_answer(completion, ASKED))["output"]
    outputs = [
        {"type": f"{item['type']}_output", "call_id": item["call_id"], "output": "done"}
        for item in items
        if "call_id" in item
    ]
    body = json.dumps({"model": "m", "input": [INPUT, *items, *outputs]}).encode()
    through = RESPONSES.read_request(body, {})
    assert sent(dialect, through, call) == sent(dialect, direct, call)
    for flavour in (PUBLIC, CODEX):
        native = ResponsesDialect(flavour)
        again = native.write_native(received(body), through, call)
        assert again is not None
        assert MARK.encode() not in again.body


def answer(case: Case, dialect: Dialect, call: CallContext) -> ChatCompletion:
    completion = (
        fold(read(dialect, call, [case.body])) if case.stream else dialect.read_answer(case.body, call)
    )
    assert isinstance(completion, dict), completion
    return completion


def results(message: Message) -> list[dict[str, Any]]:
    return [
        {"role": "tool", "tool_call_id": made["id"], "content": "done"}
        for made in message.get("tool_calls", ())
    ]


def sent(dialect: Dialect, request: Any, call: CallContext) -> Any:
    return json.loads(dialect.write_request(request, call).body)


def received(body: bytes) -> Any:
    return Received("responses", "/v1/responses", {}, body)
