"""Responses requests read and written again keep their meaning, and what validation let in never raises."""

from __future__ import annotations

import contextlib
import json
from collections.abc import Mapping
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from smart_router.dialects.base import CallContext
from smart_router.dialects.json_schema.subsets import OPENAI_NEWER_TOOL
from smart_router.dialects.openai_chat.client import CHAT
from smart_router.dialects.openai_responses.dialect import CODEX, PUBLIC, ResponsesDialect, ResponsesFlavour
from smart_router.dialects.tools import fit_parameters
from smart_router.errors import ClientError
from tests.dialects.broken_json import ANYTHING, replace_somewhere
from tests.dialects.openai_responses.responses_helpers import REASONING, function_tool, write
from tests.dialects.openai_responses.responses_reading import read_request
from tests.testbed.cases import Case, case_params, load_cases
from tests.testbed.examples import examples

NOT_IN_CHAT = {
    "test-file-search-0-n": "the tool file_search",
    "test-openai-native-tool-search-streaming-0-s": "the tool tool_search",
    "test-openai-responses-model-mcp-server-tool-with-connector-0-n": "the tool mcp",
    "test-openai-responses-compact-stateful-mode-2-n": "context_management",
    "test-deepseek-responses-rejects-interleaved-function-calls-0-n-400": "texts between a turn's calls",
}
"""Recorded requests that chat completions cannot say, and why; the last one the provider refused itself."""


@pytest.mark.parametrize("case", case_params(wire="openai-responses"))
def test_recorded_requests_keep_their_meaning(case: Case) -> None:
    name = case.folder.name
    if case.request is None or name in NOT_IN_CHAT:
        pytest.skip(NOT_IN_CHAT.get(name, "the request was not recorded"))
    flavour = CODEX if case.provider == "openai-codex" else PUBLIC
    original = dict(case.request)
    extras = {"instructions": original.pop("instructions", "")} if flavour is CODEX else {}
    chat: Any = read_request(original)
    call = CallContext(
        case.provider,
        original["model"],
        chat.get("stream", False),
        1,
        "r",
        rules=REASONING,
        extras=extras,
    )
    body = json.loads(ResponsesDialect(flavour).write_request(chat, call).body)
    assert normalised(body) == normalised({**case.request, "stream": chat.get("stream", False)})


def normalised(body: Mapping[str, Any]) -> dict[str, Any]:
    """The request without what does not change its meaning.

    Instructions are a developer's message at the beginning. A message's text is the list of one text part,
    and its type may be left out. Strict is a tool's default, and no properties are none; stored a
    response's. Ids and statuses of items are for the provider's records. Reasoning that is neither
    encrypted nor plain cannot be read by anyone. `include` and `reasoning.summary` ask for more to be told.
    Null is nothing, and so are an empty `instructions` and an empty `tools`.
    """
    kept = {name: value for name, value in body.items() if value not in (None, "", [])}
    kept.pop("include", None)
    items = kept["input"] if isinstance(kept["input"], list) else [{"role": "user", "content": kept["input"]}]
    if instructions := kept.pop("instructions", None):
        items = [{"role": "developer", "content": instructions}, *items]
    kept["input"] = [found for found in map(normalised_item, items) if found]
    kept["tools"] = [
        normalised_function(tool) if tool["type"] == "function" else tool for tool in kept.get("tools", ())
    ]
    kept["store"] = kept.get("store", True)
    if "reasoning" in kept:
        kept["reasoning"] = {"effort": kept["reasoning"]["effort"]}
    return kept


def normalised_function(tool: Mapping[str, Any]) -> dict[str, Any]:
    """A function, strict where it can be, as the API itself reads one; the name of a draft means nothing."""
    schema = {"type": "object", "properties": {}, **(tool.get("parameters") or {})}
    schema.pop("$schema", None)
    return fit_parameters({"strict": True, **tool, "parameters": schema}, OPENAI_NEWER_TOOL, [])


def normalised_item(found: Mapping[str, Any]) -> dict[str, Any] | None:
    kind = found.get("type", "message")
    kept = {name: value for name, value in found.items() if name != "status" and value not in (None, [])}
    if kind == "reasoning":
        return kept if "encrypted_content" in kept or "content" in kept else None
    kept.pop("id", None)
    if isinstance(kept.get("content"), str):
        text = "output_text" if kept["role"] == "assistant" else "input_text"
        kept["content"] = [{"type": text, "text": kept["content"]}]
    return {"type": kind, **kept}


def test_few_recorded_requests_are_left_out() -> None:
    recorded = {case.folder.name for case in load_cases("openai-responses")}
    assert set(NOT_IN_CHAT) <= recorded


EVERYTHING: dict[str, Any] = {
    "model": "m",
    "messages": [
        {"role": "system", "content": "s"},
        {
            "role": "user",
            "content": [
                {"type": "text", "text": "t"},
                {"type": "image_url", "image_url": {"url": "u", "detail": "low"}},
                {"type": "file", "file": {"file_id": "f"}},
                {"type": "input_audio", "input_audio": {"data": "d", "format": "wav"}},
            ],
        },
        {
            "role": "assistant",
            "content": [{"type": "text", "text": "a"}, {"type": "refusal", "refusal": "r"}],
            "tool_calls": [
                {"id": "c1", "type": "function", "function": {"name": "f", "arguments": "{}"}},
                {"id": "c2", "type": "custom", "custom": {"name": "c", "input": "i"}},
            ],
            "reasoning_details": [
                {
                    "type": "reasoning.summary",
                    "summary": "s",
                    "id": "r",
                    "format": "openai-responses-v1",
                    "index": 0,
                },
                {
                    "type": "reasoning.encrypted",
                    "data": "d",
                    "id": "r",
                    "format": "openai-responses-v1",
                    "index": 1,
                },
            ],
        },
        {"role": "tool", "tool_call_id": "c1", "content": [{"type": "text", "text": "t"}]},
        {"role": "tool", "tool_call_id": "c2", "content": "t"},
    ],
    "tools": [
        function_tool("f", parameters={}, strict=True),
        {
            "type": "custom",
            "custom": {
                "name": "c",
                "format": {"type": "grammar", "grammar": {"syntax": "regex", "definition": "a"}},
            },
        },
    ],
    "tool_choice": {
        "type": "allowed_tools",
        "allowed_tools": {
            "mode": "auto",
            "tools": [function_tool("f"), {"type": "custom", "custom": {"name": "c"}}],
        },
    },
    "response_format": {"type": "json_schema", "json_schema": {"name": "s", "schema": {}}},
    "web_search_options": {"search_context_size": "low", "user_location": {"approximate": {"country": "AT"}}},
    "reasoning_effort": "low",
    "service_tier": "priority",
    "max_tokens": 5,
    "modalities": ["text"],
    "verbosity": "low",
    "logprobs": True,
}
NOT_IN_CODEX = {"messages": EVERYTHING["messages"][2:], "web_search_options": None, "logprobs": None}


@given(data=st.data(), flavour=st.sampled_from([PUBLIC, CODEX]))
@settings(max_examples=examples(300), deadline=None)
def test_requests_that_were_let_in_are_written_or_refused(
    data: st.DataObject, flavour: ResponsesFlavour
) -> None:
    whole = EVERYTHING if flavour is PUBLIC else {**EVERYTHING, **NOT_IN_CODEX}
    request = replace_somewhere(whole, data, data.draw(ANYTHING))
    with contextlib.suppress(ClientError):
        write(CHAT.read_request(json.dumps(request).encode(), {}), flavour, REASONING)
