"""Repairs of a conversation on OpenAI's chat wire: ids, names, empty texts, media, foreign fields."""

from __future__ import annotations

import re
from base64 import b64encode
from dataclasses import replace
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic_core import from_json, to_json

from smart_router.dialects.hub import Delta
from smart_router.dialects.openai_chat.messages import EMPTY
from smart_router.dialects.tool_names import tool_names
from smart_router.errors import ClientError
from smart_router.providers.openai_compatible import CHAT, declared_provider
from tests.dialects.openai_chat.chat_wire import HELLO, MODELS, body_for, body_with, call_to, read, says, sse

JPEG = b64encode(b"\xff\xd8\xff\xe0" + bytes(30)).decode()
PDF = b64encode(b"%PDF-1.7\n" + bytes(30)).decode()
DECLARED = declared_provider("local", "http://127.0.0.1:8000/v1").quirks
MARK = {"cache_control": {"type": "ephemeral"}}
CALL = {"id": "t1", "type": "function", "function": {"name": "f", "arguments": "{}"}}
RESULT = {"role": "tool", "tool_call_id": "t1", "content": "r"}
TURN = {"role": "assistant", "content": None, "tool_calls": [CALL]}
TOOL = {"type": "function", "function": {"name": "f", "parameters": {"type": "object", "properties": {}}}}


def user(*parts: dict[str, Any]) -> dict[str, Any]:
    return {"role": "user", "content": list(parts)}


def image(url: str) -> dict[str, Any]:
    return {"type": "image_url", "image_url": {"url": url}}


def text(words: str, **more: Any) -> dict[str, Any]:
    return {"type": "text", "text": words, **more}


def sent(provider: str, *messages: dict[str, Any], **fields: Any) -> list[dict[str, Any]]:
    request = {"messages": [HELLO, *messages], **fields}
    body = body_with(DECLARED, request) if provider == "declared" else body_for(provider, request)
    written: list[dict[str, Any]] = body["messages"]
    return written[1:]


NULL = {"role": "assistant", "content": None}
EMPTIES: list[tuple[str, str, dict[str, Any], list[dict[str, Any]]]] = [
    ("null", "openai", NULL, [{"role": "assistant", "content": ""}]),
    ("null at a declared server", "declared", NULL, [{"role": "assistant", "content": ""}]),
    ("null where texts must not be empty", "xai", NULL, []),
    ("no content at all", "groq", {"role": "assistant"}, [{"role": "assistant", "content": ""}]),
    ("an empty list", "openai", {**NULL, "content": []}, [{"role": "assistant", "content": ""}]),
    ("an empty part", "openai", {**NULL, "content": [text("")]}, [{"role": "assistant", "content": ""}]),
    ("a refusal", "openai", {**NULL, "refusal": "No."}, [{**NULL, "refusal": "No."}]),
    ("a refusal elsewhere", "groq", {**NULL, "refusal": "No."}, [{"role": "assistant", "content": "No."}]),
    ("an empty system text", "xai", {"role": "system", "content": ""}, []),
    ("an empty developer text", "openai", {"role": "developer", "content": [text("")]}, []),
    ("an empty user text", "xai", {"role": "user", "content": ""}, [{"role": "user", "content": EMPTY}]),
    (
        "an empty user text at OpenAI",
        "openai",
        {"role": "user", "content": ""},
        [{"role": "user", "content": ""}],
    ),
    ("an empty part beside others", "openai", user(text(""), text("x")), [user(text("x"))]),
]


@pytest.mark.parametrize(
    ("provider", "message", "expected"), [row[1:] for row in EMPTIES], ids=[row[0] for row in EMPTIES]
)
def test_empty_contents(provider: str, message: dict[str, Any], expected: list[dict[str, Any]]) -> None:
    assert sent(provider, message) == expected


def test_an_empty_result_where_texts_must_not_be_empty() -> None:
    assert sent("xai", TURN, {**RESULT, "content": ""})[-1]["content"] == EMPTY


@pytest.mark.parametrize("provider", [*MODELS, "declared"])
def test_a_conversation_of_nothing_still_has_a_message(provider: str) -> None:
    fields = {"messages": [{"role": "system", "content": ""}]}
    body = body_with(DECLARED, fields) if provider == "declared" else body_for(provider, fields)
    assert body["messages"] == [{"role": "user", "content": EMPTY}]


@pytest.mark.parametrize(
    ("given_", "expected"),
    [
        ("", "{}"),
        (" ", "{}"),
        ("null", "{}"),
        ('{"a": 1}', '{"a": 1}'),
        ('{"a"', '{"arguments":"{\\"a\\""}'),
        ("[1]", '{"arguments":"[1]"}'),
    ],
)
@pytest.mark.parametrize("provider", ["openai", "groq", "declared"])
def test_arguments_of_earlier_calls_are_objects(provider: str, given_: str, expected: str) -> None:
    call = {**CALL, "function": {"name": "f", "arguments": given_}}
    assert (
        sent(provider, {**TURN, "tool_calls": [call]}, RESULT)[0]["tool_calls"][0]["function"]["arguments"]
        == expected
    )


@pytest.mark.parametrize("provider", ["groq", "deepseek", "xai", "openai", "declared"])
def test_fields_of_other_vendors_stay_here(provider: str) -> None:
    call = {**CALL, "extra_content": {"google": {"thought_signature": "s"}}, "index": 0}
    history = [
        {**user(text("a", **MARK)), **MARK},
        {
            **TURN,
            "tool_calls": [call],
            "annotations": [],
            "images": [{}],
            "reasoning": "r",
            "thinking_blocks": [],
        },
        {**RESULT, "is_error": False, **MARK},
    ]
    question, turn, result = sent(provider, *history)
    assert question == user(text("a"))
    assert turn.pop("reasoning_content", "") == ""
    assert (turn, result) == (TURN, RESULT)
    tool = {**TOOL, **MARK, "function": {**TOOL["function"], **MARK, "strict": None}}
    fields = {"tools": [tool]}
    body = body_with(DECLARED, fields) if provider == "declared" else body_for(provider, fields)
    assert body["tools"] == [TOOL]


@pytest.mark.parametrize("provider", ["openrouter", "qwen-dashscope"])
def test_prompt_cache_marks_go_where_they_are_understood(provider: str) -> None:
    assert sent(provider, user(text("a", **MARK))) == [user(text("a", **MARK))]
    assert body_for(provider, {"tools": [{**TOOL, **MARK}]})["tools"] == [{**TOOL, **MARK}]


THOUGHT = {**TURN, "reasoning_content": "because"}
SAYS = {"role": "assistant", "content": "I look."}
REASONING: list[tuple[str, list[dict[str, Any]], list[str | None]]] = [
    ("declared", [THOUGHT, RESULT], ["because"]),
    ("declared", [TURN, RESULT], [None]),
    ("declared", [{**SAYS, "reasoning_content": "because"}], [None]),
    (
        "declared",
        [{**TURN, "reasoning_details": [{"type": "reasoning.text", "text": "because"}]}, RESULT],
        ["because"],
    ),
    ("deepseek", [SAYS, TURN, RESULT], ["", ""]),
    ("deepseek", [SAYS, {"role": "user", "content": "x"}, THOUGHT, RESULT], [None, "because"]),
    ("groq", [THOUGHT, RESULT], [None]),
]


@pytest.mark.parametrize(("provider", "history", "expected"), REASONING)
def test_reasoning_goes_back_where_it_is_wanted(
    provider: str, history: list[dict[str, Any]], expected: list[str | None]
) -> None:
    answers = [one for one in sent(provider, *history, tools=[TOOL]) if one["role"] == "assistant"]
    assert [answer.get("reasoning_content") for answer in answers] == expected


@pytest.mark.parametrize("declared", ["image/png", "image/jpg", "IMAGE/JPEG", "application/octet-stream", ""])
@pytest.mark.parametrize("provider", ["openai", "xai", "declared"])
def test_images_are_labelled_by_their_bytes(provider: str, declared: str) -> None:
    (message,) = sent(provider, user(image(f"data:{declared};base64,{JPEG}")))
    assert message == user(image(f"data:image/jpeg;base64,{JPEG}"))


def test_base64_is_made_plain() -> None:
    urlsafe = JPEG.replace("/", "_").replace("+", "-").rstrip("=")
    broken = f"{urlsafe[:20]}\n{urlsafe[20:]}"
    (message,) = sent("openai", user(image(f"data:image/jpeg;base64,{broken}")))
    assert message == user(image(f"data:image/jpeg;base64,{JPEG}"))


def test_a_document_in_an_image_part_is_a_file() -> None:
    (message,) = sent("openai", user(image(f"data:image/png;base64,{PDF}")))
    file = {"filename": "document.pdf", "file_data": f"data:application/pdf;base64,{PDF}"}
    assert message == user({"type": "file", "file": file})
    assert sent("openai", user({"type": "file", "file": {"file_data": PDF}})) == [message]
    with pytest.raises(ClientError, match="groq takes no file parts"):
        sent("groq", user(image(f"data:image/png;base64,{PDF}")))


def test_an_image_that_a_vendor_cannot_read_is_our_own_400() -> None:
    gif = b64encode(b"GIF89a" + bytes(30)).decode()
    with pytest.raises(ClientError, match="This model reads image/jpeg, image/png, not image/gif"):
        sent("xai", user(image(f"data:image/gif;base64,{gif}")))
    address = image("https://example.com/a.gif")
    assert sent("xai", user(address)) == [user(address)], "addresses are the vendor's to fetch"


def test_images_of_tool_results_follow_the_results() -> None:
    calls = [CALL, {**CALL, "id": "t2"}]
    url = f"data:image/jpeg;base64,{JPEG}"
    results = [{**RESULT, "content": [text("seen"), image(url)]}, {**RESULT, "tool_call_id": "t2"}]
    _, one, two, media = sent("openai", {**TURN, "tool_calls": calls}, *results)
    assert (one["content"], two["content"]) == ([text("seen")], "r")
    assert media["role"] == "user"
    assert media["content"][-1] == image(url)
    assert sent("openrouter", TURN, results[0])[1]["content"] == [text("seen"), image(url)]


NAMES = st.text(min_size=1, max_size=90) | st.sampled_from(
    ["a.b", "a/b", "21st", "mcp__" + "x" * 70, "get_weather"]
)


@given(names=st.lists(NAMES, min_size=1, max_size=4, unique=True), id_=st.text(min_size=1, max_size=120))
@pytest.mark.parametrize("provider", ["openai", "declared"])
def test_names_and_ids_are_within_the_limits_and_names_come_back(
    provider: str, names: list[str], id_: str
) -> None:
    tools = [{"type": "function", "function": {"name": name}} for name in names]
    calls = [
        {"id": f"{n}{id_}", "type": "function", "function": {"name": name, "arguments": "{}"}}
        for n, name in enumerate(names)
    ]
    results = [{"role": "tool", "tool_call_id": f"{n}{id_}", "content": "r"} for n in range(len(names))]
    choice = {"type": "function", "function": {"name": names[0]}}
    fields: dict[str, Any] = {
        "messages": [HELLO, {**TURN, "tool_calls": calls}, *results],
        "tools": tools,
        "tool_choice": choice,
    }
    body = body_with(DECLARED, fields) if provider == "declared" else body_for(provider, fields, "gpt-4.1")
    written = [tool["function"]["name"] for tool in body["tools"]]
    assert all(re.fullmatch("[a-zA-Z0-9_-]{1,64}", name) for name in written)
    assert [call["function"]["name"] for call in body["messages"][1]["tool_calls"]] == written
    assert body["tool_choice"]["function"]["name"] == written[0]
    ids = [call["id"] for call in body["messages"][1]["tool_calls"]]
    assert ids == [message["tool_call_id"] for message in body["messages"][2:]]
    assert len(set(ids)) == len(names)
    assert provider == "declared" or all(len(one) <= 40 for one in ids)
    call = replace(call_to("openai", "gpt-4.1"), tool_names=tool_names({"tools": tools}))
    if provider == "openai":
        made = [{"index": 0, "id": "c", "function": {"name": written[-1], "arguments": "{}"}}]
        told = [
            event.delta
            for event in read(call, sse(says({"tool_calls": made}, "tool_calls")))
            if isinstance(event, Delta)
        ]
        assert told[0]["tool_calls"][0]["function"]["name"] == names[-1]
        whole = {
            "id": "c",
            "object": "chat.completion",
            "created": 1,
            "model": "m",
            "usage": {"prompt_tokens": 1},
        }
        message = {"role": "assistant", "content": None, "tool_calls": [{**made[0], "type": "function"}]}
        whole["choices"] = [{"index": 0, "message": message, "finish_reason": "tool_calls"}]
        answer: Any = CHAT.read_answer(to_json(whole), call)
        assert answer["choices"][0]["message"]["tool_calls"][0]["function"]["name"] == names[-1]


def test_a_tool_that_comes_twice_is_sent_once() -> None:
    newer = {"type": "function", "function": {**TOOL["function"], "description": "newer"}}
    custom = {"type": "custom", "custom": {"name": "f"}}
    assert body_for("openai", {"tools": [TOOL, custom, newer]}, "gpt-4.1")["tools"] == [newer, custom]


def strict(**properties: Any) -> dict[str, Any]:
    return {"type": "object", "properties": properties, "required": ["a"]}


def test_strict_is_kept_for_schemas_that_can_be_and_dropped_for_others() -> None:
    def written(schema: dict[str, Any]) -> dict[str, Any]:
        function = {"name": "f", "strict": True, "parameters": schema}
        form = {"type": "json_schema", "json_schema": {"name": "a name", "strict": True, "schema": schema}}
        body = body_for(
            "openai", {"tools": [{**TOOL, "function": function}], "response_format": form}, "gpt-4.1"
        )
        tool, answer = body["tools"][0]["function"], body["response_format"]["json_schema"]
        assert tool["strict"] == answer["strict"]
        assert re.fullmatch("[a-zA-Z0-9_-]+", answer["name"])
        return {"tool": tool["parameters"], "answer": answer["schema"], "strict": tool["strict"]}

    good, optional = (
        strict(a={"type": "string", "default": "x"}),
        strict(a={"type": "string"}, b={"type": "string"}),
    )
    closed = {**strict(a={"type": "string"}), "additionalProperties": False}
    assert written(good) == {"tool": closed, "answer": closed, "strict": True}
    assert written(optional) == {"tool": optional, "answer": optional, "strict": False}


def test_what_a_schema_loses_is_told() -> None:
    schema = {**strict(a={"type": "string"}, b={"type": "string"}), "anyOf": [{"required": ["b"]}]}
    request: Any = {"messages": [HELLO], "tools": [{**TOOL, "function": {"name": "f", "parameters": schema}}]}
    written = CHAT.write_request(request, call_to("openai", "gpt-4.1"))
    assert written.notes == ("tool f: anyOf told in words",)
    assert "anyOf" not in from_json(written.body)["tools"][0]["function"]["parameters"]
