"""Conversations as input items of OpenAI Responses, encrypted reasoning included."""

from __future__ import annotations

import json
from typing import Any

import pytest

from smart_router.dialects.base import CallContext
from smart_router.dialects.fold import fold
from smart_router.dialects.model_rules import ModelRules
from smart_router.dialects.openai_responses.dialect import CODEX, PUBLIC, ResponsesDialect, ResponsesFlavour
from smart_router.dialects.tool_names import fit_name
from smart_router.errors import ClientError
from tests.dialects.openai_responses.responses_helpers import HI, LONG, item, user, write

HELLO = {"type": "text", "text": "Hello"}
PDF = "data:application/pdf;base64,JVBERi0="
INPUTS: dict[str, tuple[list[dict[str, Any]], list[dict[str, Any]]]] = {
    "text": ([{"role": "user", "content": "Hi"}], [item("user", HI)]),
    "no text": ([{"role": "user", "content": None}], [item("user", {"type": "input_text", "text": ""})]),
    "system": ([{"role": "system", "content": "Hi"}], [item("system", HI)]),
    "developer": (
        [{"role": "developer", "content": [{"type": "text", "text": "Hi"}]}],
        [item("developer", HI)],
    ),
    "image by URL": (
        [
            {
                "role": "user",
                "content": [{"type": "image_url", "image_url": {"url": "https://a.example/a.png"}}],
            }
        ],
        [item("user", {"type": "input_image", "image_url": "https://a.example/a.png"})],
    ),
    "image data": (
        [
            {
                "role": "user",
                "content": [
                    {"type": "image_url", "image_url": {"url": "data:image/png;base64,iVBO", "detail": "low"}}
                ],
            }
        ],
        [item("user", {"type": "input_image", "image_url": "data:image/png;base64,iVBO", "detail": "low"})],
    ),
    "file": (
        [
            {
                "role": "user",
                "content": [{"type": "file", "file": {"filename": "a.pdf", "file_data": PDF}}],
            }
        ],
        [item("user", {"type": "input_file", "filename": "a.pdf", "file_data": PDF})],
    ),
    "an image with a wrong type": (
        [
            {
                "role": "user",
                "content": [{"type": "image_url", "image_url": {"url": "data:image/jpg;base64,iVBORw=="}}],
            }
        ],
        [item("user", {"type": "input_image", "image_url": "data:image/png;base64,iVBORw=="})],
    ),
    "a document as an image": (
        [{"role": "user", "content": [{"type": "image_url", "image_url": {"url": PDF}}]}],
        [item("user", {"type": "input_file", "filename": "document.pdf", "file_data": PDF})],
    ),
    "an image as a file": (
        [
            {
                "role": "user",
                "content": [{"type": "file", "file": {"file_data": "data:application/pdf,%89PNG"}}],
            }
        ],
        [item("user", {"type": "input_image", "image_url": "data:image/png;base64,iVBORw=="})],
    ),
    "file by id": (
        [{"role": "user", "content": [{"type": "file", "file": {"file_id": "file-1"}}]}],
        [item("user", {"type": "input_file", "file_id": "file-1"})],
    ),
    "assistant": (
        [{"role": "assistant", "content": "Hi"}],
        [item("assistant", {"type": "output_text", "text": "Hi"})],
    ),
    "assistant's parts": (
        [
            {
                "role": "assistant",
                "content": [{"type": "text", "text": "A"}, {"type": "refusal", "refusal": "B"}],
            }
        ],
        [item("assistant", {"type": "output_text", "text": "A"}, {"type": "refusal", "refusal": "B"})],
    ),
    "refusal": (
        [{"role": "assistant", "content": None, "refusal": "No"}],
        [item("assistant", {"type": "refusal", "refusal": "No"})],
    ),
    "assistant said nothing": ([{"role": "assistant", "content": ""}], []),
    "tool calls and results": (
        [
            {
                "role": "assistant",
                "content": "So:",
                "tool_calls": [
                    {"id": "c1", "type": "function", "function": {"name": "f", "arguments": "{}"}},
                    {"id": "c2", "type": "custom", "custom": {"name": "sql", "input": "SELECT"}},
                    {"id": "c3", "type": "function", "function": {"name": "f", "arguments": "{}"}},
                ],
            },
            {"role": "tool", "tool_call_id": "c1", "content": "one"},
            {"role": "tool", "tool_call_id": "c2", "content": "two"},
            {"role": "tool", "tool_call_id": "c3", "content": [{"type": "text", "text": "Hi"}]},
        ],
        [
            item("assistant", {"type": "output_text", "text": "So:"}),
            {"type": "function_call", "call_id": "c1", "name": "f", "arguments": "{}"},
            {"type": "custom_tool_call", "call_id": "c2", "name": "sql", "input": "SELECT"},
            {"type": "function_call", "call_id": "c3", "name": "f", "arguments": "{}"},
            {"type": "function_call_output", "call_id": "c1", "output": "one"},
            {"type": "custom_tool_call_output", "call_id": "c2", "output": "two"},
            {"type": "function_call_output", "call_id": "c3", "output": [HI]},
        ],
    ),
    "long names and ids": (
        [
            {
                "role": "assistant",
                "tool_calls": [
                    {"id": LONG, "type": "function", "function": {"name": LONG, "arguments": "{}"}}
                ],
            },
            {"role": "tool", "tool_call_id": LONG, "content": None},
        ],
        [
            {
                "type": "function_call",
                "call_id": fit_name(LONG),
                "name": fit_name(LONG),
                "arguments": "{}",
            },
            {"type": "function_call_output", "call_id": fit_name(LONG), "output": ""},
        ],
    ),
}


@pytest.mark.parametrize(("messages", "items"), INPUTS.values(), ids=INPUTS)
def test_messages(messages: list[dict[str, Any]], items: list[dict[str, Any]]) -> None:
    assert write({"messages": messages})["input"] == items


def test_audio_where_it_is_taken() -> None:
    part = {"type": "input_audio", "input_audio": {"data": "UklG", "format": "wav"}}
    assert write(user(part))["input"] == [item("user", part)]


REASONED: dict[str, list[dict[str, Any]]] = {
    "output": [
        {
            "type": "reasoning",
            "id": "rs_1",
            "summary": [{"type": "summary_text", "text": "A"}, {"type": "summary_text", "text": "B"}],
            "encrypted_content": "gAAA1",
        },
        {"type": "reasoning", "id": "rs_1", "summary": [], "encrypted_content": "gAAA2"},
        {"type": "reasoning", "id": "rs_2", "summary": [{"type": "summary_text", "text": "not encrypted"}]},
        {"type": "function_call", "id": "fc_1", "call_id": "call_1", "name": "f", "arguments": "{}"},
        {"type": "function_call", "id": "fc_2", "call_id": "call_2", "name": "f", "arguments": "[]"},
    ]
}
SENT_BACK = [
    *REASONED["output"][:2],
    *({k: v for k, v in i.items() if k != "id"} for i in REASONED["output"][3:]),
]
"""An item that is not encrypted could only be looked for at the provider, which has not stored it."""


def answer_to_tools() -> tuple[dict[str, Any], list[dict[str, Any]]]:
    """The assistant's turn that made two calls, and their results."""
    call = CallContext("openai", "m", False, 1, "r")
    answer = ResponsesDialect(PUBLIC).read_answer(json.dumps(REASONED).encode(), call)
    assert isinstance(answer, dict)
    results = [{"role": "tool", "tool_call_id": f"call_{n}", "content": "ok"} for n in (1, 2)]
    return dict(answer["choices"][0]["message"]), results


@pytest.mark.parametrize("flavour", [PUBLIC, CODEX], ids=["public", "codex"])
def test_reasoning_that_the_client_echoes(flavour: ResponsesFlavour) -> None:
    turn, results = answer_to_tools()
    assert write({"messages": [turn, *results]}, flavour)["input"][:4] == SENT_BACK


def test_reasoning_of_a_stream_is_sent_back_the_same() -> None:
    reader = ResponsesDialect(CODEX).open_stream(CallContext("openai-codex", "m", True, 1, "r"))
    lines = [
        {"type": "response.output_item.done", "output_index": place, "item": made}
        for place, made in enumerate(REASONED["output"])
    ]
    lines.append({"type": "response.completed", "response": {"output": []}})
    events = reader.feed(b"".join(b"data: %b\n\n" % json.dumps(line).encode() for line in lines))
    answer = fold(events)
    assert isinstance(answer, dict)
    assert write({"messages": [answer["choices"][0]["message"]]}, CODEX)["input"][:4] == SENT_BACK


FOREIGN: dict[str, Any] = {
    "another vendor's": [
        {"type": "reasoning.encrypted", "data": "x", "format": "anthropic-claude-v1", "index": 0}
    ],
    "nobody's": [{"type": "reasoning.encrypted", "data": "x"}],
    "nonsense": [
        "x",
        None,
        {"format": "openai-responses-v1", "type": "reasoning.encrypted", "data": 3, "index": "1"},
    ],
    "null": None,
}


@pytest.mark.parametrize("details", FOREIGN.values(), ids=FOREIGN)
def test_details_that_are_not_ours_are_left_out(details: Any) -> None:
    turn, _ = answer_to_tools()
    turn["reasoning_details"] = details
    assert write({"messages": [turn]})["input"][:2] == SENT_BACK[2:]


def test_reasoning_that_led_to_nothing_is_left_out() -> None:
    turn, _ = answer_to_tools()
    assert write({"messages": [{**turn, "tool_calls": []}]})["input"] == []


def test_an_image_of_a_type_that_the_model_does_not_read_is_refused_by_field() -> None:
    part = {"type": "image_url", "image_url": {"url": "data:image/tiff;base64,SUkqAA=="}}
    rules = ModelRules(vision=True, image_types=("image/png",))
    with pytest.raises(ClientError, match="image/png, not image/tiff") as refused:
        write(user(HELLO, part), rules=rules)
    assert refused.value.param == "messages[0].content[1]"
