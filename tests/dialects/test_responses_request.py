"""Chat completion requests as Responses requests: by table, and recorded requests read and written again."""

from __future__ import annotations

import contextlib
import json
from collections.abc import Mapping
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from smart_router.dialects.base import Call, ModelRules
from smart_router.dialects.client_chat import read_request as read_chat
from smart_router.dialects.fold import fold
from smart_router.dialects.hub import ChatRequest, ReasoningDetail
from smart_router.dialects.responses import CODEX, PUBLIC, ResponsesDialect, ResponsesFlavour
from smart_router.dialects.responses_request import nearest_effort
from smart_router.dialects.tool_names import short_name
from smart_router.errors import ClientError
from tests.cases import Case, case_params, load_cases
from tests.dialects.broken_json import ANYTHING, replace_somewhere
from tests.dialects.responses_reading import read_request

ANY = ModelRules()
REASONING = ModelRules(reasoning=True)
SAMPLES_WITHOUT_EFFORT = ModelRules(reasoning=True, sampling="without_effort")
LONG = "mcp__" + "x" * 80


def write(
    request: Mapping[str, Any],
    flavour: ResponsesFlavour = PUBLIC,
    rules: ModelRules = ANY,
    extras: Mapping[str, str] | None = None,
    **call: Any,
) -> dict[str, Any]:
    """The body that the request becomes."""
    told = Call("openai", "gpt-x", False, 1, "r", rules=rules, extras=extras or {}, **call)
    chat: ChatRequest = {"messages": [], **request}  # type: ignore[typeddict-item]
    body: dict[str, Any] = json.loads(ResponsesDialect(flavour).write_request(chat, told).body)
    return body


def user(*parts: dict[str, Any]) -> dict[str, Any]:
    return {"messages": [{"role": "user", "content": list(parts)}]}


def item(role: str, *parts: dict[str, Any]) -> dict[str, Any]:
    return {"type": "message", "role": role, "content": list(parts)}


def function_tool(name: str, **more: Any) -> dict[str, Any]:
    return {"type": "function", "function": {"name": name, **more}}


HI = {"type": "input_text", "text": "Hi"}
GRAMMAR = {"syntax": "lark", "definition": "start: A"}
SCHEMA = {"name": "s", "schema": {"type": "object"}, "strict": True}
TOOLS = {"tools": [function_tool("f")]}
FLAT_TOOL = {
    "type": "function",
    "name": "f",
    "parameters": {"type": "object", "properties": {}},
    "strict": False,
}

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
                "content": [{"type": "file", "file": {"filename": "a.pdf", "file_data": "data:,"}}],
            }
        ],
        [item("user", {"type": "input_file", "filename": "a.pdf", "file_data": "data:,"})],
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
                ],
            },
            {"role": "tool", "tool_call_id": "c1", "content": "one"},
            {"role": "tool", "tool_call_id": "c2", "content": "two"},
            {"role": "tool", "tool_call_id": "c1", "content": [{"type": "text", "text": "Hi"}]},
        ],
        [
            item("assistant", {"type": "output_text", "text": "So:"}),
            {"type": "function_call", "call_id": "c1", "name": "f", "arguments": "{}"},
            {"type": "custom_tool_call", "call_id": "c2", "name": "sql", "input": "SELECT"},
            {"type": "function_call_output", "call_id": "c1", "output": "one"},
            {"type": "custom_tool_call_output", "call_id": "c2", "output": "two"},
            {"type": "function_call_output", "call_id": "c1", "output": [HI]},
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
                "call_id": short_name(LONG),
                "name": short_name(LONG),
                "arguments": "{}",
            },
            {"type": "function_call_output", "call_id": short_name(LONG), "output": ""},
        ],
    ),
}


@pytest.mark.parametrize(("messages", "items"), INPUTS.values(), ids=INPUTS)
def test_messages(messages: list[dict[str, Any]], items: list[dict[str, Any]]) -> None:
    assert write({"messages": messages})["input"] == items


def test_audio_where_it_is_taken() -> None:
    part = {"type": "input_audio", "input_audio": {"data": "UklG", "format": "wav"}}
    assert write(user(part))["input"] == [item("user", part)]


NOTHING: dict[str, Any] = {"stream": False, "store": False}
FIELDS: dict[str, tuple[dict[str, Any], ModelRules, dict[str, Any]]] = {
    "nothing": ({}, ANY, NOTHING),
    "only null": (
        {"tools": None, "temperature": None, "stop": None, "n": None, "tool_choice": None},
        ANY,
        NOTHING,
    ),
    "stored on request": ({"store": True}, ANY, {"stream": False, "store": True}),
    "passed on": (
        {
            "temperature": 0,
            "top_p": 0.5,
            "metadata": {"a": "b"},
            "service_tier": "flex",
            "prompt_cache_key": "k",
        },
        ANY,
        {
            "temperature": 0,
            "top_p": 0.5,
            "metadata": {"a": "b"},
            "service_tier": "flex",
            "prompt_cache_key": "k",
        },
    ),
    "what only tunes": (
        {"seed": 1, "presence_penalty": 1, "frequency_penalty": 1, "prediction": {}},
        ANY,
        NOTHING,
    ),
    "neutral": ({"n": 1, "stop": [], "logit_bias": {}, "modalities": ["text"]}, ANY, NOTHING),
    "user": ({"user": "u"}, ANY, {"safety_identifier": "u"}),
    "user and safety identifier": ({"user": "u", "safety_identifier": "s"}, ANY, {"safety_identifier": "s"}),
    "limit": ({"max_tokens": 100}, ANY, {"max_output_tokens": 100}),
    "two limits": ({"max_tokens": 100, "max_completion_tokens": 50}, ANY, {"max_output_tokens": 50}),
    "limit too large": (
        {"max_tokens": 5000},
        ModelRules(max_output=1000),
        {"max_output_tokens": 1000},
    ),
    "limit too small": ({"max_tokens": 1}, ANY, {"max_output_tokens": 16}),
    "no sampling": ({"temperature": 1}, ModelRules(sampling="never"), NOTHING),
    "no sampling with effort": (
        {"temperature": 1, "reasoning_effort": "low"},
        SAMPLES_WITHOUT_EFFORT,
        {"reasoning": {"effort": "low", "summary": "auto"}, "include": ["reasoning.encrypted_content"]},
    ),
    "sampling without effort": (
        {"temperature": 1, "reasoning_effort": "none"},
        SAMPLES_WITHOUT_EFFORT,
        {"temperature": 1, "reasoning": {"effort": "none"}, "include": ["reasoning.encrypted_content"]},
    ),
    "effort of a model that does not reason": ({"reasoning_effort": "low"}, ANY, NOTHING),
    "effort that the model lacks": (
        {"reasoning_effort": "max"},
        ModelRules(reasoning=True, efforts=("low", "high")),
        {"reasoning": {"effort": "high", "summary": "auto"}, "include": ["reasoning.encrypted_content"]},
    ),
    "log probabilities": (
        {"logprobs": True, "top_logprobs": 2},
        ANY,
        {"top_logprobs": 2, "include": ["message.output_text.logprobs"]},
    ),
    "JSON schema": (
        {"response_format": {"type": "json_schema", "json_schema": SCHEMA}},
        ANY,
        {"text": {"format": {"type": "json_schema", **SCHEMA}}},
    ),
    "JSON object and verbosity": (
        {"response_format": {"type": "json_object"}, "verbosity": "low"},
        ANY,
        {"text": {"format": {"type": "json_object"}, "verbosity": "low"}},
    ),
    "text format": ({"response_format": {"type": "text"}}, ANY, NOTHING),
    "tools": (
        {"tools": [function_tool("f", description="d", parameters={"type": "object"}, strict=True)]},
        ANY,
        {"tools": [{**FLAT_TOOL, "description": "d", "parameters": {"type": "object"}, "strict": True}]},
    ),
    "tool without anything": (
        {"tools": [function_tool("f", parameters=None)], "parallel_tool_calls": False},
        ANY,
        {"tools": [FLAT_TOOL], "parallel_tool_calls": False},
    ),
    "custom tools": (
        {
            "tools": [
                {
                    "type": "custom",
                    "custom": {"name": "a", "format": {"type": "grammar", "grammar": GRAMMAR}},
                },
                {"type": "custom", "custom": {"name": "b", "description": "d", "format": {"type": "text"}}},
            ]
        },
        ANY,
        {
            "tools": [
                {"type": "custom", "name": "a", "format": {"type": "grammar", **GRAMMAR}},
                {"type": "custom", "name": "b", "description": "d", "format": {"type": "text"}},
            ]
        },
    ),
    "web search": (
        {
            "web_search_options": {
                "search_context_size": "low",
                "user_location": {"type": "approximate", "approximate": {"country": "AT"}},
            }
        },
        ANY,
        {
            "tools": [
                {
                    "type": "web_search",
                    "search_context_size": "low",
                    "user_location": {"type": "approximate", "country": "AT"},
                }
            ]
        },
    ),
    "about tools, without tools": (
        {"tools": [], "parallel_tool_calls": True, "tool_choice": "auto"},
        ANY,
        NOTHING,
    ),
}


@pytest.mark.parametrize(("request_fields", "rules", "expected"), FIELDS.values(), ids=FIELDS)
def test_fields(request_fields: dict[str, Any], rules: ModelRules, expected: dict[str, Any]) -> None:
    body = write(request_fields, PUBLIC, rules)
    assert body == {"model": "gpt-x", "input": [], **NOTHING, **expected}


CHOICES: dict[str, tuple[Any, Any]] = {
    "auto": ("auto", "auto"),
    "none": ("none", "none"),
    "required": ("required", "required"),
    "a function": ({"type": "function", "function": {"name": "f"}}, {"type": "function", "name": "f"}),
    "a long name": (function_tool(LONG), {"type": "function", "name": short_name(LONG)}),
    "a custom tool": ({"type": "custom", "custom": {"name": "c"}}, {"type": "custom", "name": "c"}),
    "some tools": (
        {
            "type": "allowed_tools",
            "allowed_tools": {
                "mode": "required",
                "tools": [function_tool("f"), {"type": "custom", "custom": {"name": "c"}}],
            },
        },
        {
            "type": "allowed_tools",
            "mode": "required",
            "tools": [{"type": "function", "name": "f"}, {"type": "custom", "name": "c"}],
        },
    ),
}


@pytest.mark.parametrize(("choice", "expected"), CHOICES.values(), ids=CHOICES)
def test_tool_choice(choice: Any, expected: Any) -> None:
    assert write({**TOOLS, "tool_choice": choice})["tool_choice"] == expected


REFUSED: dict[str, tuple[dict[str, Any], ResponsesFlavour, str]] = {
    "several choices": ({"n": 2}, PUBLIC, "n"),
    "stop": ({"stop": "\n"}, PUBLIC, "stop"),
    "logit bias": ({"logit_bias": {"1": 100}}, PUBLIC, "logit_bias"),
    "spoken answer": ({"modalities": ["text", "audio"]}, PUBLIC, "modalities"),
    "functions": ({"functions": [{"name": "f"}]}, PUBLIC, "functions"),
    "role": ({"messages": [{"role": "function", "name": "f", "content": "x"}]}, PUBLIC, "messages[0].role"),
    "part": (user({"type": "text", "text": "a"}, {"type": "video_url"}), PUBLIC, "messages[0].content[1]"),
    "assistant's part": (
        {"messages": [{"role": "assistant", "content": [{"type": "thinking"}]}]},
        PUBLIC,
        "messages[0].content[0]",
    ),
    "call of a function": (
        {"messages": [{"role": "assistant", "function_call": {"name": "f", "arguments": ""}}]},
        PUBLIC,
        "messages[0].function_call",
    ),
    "tool": ({"tools": [{"type": "file_search"}]}, PUBLIC, "tools[0].type"),
    "custom tool without a name": ({"tools": [{"type": "custom", "custom": {}}]}, PUBLIC, "tools[0].type"),
    "choice": ({**TOOLS, "tool_choice": {"type": "hosted"}}, PUBLIC, "tool_choice"),
    "log probabilities": ({"logprobs": True}, CODEX, "logprobs"),
    "web search": ({"web_search_options": {}}, CODEX, "web_search_options"),
    "audio": (
        user({"type": "input_audio", "input_audio": {"data": "", "format": "wav"}}),
        CODEX,
        "messages[0].content[0]",
    ),
}


@pytest.mark.parametrize(("request_fields", "flavour", "param"), REFUSED.values(), ids=REFUSED)
def test_refused(request_fields: dict[str, Any], flavour: ResponsesFlavour, param: str) -> None:
    with pytest.raises(ClientError) as refused:
        write(request_fields, flavour)
    assert (refused.value.status, refused.value.param) == (400, param)


def test_log_probabilities_of_a_model_that_does_not_sample() -> None:
    with pytest.raises(ClientError):
        write({"logprobs": True}, PUBLIC, ModelRules(sampling="never"))


EFFORTS: dict[str, tuple[str | None, tuple[str, ...], str | None]] = {
    "not asked": (None, ("low",), None),
    "anything goes": ("turbo", (), "turbo"),
    "taken": ("high", ("low", "high"), "high"),
    "lower": ("none", ("low", "high"), "low"),
    "higher": ("max", ("low", "xhigh"), "xhigh"),
    "the lower of two": ("medium", ("high", "low"), "low"),
    "unknown": ("turbo", ("low", "high"), None),
    "a vendor's own scale": ("low", ("default",), None),
}


@pytest.mark.parametrize(("effort", "accepted", "expected"), EFFORTS.values(), ids=EFFORTS)
def test_nearest_effort(effort: str | None, accepted: tuple[str, ...], expected: str | None) -> None:
    assert nearest_effort(effort, accepted) == expected


def test_path_and_headers() -> None:
    call = Call("openai", "m", True, 1, "r", extras={"account_id": "acct"})
    path, headers, body = ResponsesDialect(PUBLIC).write_request({"messages": []}, call)
    assert path == "/responses"
    assert headers == {"content-type": "application/json", "accept": "text/event-stream"}
    assert json.loads(body)["stream"] is True


NOT_FOR_CODEX = (
    *(
        "temperature",
        "top_p",
        "top_logprobs",
        "seed",
        "max_tokens",
        "max_completion_tokens",
        "max_output_tokens",
    ),
    *(
        "store",
        "metadata",
        "moderation",
        "safety_identifier",
        "prompt_cache_retention",
        "prompt_cache_options",
    ),
    *("stream_options", "truncation", "previous_response_id", "context_management", "generate", "n"),
)
CODEX_FIELDS = {
    "stream": True,
    "store": False,
    "instructions": "",
    "include": ["reasoning.encrypted_content"],
}
CODEX_BODIES: dict[str, tuple[dict[str, Any], dict[str, str], dict[str, Any]]] = {
    "nothing": ({}, {}, {}),
    "instructions": ({}, {"instructions": "You are"}, {"instructions": "You are"}),
    "whatever limits, samples or stores": (dict.fromkeys(NOT_FOR_CODEX, 1), {}, {}),
    "service tier": ({"service_tier": "priority"}, {}, {"service_tier": "priority"}),
    "other service tier": ({"service_tier": "flex"}, {}, {}),
    "cache key": ({"prompt_cache_key": "k", "user": "u"}, {}, {"prompt_cache_key": "k"}),
    "user": ({"user": "u"}, {}, {"prompt_cache_key": "u"}),
    "session": ({"prompt_cache_key": "k"}, {"session": "s"}, {"prompt_cache_key": "s"}),
    "effort": ({"reasoning_effort": "high"}, {}, {"reasoning": {"effort": "high", "summary": "auto"}}),
    "system": ({"messages": [{"role": "system", "content": "Hi"}]}, {}, {"input": [item("developer", HI)]}),
    "parallel calls": ({"parallel_tool_calls": True}, {}, {}),
    "parallel calls of tools": (
        {**TOOLS, "parallel_tool_calls": True},
        {},
        {"tools": [FLAT_TOOL], "parallel_tool_calls": True},
    ),
}


@pytest.mark.parametrize(("request_fields", "extras", "expected"), CODEX_BODIES.values(), ids=CODEX_BODIES)
def test_codex(request_fields: dict[str, Any], extras: dict[str, str], expected: dict[str, Any]) -> None:
    body = write(request_fields, CODEX, REASONING, extras)
    assert body == {"model": "gpt-x", "input": [], **CODEX_FIELDS, **expected}


def test_codex_headers() -> None:
    extras = {
        "account_id": "acct",
        "originator": "codex_cli_rs",
        "user_agent": "ua",
        "session": "s",
        "x": "y",
    }
    call = Call("openai-codex", "m", False, 1, "r", extras=extras)
    headers = ResponsesDialect(CODEX).write_request({"messages": []}, call).headers
    assert headers == {
        "content-type": "application/json",
        "accept": "text/event-stream",
        "chatgpt-account-id": "acct",
        "originator": "codex_cli_rs",
        "user-agent": "ua",
        "session-id": "s",
    }


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
    call = Call("openai", "m", False, 1, "r")
    answer = ResponsesDialect(PUBLIC).read_answer(json.dumps(REASONED).encode(), call)
    assert isinstance(answer, dict)
    results = [{"role": "tool", "tool_call_id": f"call_{n}", "content": "ok"} for n in (1, 2)]
    return dict(answer["choices"][0]["message"]), results


@pytest.mark.parametrize("flavour", [PUBLIC, CODEX], ids=["public", "codex"])
def test_reasoning_that_the_client_echoes(flavour: ResponsesFlavour) -> None:
    turn, results = answer_to_tools()
    assert write({"messages": [turn, *results]}, flavour)["input"][:4] == SENT_BACK


def test_reasoning_that_the_client_dropped() -> None:
    turn, results = answer_to_tools()
    remembered: dict[str, list[ReasoningDetail]] = {"call_2": turn.pop("reasoning_details")}
    body = write({"messages": [turn, *results]}, recall=lambda call_id: remembered.get(call_id, ()))
    assert body["input"][:4] == SENT_BACK


def test_reasoning_of_a_stream_is_sent_back_the_same() -> None:
    reader = ResponsesDialect(CODEX).open_stream(Call("openai-codex", "m", True, 1, "r"))
    lines = [
        {"type": "response.output_item.done", "output_index": place, "item": made}
        for place, made in enumerate(REASONED["output"])
    ]
    lines.append({"type": "response.completed", "response": {"output": []}})
    events = reader.feed(b"".join(b"data: %b\n\n" % json.dumps(line).encode() for line in lines))
    answer = fold(events)
    assert isinstance(answer, dict)
    assert write({"messages": [answer["choices"][0]["message"]]}, CODEX)["input"] == SENT_BACK


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
    assert write({"messages": [turn]})["input"] == SENT_BACK[2:]


def test_reasoning_that_led_to_nothing_is_left_out() -> None:
    turn, _ = answer_to_tools()
    assert write({"messages": [{**turn, "tool_calls": []}]})["input"] == []


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
    chat: Any = read_request(original, flavour.reasoning_format)
    call = Call(
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
    and its type may be left out. Strict is a tool's default, stored a response's. Ids and statuses of items
    are for the provider's records. Reasoning that is neither encrypted nor plain cannot be read by anyone.
    `include` and `reasoning.summary` ask for more to be told. Null is nothing, and so are an empty
    `instructions` and an empty `tools`.
    """
    kept = {name: value for name, value in body.items() if value not in (None, "", [])}
    kept.pop("include", None)
    items = kept["input"] if isinstance(kept["input"], list) else [{"role": "user", "content": kept["input"]}]
    if instructions := kept.pop("instructions", None):
        items = [{"role": "developer", "content": instructions}, *items]
    kept["input"] = [found for found in map(normalised_item, items) if found]
    kept["tools"] = [
        {"strict": True, **tool} if tool["type"] == "function" else tool for tool in kept.get("tools", ())
    ]
    kept["store"] = kept.get("store", True)
    if "reasoning" in kept:
        kept["reasoning"] = {"effort": kept["reasoning"]["effort"]}
    return kept


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
    assert not recorded or set(NOT_IN_CHAT) <= recorded


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
        {"type": "custom", "custom": {"name": "c", "format": {"type": "grammar", "grammar": GRAMMAR}}},
    ],
    "tool_choice": {
        "type": "allowed_tools",
        "allowed_tools": {
            "mode": "auto",
            "tools": [function_tool("f"), {"type": "custom", "custom": {"name": "c"}}],
        },
    },
    "response_format": {"type": "json_schema", "json_schema": SCHEMA},
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
@settings(max_examples=300, deadline=None)
def test_requests_that_were_let_in_are_written_or_refused(
    data: st.DataObject, flavour: ResponsesFlavour
) -> None:
    whole = EVERYTHING if flavour is PUBLIC else {**EVERYTHING, **NOT_IN_CODEX}
    request = replace_somewhere(whole, data, data.draw(ANYTHING))
    with contextlib.suppress(ClientError):
        write(read_chat(json.dumps(request).encode()), flavour, REASONING)
