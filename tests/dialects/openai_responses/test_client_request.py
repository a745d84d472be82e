"""Requests of Responses clients, read into the hub."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from smart_router.dialects.base import CallContext
from smart_router.dialects.formats import DIALECTS
from smart_router.dialects.native import Received
from smart_router.dialects.openai_chat.client import CHAT
from smart_router.dialects.openai_responses.client import RESPONSES
from smart_router.dialects.openai_responses.dialect import CODEX, ResponsesDialect
from smart_router.dialects.packed_reasoning import pack
from smart_router.errors import ClientError
from tests.dialects.broken_json import ANYTHING, replace_somewhere
from tests.testbed.examples import examples

INBOUND = [
    file
    for file in sorted((Path(__file__).resolve().parents[4] / "shared" / "inbound").glob("*/*.json"))
    if b'/responses"' in file.read_bytes()
]
"""Genuine requests, where their collection is beside the checkout."""


def read(**fields: Any) -> dict[str, Any]:
    body = {"model": "m", "input": "Hi", **fields}
    return dict(RESPONSES.read_request(json.dumps(body).encode(), {}))


def messages(*items: dict[str, Any], **fields: Any) -> list[Any]:
    return list(read(input=list(items), **fields)["messages"])


def user(text: str) -> dict[str, Any]:
    return {"role": "user", "content": text}


def said(text: str) -> dict[str, Any]:
    return {"type": "message", "role": "assistant", "content": [{"type": "output_text", "text": text}]}


def function_call(call_id: str, name: str = "f", arguments: str = "{}", **more: Any) -> dict[str, Any]:
    return {"type": "function_call", "call_id": call_id, "name": name, "arguments": arguments, **more}


def output(call_id: str, said: Any = "done") -> dict[str, Any]:
    return {"type": "function_call_output", "call_id": call_id, "output": said}


def call(call_id: str, name: str = "f", arguments: str = "{}") -> dict[str, Any]:
    return {"id": call_id, "type": "function", "function": {"name": name, "arguments": arguments}}


def result(call_id: str, content: Any = "done") -> dict[str, Any]:
    return {"role": "tool", "tool_call_id": call_id, "content": content}


IMAGE = "data:image/png;base64,iVBORw0KGgo="
IMAGE_PART = {"type": "image_url", "image_url": {"url": IMAGE}}
HIGH_IMAGE_PART = {"type": "image_url", "image_url": {"url": IMAGE, "detail": "high"}}

DEVELOPER = {"role": "developer", "content": "d"}

ITEMS: dict[str, tuple[list[dict[str, Any]], list[dict[str, Any]]]] = {
    "a message without type": ([user("a")], [user("a")]),
    "a single text part": (
        [{"type": "message", "role": "user", "content": [{"type": "input_text", "text": "a"}]}],
        [user("a")],
    ),
    "a developer's message": ([DEVELOPER], [DEVELOPER]),
    "an image": (
        [{"role": "user", "content": [{"type": "input_text", "text": "a"},
                                      {"type": "input_image", "image_url": IMAGE, "detail": "original"}]}],
        [{"role": "user", "content": [{"type": "text", "text": "a"}, HIGH_IMAGE_PART]}],
    ),
    "a file": (
        [{"role": "user", "content": [{"type": "input_file", "filename": "a.pdf", "file_data": "x"}]}],
        [{"role": "user", "content": [{"type": "file", "file": {"filename": "a.pdf", "file_data": "x"}}]}],
    ),
    "a tool loop": (
        [user("a"), said("b"), function_call("1"), function_call("2"), output("1"), output("2"), said("c")],
        [
            user("a"),
            {"role": "assistant", "content": "b", "tool_calls": [call("1"), call("2")]},
            result("1"),
            result("2"),
            {"role": "assistant", "content": "c"},
        ],
    ),
    "a text after a call": (
        [user("a"), function_call("1"), said("b"), output("1")],
        [user("a"), {"role": "assistant", "content": "b", "tool_calls": [call("1")]}, result("1")],
    ),
    "several texts of one turn": (
        [user("a"), said("b"), said("c")],
        [user("a"), {"role": "assistant", "content": [{"type": "text", "text": "b"},
                                                      {"type": "text", "text": "c"}]}],
    ),
    "an output with an image": (
        [user("a"), function_call("1"), output("1", [{"type": "input_image", "image_url": IMAGE}])],
        [user("a"), {"role": "assistant", "content": None, "tool_calls": [call("1")]},
         result("1", [IMAGE_PART])],
    ),
    "an empty output": (
        [user("a"), function_call("1"), output("1", [])],
        [user("a"), {"role": "assistant", "content": None, "tool_calls": [call("1")]}, result("1", "")],
    ),
    "a namespaced call": (
        [user("a"), function_call("1", "close", namespace="agents"), output("1")],
        [user("a"), {"role": "assistant", "content": None, "tool_calls": [call("1", "agents__close")]},
         result("1")],
    ),
    "a custom call": (
        [user("a"),
         {"type": "custom_tool_call", "call_id": "1", "name": "patch", "input": 'say "x"'},
         {"type": "custom_tool_call_output", "call_id": "1", "output": "done"}],
        [user("a"),
         {"role": "assistant", "content": None,
          "tool_calls": [call("1", "patch", '{"input":"say \\"x\\""}')]},
         result("1")],
    ),
    "a record of a hosted tool": (
        [user("a"), {"type": "web_search_call", "id": "ws_1", "status": "completed"}, said("b")],
        [user("a"), {"role": "assistant", "content": "b"}],
    ),
    "a turn that was broken off after its reasoning": (
        [user("a"), {"type": "reasoning", "summary": []}, user("b")],
        [user("a"), user("b")],
    ),
}  # fmt: skip


@pytest.mark.parametrize("case", ITEMS)
def test_items_become_messages(case: str) -> None:
    items, expected = ITEMS[case]
    assert messages(*items) == expected


def test_instructions_come_first() -> None:
    assert messages(user("a"), instructions="i") == [{"role": "system", "content": "i"}, user("a")]


DETAIL = {"type": "reasoning.text", "text": "t", "signature": "s", "format": "anthropic-claude-v1"}


def test_packed_reasoning_is_unpacked() -> None:
    reasoning = {"type": "reasoning", "id": "rs_1", "summary": [], "encrypted_content": pack([DETAIL])}
    _, turn = messages(user("a"), reasoning, function_call("1"))
    assert turn["reasoning_details"] == [{**DETAIL, "index": 0}]


def test_vendors_own_encrypted_reasoning_keeps_its_id() -> None:
    summary = [{"type": "summary_text", "text": "s"}]
    reasoning = {"type": "reasoning", "id": "rs_1", "summary": summary, "encrypted_content": "gAAA"}
    _, turn = messages(user("a"), reasoning, said("b"))
    origin = {"id": "rs_1", "format": "openai-responses-v1"}
    assert turn["reasoning_content"] == "s"
    assert turn["reasoning_details"] == [
        {"type": "reasoning.summary", "summary": "s", **origin, "index": 0},
        {"type": "reasoning.encrypted", "data": "gAAA", **origin, "index": 1},
    ]


FUNCTION = {
    "type": "function",
    "name": "f",
    "description": "d",
    "strict": False,
    "parameters": {"type": "object"},
}
CUSTOM = {
    "type": "custom",
    "name": "patch",
    "description": "d",
    "format": {"type": "grammar", "syntax": "lark", "definition": "start: x"},
}
NAMESPACE = {"type": "namespace", "name": "ns", "description": "about", "tools": [FUNCTION, CUSTOM]}
HOSTED = [{"type": "web_search"}, {"type": "tool_search", "execution": "client"}]


@pytest.mark.parametrize("place", ["tools", "additional_tools"])
def test_tools_become_functions(place: str) -> None:
    tools: list[Any] = [FUNCTION, CUSTOM, NAMESPACE, *HOSTED]
    if place == "tools":
        request = read(tools=tools)
    else:
        declared = {"type": "additional_tools", "role": "developer", "tools": tools}
        request = read(input=[declared, user("a")])
    functions = [tool["function"] for tool in request["tools"]]
    assert [function["name"] for function in functions] == ["f", "patch", "ns__f", "ns__patch"]
    assert functions[0] == {
        field: FUNCTION[field] for field in ("name", "description", "strict", "parameters")
    }
    assert functions[1]["parameters"]["required"] == ["input"]
    assert functions[1]["description"].endswith("lark grammar:\nstart: x")
    assert functions[2]["description"] == "about\n\nd"
    assert request["x_router"]["hosted_tools"] == ["web_search", "tool_search"]


CHOICES: list[tuple[Any, Any]] = [
    ("auto", "auto"),
    ("required", "required"),
    ({"type": "function", "name": "f"}, {"type": "function", "function": {"name": "f"}}),
    ({"type": "custom", "name": "patch"}, {"type": "function", "function": {"name": "patch"}}),
    ({"type": "web_search"}, None),
    ({"type": "allowed_tools", "tools": 0}, None),
    ({"type": "allowed_tools", "tools": ["f"]}, None),
    (
        {"type": "allowed_tools", "mode": "required",
         "tools": [{"type": "function", "name": "f"}, {"type": "web_search"}]},
        {"type": "allowed_tools",
         "allowed_tools": {"mode": "required", "tools": [{"type": "function", "function": {"name": "f"}}]}},
    ),
]  # fmt: skip


@pytest.mark.parametrize(("choice", "expected"), CHOICES)
def test_tool_choices(choice: Any, expected: Any) -> None:
    assert read(tools=[FUNCTION, CUSTOM, *HOSTED], tool_choice=choice).get("tool_choice") == expected


def test_choice_of_tools_that_are_all_hosted_is_dropped() -> None:
    request = read(tools=HOSTED, tool_choice="required", parallel_tool_calls=False)
    assert not request.keys() & {"tools", "tool_choice", "parallel_tool_calls"}


SCHEMA = {"name": "s", "schema": {"type": "object"}, "strict": True}
PARAMETERS: list[tuple[dict[str, Any], dict[str, Any]]] = [
    ({"max_output_tokens": 5}, {"max_completion_tokens": 5}),
    ({"reasoning": {"effort": "low", "summary": "auto"}}, {"reasoning_effort": "low"}),
    ({"reasoning": {"summary": "auto"}}, {}),
    ({"text": {"format": {"type": "json_schema", **SCHEMA}}},
     {"response_format": {"type": "json_schema", "json_schema": SCHEMA}}),
    ({"text": {"format": {"type": "json_object"}, "verbosity": "low"}},
     {"response_format": {"type": "json_object"}, "verbosity": "low"}),
    ({"text": {"format": {"type": "text"}}}, {}),
    ({"include": ["message.output_text.logprobs"], "top_logprobs": 2}, {"logprobs": True, "top_logprobs": 2}),
    ({"temperature": 0.5, "top_p": 0.5, "user": "u", "prompt_cache_key": "k", "metadata": {"a": "b"}},
     {"temperature": 0.5, "top_p": 0.5, "user": "u", "prompt_cache_key": "k", "metadata": {"a": "b"}}),
    ({"store": True, "truncation": "auto", "client_metadata": {}, "stream_options": {}}, {}),
]  # fmt: skip


@pytest.mark.parametrize(("sent", "expected"), PARAMETERS)
def test_parameters(sent: dict[str, Any], expected: dict[str, Any]) -> None:
    request = read(**sent)
    assert {
        name: request[name] for name in request.keys() - {"model", "messages", "stream", "x_router"}
    } == expected


UNTRANSLATABLE: list[tuple[str, dict[str, Any]]] = [
    ("background", {"background": True, "stream": True}),
    ("conversation", {"conversation": "conv_1"}),
    ("prompt", {"prompt": {"id": "p"}}),
    ("previous_response_id", {"previous_response_id": "resp_1"}),
    ("input[1]", {"input": [user("a"), {"type": "compaction", "encrypted_content": "x"}]}),
    ("input[1]", {"input": [user("a"), {"id": "msg_1"}]}),
]


@pytest.mark.parametrize(("param", "sent"), UNTRANSLATABLE)
def test_what_only_the_vendor_can_do_is_noted(param: str, sent: dict[str, Any]) -> None:
    assert read(**sent)["x_router"]["untranslatable"][0] == param


def test_response_that_would_have_to_be_polled_for_is_refused() -> None:
    with pytest.raises(ClientError, match="leave 'background' out") as refused:
        read(background=True)
    assert (refused.value.status, refused.value.param) == (400, "background")
    assert read(background=False)["model"] == "m"


@pytest.mark.parametrize("file", INBOUND, ids=lambda file: f"{file.parent.name}/{file.stem}")
def test_genuine_requests_of_clients_are_valid_hub_requests(file: Path) -> None:
    for exchange in json.loads(file.read_bytes())["exchanges"]:
        request = exchange["request"]
        sent = [text for who, text in exchange.get("websocket") or () if who == "client"] or [
            request.get("body")
        ]
        for body in sent if request["path"].endswith("/responses") else ():
            if not isinstance(body, dict):
                continue
            hub = dict(RESPONSES.read_request(json.dumps(body).encode(), {}))
            hub.pop("x_router")
            assert CHAT.read_request(json.dumps(hub).encode(), {}) == hub


EVERYTHING: dict[str, Any] = {
    "model": "m",
    "instructions": "i",
    "input": [
        {"type": "additional_tools", "tools": [NAMESPACE]},
        {"role": "user", "content": [{"type": "input_text", "text": "t"},
                                     {"type": "input_image", "image_url": "u"},
                                     {"type": "input_file", "file_id": "f"}]},
        {"type": "reasoning", "summary": [{"type": "summary_text", "text": "s"}],
         "encrypted_content": pack([DETAIL])},
        {"type": "message", "role": "assistant", "content": [{"type": "refusal", "refusal": "r"}]},
        function_call("1"),
        {"type": "custom_tool_call", "call_id": "2", "name": "patch", "input": "x"},
        output("1", [{"type": "input_text", "text": "t"}]),
    ],
    "tools": [FUNCTION, CUSTOM, *HOSTED],
    "tool_choice": {"type": "allowed_tools", "mode": "auto", "tools": [{"type": "function", "name": "f"}]},
    "reasoning": {"effort": "low"},
    "text": {"format": {"type": "json_schema", **SCHEMA}},
    "include": ["reasoning.encrypted_content"],
}  # fmt: skip


@given(data=st.data())
@settings(max_examples=examples(300))
def test_requests_are_read_or_refused(data: st.DataObject) -> None:
    broken = json.dumps(replace_somewhere(EVERYTHING, data, data.draw(ANYTHING))).encode()
    try:
        request = RESPONSES.read_request(broken, {})
        RESPONSES.open_writer(request)
        call = CallContext("p", "m", True, 1, "r", extras={"project": "p"}, virtual=True)
        for dialect in (*DIALECTS.values(), ResponsesDialect(CODEX)):
            if not dialect.write_native(Received("responses", "/v1/responses", {}, broken), request, call):
                dialect.write_request(request, call)
    except ClientError as error:
        assert error.status == 400


@pytest.mark.parametrize("kind", ["text", "image_url", "file"])
def test_a_part_of_chat_completions_is_checked_like_one_of_these(kind: str) -> None:
    """It reaches the hub as it is, where it must have its fields."""
    body = {"model": "m", "input": [{"type": "message", "role": "user", "content": [{"type": kind}]}]}
    with pytest.raises(ClientError, match=rf"Missing required parameter: 'input\[0\]\.content\[0\]\.{kind}'"):
        RESPONSES.read_request(json.dumps(body).encode(), {})
