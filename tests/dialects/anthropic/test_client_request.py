"""Messages requests in the hub's form."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from smart_router.dialects.anthropic.client import MESSAGES

USER = {"role": "user", "content": "Hi"}
MARK = {"cache_control": {"type": "ephemeral"}}
PNG = {"type": "base64", "media_type": "image/png", "data": "aGk="}
PDF = {"type": "base64", "media_type": "application/pdf", "data": "aGk="}
SCHEMA = {"type": "object", "properties": {}}


def read(**fields: Any) -> Any:
    body = {"model": "m", "max_tokens": 1000, "messages": [USER], **fields}
    return MESSAGES.read_request(json.dumps(body).encode(), {})


def user(*blocks: Any) -> list[Any]:
    return [{"role": "user", "content": list(blocks)}]


# fields of the request, and of the hub's
READ: list[tuple[str, dict[str, Any], dict[str, Any]]] = [
    ("limit", {}, {"max_tokens": 1000}),
    ("stop", {"stop_sequences": ["a"]}, {"stop": ["a"]}),
    (
        "sampling",
        {"temperature": 0, "top_p": 0.5, "top_k": 3},
        {"temperature": 0, "top_p": 0.5, "top_k": None},
    ),
    ("user", {"metadata": {"user_id": "u1"}}, {"user": "u1", "metadata": None}),
    ("no tools", {"tools": []}, {"tools": None, "x_router": None}),
    ("system", {"system": "Be brief."}, {"messages": [{"role": "system", "content": "Be brief."}, USER]}),
    (
        "system blocks",
        {"system": [{"type": "text", "text": "a", **MARK}]},
        {"messages": [{"role": "system", "content": [{"type": "text", "text": "a", **MARK}]}, USER]},
    ),
    (
        "system within the conversation",
        {"messages": [USER, {"role": "system", "content": "b"}]},
        {"messages": [USER, {"role": "system", "content": "b"}]},
    ),
    ("adaptive", {"thinking": {"type": "adaptive"}}, {"reasoning_effort": "high"}),
    (
        "effort",
        {"thinking": {"type": "adaptive"}, "output_config": {"effort": "max"}},
        {"reasoning_effort": "max"},
    ),
    (
        "disabled",
        {"thinking": {"type": "disabled"}, "output_config": {"effort": "high"}},
        {"reasoning_effort": "none"},
    ),
    ("budget", {"thinking": {"type": "enabled", "budget_tokens": 500}}, {"reasoning_effort": "medium"}),
    ("all of it", {"thinking": {"type": "enabled", "budget_tokens": 999}}, {"reasoning_effort": "high"}),
    (
        "format",
        {"output_config": {"format": {"type": "json_schema", "schema": SCHEMA}}},
        {"response_format": {"type": "json_schema", "json_schema": {"name": "answer", "schema": SCHEMA}}},
    ),
    (
        "tools",
        {
            "tools": [
                {"name": "f", "description": "d", "input_schema": SCHEMA, **MARK},
                {"type": "bash_20250124", "name": "bash"},
            ],
            "tool_choice": {"type": "tool", "name": "f", "disable_parallel_tool_use": True},
            "mcp_servers": [{"type": "url", "name": "search", "url": "https://x.test"}],
        },
        {
            "tools": [
                {
                    "type": "function",
                    "function": {"name": "f", "description": "d", "parameters": SCHEMA},
                    **MARK,
                }
            ],
            "tool_choice": {"type": "function", "function": {"name": "f"}},
            "parallel_tool_calls": False,
            "x_router": {"hosted_tools": ["bash", "search"]},
        },
    ),
    (
        "choice of a tool that is left out",
        {
            "tools": [{"name": "f", "input_schema": SCHEMA}, {"type": "bash_20250124", "name": "bash"}],
            "tool_choice": {"type": "tool", "name": "bash"},
        },
        {"tool_choice": None},
    ),
    (
        "media",
        {
            "messages": user(
                {"type": "image", "source": PNG},
                {"type": "image", "source": {"type": "url", "url": "https://x.test/a.png"}},
                {"type": "document", "source": PDF, "title": "a.pdf"},
                {"type": "document", "source": {"type": "text", "media_type": "text/plain", "data": "b"}},
            )
        },
        {
            "messages": user(
                {"type": "image_url", "image_url": {"url": "data:image/png;base64,aGk="}},
                {"type": "image_url", "image_url": {"url": "https://x.test/a.png"}},
                {
                    "type": "file",
                    "file": {"filename": "a.pdf", "file_data": "data:application/pdf;base64,aGk="},
                },
                {"type": "text", "text": "b"},
            )
        },
    ),
    (
        "tool results",
        {
            "messages": user(
                {"type": "text", "text": "Look."},
                {"type": "tool_result", "tool_use_id": "a", "content": "rain", "is_error": True},
                {"type": "tool_result", "tool_use_id": "b", "content": [{"type": "image", "source": PNG}]},
                {"type": "tool_result", "tool_use_id": "c"},
            )
        },
        {
            "messages": [
                {"role": "tool", "tool_call_id": "a", "content": "rain"},
                {
                    "role": "tool",
                    "tool_call_id": "b",
                    "content": [{"type": "image_url", "image_url": {"url": "data:image/png;base64,aGk="}}],
                },
                {"role": "tool", "tool_call_id": "c", "content": ""},
                {"role": "user", "content": "Look."},
            ]
        },
    ),
    (
        "Anthropic's own thinking and hosted tools in the history",
        {
            "messages": [
                USER,
                {
                    "role": "assistant",
                    "content": [
                        {"type": "thinking", "thinking": "Hm.", "signature": "s"},
                        {"type": "redacted_thinking", "data": "d"},
                        {"type": "server_tool_use", "id": "x", "name": "web_search", "input": {}},
                        {"type": "web_search_tool_result", "tool_use_id": "x", "content": []},
                        {"type": "text", "text": "Hello."},
                    ],
                },
                USER,
            ]
        },
        {
            "messages": [
                USER,
                {
                    "role": "assistant",
                    "content": "Hello.",
                    "reasoning_content": "Hm.",
                    "reasoning_details": [
                        {
                            "type": "reasoning.text",
                            "text": "Hm.",
                            "signature": "s",
                            "format": "anthropic-claude-v1",
                        },
                        {"type": "reasoning.encrypted", "data": "d", "format": "anthropic-claude-v1"},
                    ],
                },
                USER,
            ]
        },
    ),
]


@pytest.mark.parametrize(("fields", "expected"), [row[1:] for row in READ], ids=[row[0] for row in READ])
def test_request_in_the_hubs_form(fields: dict[str, Any], expected: dict[str, Any]) -> None:
    found = read(**fields)
    assert {name: found.get(name) for name in expected} == expected


def test_long_user_id_is_a_digest_that_stays_the_same() -> None:
    first, again = (read(metadata={"user_id": "x" * 200})["user"] for _ in range(2))
    assert (first, len(first)) == (again, 64)


PAGE = {"type": "search_result", "source": "s", "title": "t"}
ODD = st.fixed_dictionaries(
    {},
    optional={
        "type": st.sampled_from(["text", "image", "document", "search_result", "other"]),
        "text": st.sampled_from(["a", 1]),
        "source": st.sampled_from(
            [{}, 1, PNG, *({"type": kind} for kind in ("base64", "url", "text", "content"))]
        ),
    },
)


@given(odd=ODD)
def test_blocks_in_other_blocks_and_in_the_system_prompt_may_lack_anything(odd: dict[str, Any]) -> None:
    """The schema does not look into all of them: they were answered with a 500."""
    read(system=[{**odd, "text": "b"}])
    read(messages=user({**PAGE, "content": [odd]}))
    read(messages=user({"type": "document", "source": {"type": "content", "content": [odd]}}))
    read(messages=user({"type": "tool_result", "tool_use_id": "t", "content": [PAGE | {"content": [odd]}]}))


def test_a_system_block_without_a_type_is_text() -> None:
    assert read(system=[{"text": "Be brief."}])["messages"][0]["content"] == [
        {"type": "text", "text": "Be brief."}
    ]


@pytest.mark.parametrize("kind", ["image_url", "input_audio", "file", "refusal"])
def test_a_block_is_not_taken_for_a_part_of_the_hub(kind: str) -> None:
    """Which has fields that the block lacks."""
    (message,) = read(messages=user({"type": kind}))["messages"]
    assert message["content"] == [{"type": f"block of type {kind}"}]
