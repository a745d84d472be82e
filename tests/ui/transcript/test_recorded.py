"""Transcripts of recorded exchanges, compared with the results of the vendors' SDKs."""

from __future__ import annotations

import json

import pytest

from smart_router.ui.transcript.answers import read_answer
from smart_router.ui.transcript.page import render
from smart_router.ui.transcript.requests import read_request
from tests.testbed.cases import Case, case_params

WIRES = {
    "openai-chat": "openai-chat",
    "anthropic-messages": "anthropic",
    "gemini": "gemini",
    "cloudcode": "cloudcode",
    "openai-responses": "responses",
}

WITH_REQUEST = [param for param in case_params() if param.values[0].request]


def answer_of(case: Case) -> str:
    page = read_answer(
        WIRES[case.wire], case.body, streamed=case.stream, provider=case.provider, model=case.model
    )
    return render(page)


@pytest.mark.parametrize("case", case_params(status=200))
def test_answers_show_text_calls_and_usage(case: Case) -> None:
    shown, oracle = answer_of(case), case.oracle
    if oracle["error"]:
        assert "fails" in shown
        return
    for line in (oracle["text"] or "").splitlines():
        assert line in shown
    for call in oracle["tool_calls"] or ():
        assert f"→ {call['name']}(" in shown
    if oracle["usage_openai"] and "the stream fails" not in shown:
        assert f"{oracle['usage_openai']['output']} out" in shown


@pytest.mark.parametrize("case", WITH_REQUEST)
def test_requests_show_every_text(case: Case) -> None:
    shown = render(read_request(WIRES[case.wire], json.dumps(case.request).encode()))
    for text in texts(case.request):
        for line in text.splitlines():
            assert line.strip() in shown


def texts(node: object) -> list[str]:
    """Return the text of all messages."""
    if isinstance(node, list):
        return [text for item in node for text in texts(item)]
    if not isinstance(node, dict):
        return []
    said = node.get("content") if "role" in node else node.get("text") if "type" in node else None
    found = [said] if isinstance(said, str) else []
    return found + [
        text
        for name in ("messages", "contents", "input", "content", "parts", "request")
        for text in texts(node.get(name))
    ]


@pytest.mark.parametrize("case", case_params(status=200, stream=True))
def test_truncated_recorded_stream_is_shown_up_to_its_end(case: Case) -> None:
    for part in range(0, len(case.body), max(1, len(case.body) // 7)):
        read_answer(WIRES[case.wire], case.body[:part], streamed=True)
