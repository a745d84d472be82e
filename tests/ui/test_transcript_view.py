"""The transcript view in mitmproxy's registry: the default only for the router's flows."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping

import pytest
from mitmproxy import contentviews, http
from mitmproxy.contentviews._registry import ContentviewRegistry
from mitmproxy.test import taddons, tflow

from smart_router.ui.transcript_view import Transcript

CHAT = {"model": "auto", "messages": [{"role": "user", "content": "Hi there"}]}
ANSWER = {
    "id": "1",
    "object": "chat.completion",
    "created": 1,
    "model": "m",
    "choices": [{"index": 0, "message": {"role": "assistant", "content": "Hello."}, "finish_reason": "stop"}],
}
MESSAGE = {
    "id": "1",
    "type": "message",
    "role": "assistant",
    "model": "claude",
    "content": [{"type": "text", "text": "Hello."}],
    "stop_reason": "end_turn",
    "usage": {"input_tokens": 1, "output_tokens": 2},
}
ROUTED = {"router_request": "abc"}
ATTEMPT = {
    **ROUTED,
    "router_attempt": 1,
    "router_dialect": "anthropic",
    "router_candidate": "anthropic/claude",
}


@pytest.fixture
def registry() -> Iterator[ContentviewRegistry]:
    """mitmproxy's views and the router's."""
    registry = ContentviewRegistry()
    for view in contentviews.registry.values():
        registry.register(view)
    registry.register(Transcript)
    with taddons.context():
        yield registry


def make_flow(
    metadata: Mapping[str, object],
    request: object,
    answer: object,
    path: str = "/v1/chat/completions",
    status: int = 200,
) -> http.HTTPFlow:
    flow = tflow.tflow(resp=True)
    assert flow.response
    json_type = http.Headers(content_type="application/json")
    flow.metadata = dict(metadata)
    flow.request = http.Request.make("POST", f"http://127.0.0.1{path}", json.dumps(request), json_type)
    flow.response = http.Response.make(status, json.dumps(answer), json_type)
    return flow


@pytest.mark.parametrize(
    ("metadata", "answer", "path", "status", "views"),
    [
        pytest.param(ROUTED, ANSWER, "/v1/chat/completions", 200, ("Transcript", "Transcript"), id="client"),
        pytest.param(
            ATTEMPT, MESSAGE, "/v1/messages?beta=true", 200, ("Transcript", "Transcript"), id="attempt"
        ),
        pytest.param(ROUTED, {"error": {}}, "/v1/chat/completions", 429, ("Transcript", "JSON"), id="error"),
        pytest.param({}, ANSWER, "/v1/chat/completions", 200, ("JSON", "JSON"), id="not the router's"),
        pytest.param(ROUTED, ANSWER, "/v1/models", 200, ("JSON", "JSON"), id="no chat"),
        pytest.param({}, ANSWER, "/", 200, ("JSON", "JSON"), id="anything else"),
    ],
)
def test_default_view(
    registry: ContentviewRegistry,
    metadata: Mapping[str, object],
    answer: object,
    path: str,
    status: int,
    views: tuple[str, str],
) -> None:
    flow = make_flow(metadata, CHAT, answer, path, status)
    assert flow.response
    shown = [contentviews.prettify_message(m, flow, registry=registry) for m in (flow.request, flow.response)]
    assert tuple(one.view_name for one in shown) == views


def test_transcript_of_an_exchange(registry: ContentviewRegistry) -> None:
    flow = make_flow({**ATTEMPT, "router_cost": "0.0001 measured"}, CHAT, MESSAGE, "/v1/messages")
    assert flow.response
    text = contentviews.prettify_message(flow.response, flow, registry=registry).text
    assert "usage   1 in + 2 out = 3 tokens\ncost    $0.0001 measured\n" in text and text.endswith("Hello.\n")


def test_long_lines_are_wrapped(registry: ContentviewRegistry) -> None:
    prose = "An answer of one paragraph. " * 12
    message = {**MESSAGE, "content": [{"type": "text", "text": prose}]}
    flow = make_flow(ATTEMPT, CHAT, message, "/v1/messages")
    assert flow.response
    lines = contentviews.prettify_message(flow.response, flow, registry=registry).text.splitlines()
    rule = next(line for line in lines if line.startswith("──"))
    assert max(map(len, lines)) == len(rule) == 78
    assert " ".join(lines[lines.index(rule) + 1 :]).rstrip() == prose.strip()


def test_truncated_body_has_a_note(registry: ContentviewRegistry) -> None:
    flow = make_flow(ROUTED, CHAT, {})
    assert flow.response
    flow.response.headers["content-type"] = "text/event-stream; charset=utf-8"
    chunk = {**ANSWER, "choices": [{"index": 0, "delta": {"content": "Hel"}}]}
    note = ": smart-router left out 12 bytes here (option router_keep_body)"
    flow.response.text = f"data: {json.dumps(chunk)}\n\n{note}\n\ndata: [DONE]\n\n"
    text = contentviews.prettify_message(flow.response, flow, registry=registry).text
    assert "Hel" in text and "[12 bytes were not kept]" in text


def test_view_can_be_selected_for_other_flows(registry: ContentviewRegistry) -> None:
    flow = make_flow({}, CHAT, ANSWER, "/somewhere/v1/chat/completions")
    shown = contentviews.prettify_message(flow.request, flow, "transcript", registry)
    assert "Hi there" in shown.text and shown.view_name == "Transcript"


def test_unreadable_content_is_shown_raw(registry: ContentviewRegistry) -> None:
    flow = make_flow(ROUTED, [], ANSWER)
    assert contentviews.prettify_message(flow.request, flow, registry=registry).view_name == "Raw"
