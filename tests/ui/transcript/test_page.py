"""Transcripts of hand-written exchanges and of arbitrary data."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from smart_router.ui.transcript.answers import DIALECTS, read_answer
from smart_router.ui.transcript.page import render
from smart_router.ui.transcript.requests import read_request
from tests.dialects.broken_json import ANYTHING, replace_somewhere
from tests.testbed.chat import chat_stream

PIXEL = "iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAYAAAAfFcSJ"

REQUESTS: dict[str, tuple[str, dict[str, Any], str]] = {
    "chat": (
        "openai-chat",
        {
            "model": "auto",
            "stream": True,
            "stop": None,
            "tools": [{"type": "function", "function": {"name": "weather"}}],
            "messages": [
                {"role": "system", "content": "Be brief."},
                {
                    "role": "user",
                    "content": [
                        {"type": "text", "text": "What is this?"},
                        {"type": "image_url", "image_url": {"url": f"data:image/png;base64,{PIXEL}"}},
                        {"type": "image_url", "image_url": {"url": "https://example.com/cat.png"}},
                    ],
                },
                {
                    "role": "assistant",
                    "content": None,
                    "reasoning_content": "They ask\nfor weather.",
                    "tool_calls": [
                        {
                            "id": "c1",
                            "type": "function",
                            "function": {"name": "weather", "arguments": '{"city":"Oslo"}'},
                        }
                    ],
                },
                {"role": "tool", "tool_call_id": "c1", "content": "rain"},
            ],
        },
        """\
model   auto
stream  true
tools   weather

── system ────────────────────────────────────────────────────────────────────
Be brief.

── user ──────────────────────────────────────────────────────────────────────
What is this?
[image/png, 33 bytes]
[image_url https://example.com/cat.png]

── assistant ─────────────────────────────────────────────────────────────────
│ They ask
│ for weather.
→ weather({"city": "Oslo"})

── tool ──────────────────────────────────────────────────────────────────────
← c1: rain
""",
    ),
    "messages": (
        "anthropic",
        {
            "model": "claude-haiku-4-5",
            "max_tokens": 100,
            "system": [{"type": "text", "text": "Be brief."}],
            "messages": [
                {"role": "user", "content": "Hi"},
                {
                    "role": "assistant",
                    "content": [
                        {"type": "thinking", "thinking": "Hm.", "signature": "s"},
                        {"type": "tool_use", "id": "t1", "name": "weather", "input": {"city": "Oslo"}},
                    ],
                },
                {
                    "role": "user",
                    "content": [
                        {
                            "type": "tool_result",
                            "tool_use_id": "t1",
                            "content": [{"type": "text", "text": "rain"}],
                        }
                    ],
                },
            ],
        },
        """\
model       claude-haiku-4-5
max_tokens  100

── system ────────────────────────────────────────────────────────────────────
Be brief.

── user ──────────────────────────────────────────────────────────────────────
Hi

── assistant ─────────────────────────────────────────────────────────────────
│ Hm.
→ weather({"city": "Oslo"})

── user ──────────────────────────────────────────────────────────────────────
← t1: rain
""",
    ),
    "gemini": (
        "gemini",
        {
            "systemInstruction": {"parts": [{"text": "Be brief."}]},
            "generationConfig": {"maxOutputTokens": 100},
            "tools": [{"functionDeclarations": [{"name": "weather"}]}],
            "contents": [
                {
                    "role": "user",
                    "parts": [{"text": "Hi"}, {"inlineData": {"mimeType": "image/png", "data": PIXEL}}],
                },
                {"role": "model", "parts": [{"functionCall": {"name": "weather", "args": {}}}]},
            ],
        },
        """\
maxOutputTokens  100
tools            weather

── system ────────────────────────────────────────────────────────────────────
Be brief.

── user ──────────────────────────────────────────────────────────────────────
Hi
[image/png, 33 bytes]

── assistant ─────────────────────────────────────────────────────────────────
→ weather({})
""",
    ),
    "responses": (
        "responses",
        {
            "model": "gpt-5.4",
            "instructions": "Be brief.",
            "tools": [{"type": "function", "name": "weather"}, {"type": "web_search"}],
            "input": [
                {"role": "user", "content": [{"type": "input_text", "text": "Hi"}]},
                {"type": "reasoning", "summary": [], "encrypted_content": "x" * 2048},
                {"type": "function_call", "call_id": "c1", "name": "weather", "arguments": "{}"},
                {"type": "function_call_output", "call_id": "c1", "output": "rain"},
            ],
        },
        """\
model  gpt-5.4
tools  weather, web_search

── system ────────────────────────────────────────────────────────────────────
Be brief.

── user ──────────────────────────────────────────────────────────────────────
Hi

── assistant ─────────────────────────────────────────────────────────────────
│ (encrypted, 2 kB)

── assistant ─────────────────────────────────────────────────────────────────
→ weather({})

── tool ──────────────────────────────────────────────────────────────────────
← c1: rain
""",
    ),
}


@pytest.mark.parametrize("name", REQUESTS)
def test_requests(name: str) -> None:
    wire, body, shown = REQUESTS[name]
    assert render(read_request(wire, json.dumps(body).encode())) == shown


def test_cloud_code_wraps_gemini() -> None:
    _, body, shown = REQUESTS["gemini"]
    wrapped = {"model": "gemini-3-pro", "project": "p", "request": body}
    page = render(read_request("cloudcode", json.dumps(wrapped).encode()))
    assert page.startswith("model            gemini-3-pro\n") and shown in page


USAGE = {
    "prompt_tokens": 11,
    "completion_tokens": 7,
    "total_tokens": 18,
    "prompt_tokens_details": {"cached_tokens": 3},
    "cost": 0.0012,
}
STREAM = b": keep-alive\n\n" + chat_stream(reasoning=["Hm."], model="m", usage=USAGE).body

ANSWER = """\
model   m
finish  stop
usage   11 in (3 cached) + 7 out = 18 tokens, $0.0012

── assistant ─────────────────────────────────────────────────────────────────
│ Hm.
Hello.
"""


def test_stream_is_joined_into_one_answer() -> None:
    assert render(read_answer("openai-chat", STREAM, streamed=True)) == ANSWER


def test_truncated_stream_is_shown_up_to_its_end() -> None:
    cut = STREAM[: STREAM.index(b"lo.")]
    shown = render(read_answer("openai-chat", cut, streamed=True))
    assert "\n│ Hm.\nHel\n" in shown and "[the stream fails here: " in shown


def test_long_arguments_get_their_own_lines() -> None:
    call = {
        "type": "function",
        "function": {"name": "f", "arguments": json.dumps({"text": "x" * 80, "n": 1})},
    }
    body = {"messages": [{"role": "assistant", "tool_calls": [call]}]}
    shown = render(read_request("openai-chat", json.dumps(body).encode()))
    assert "→ f({\n" in shown and '\n  "n": 1\n})' in shown


@pytest.mark.parametrize("body", [b"", b"no json", b"[]", b"3", b"\xff"], ids=repr)
def test_other_bodies_are_refused(body: bytes) -> None:
    with pytest.raises(ValueError):
        read_request("openai-chat", body)


@given(name=st.sampled_from(sorted(REQUESTS)), value=ANYTHING, data=st.data())
def test_any_json_object_is_shown(name: str, value: Any, data: st.DataObject) -> None:
    wire, body, _ = REQUESTS[name]
    broken = replace_somewhere(body, data, value)
    if isinstance(broken, dict):
        render(read_request(wire, json.dumps(broken).encode()))


@given(wire=st.sampled_from(sorted(DIALECTS)), body=st.binary(max_size=200), streamed=st.booleans())
def test_any_bytes_are_an_answer_or_its_failure(wire: str, body: bytes, streamed: bool) -> None:
    render(read_answer(wire, body, streamed=streamed))
