"""Conversations as Anthropic's system texts and turns: one table of what becomes of messages."""

from __future__ import annotations

import copy
from typing import Any

import pytest

from smart_router.dialects.anthropic.messages import write_conversation
from smart_router.dialects.base import CallContext
from smart_router.dialects.tool_names import fit_name
from smart_router.errors import ClientError

CALL = CallContext("anthropic", "claude", stream=False, now=1, request_id="r")
MARK = {"type": "ephemeral"}


def text(said: str, **more: Any) -> dict[str, Any]:
    return {"type": "text", "text": said, **more}


def user(*content: Any) -> dict[str, Any]:
    return {"role": "user", "content": content[0] if isinstance(content[0], str) else list(content)}


def assistant(content: Any = None, *tool_calls: dict[str, Any], **more: Any) -> dict[str, Any]:
    calls = {"tool_calls": list(tool_calls)} if tool_calls else {}
    return {"role": "assistant", "content": content, **calls, **more}


def calls(id_: str, arguments: str = "{}", name: str = "f") -> dict[str, Any]:
    return {"id": id_, "type": "function", "function": {"name": name, "arguments": arguments}}


def result(id_: str, content: Any = "ok", **more: Any) -> dict[str, Any]:
    return {"role": "tool", "tool_call_id": id_, "content": content, **more}


def tool_use(id_: str, name: str = "f", **input_: Any) -> dict[str, Any]:
    return {"type": "tool_use", "id": id_, "name": name, "input": input_}


def tool_result(id_: str, **more: Any) -> dict[str, Any]:
    return {"type": "tool_result", "tool_use_id": id_, **more}


def turn(role: str, *blocks: dict[str, Any]) -> dict[str, Any]:
    return {"role": role, "content": list(blocks)}


HI = user("Hi")
HI_TURN = turn("user", text("Hi"))
BEGIN = turn("user", text("Begin."))

TURNS: dict[str, tuple[list[dict[str, Any]], list[dict[str, Any]]]] = {
    "one": ([HI], [HI_TURN]),
    "none": ([], [BEGIN]),
    "assistant first": ([assistant("Hello"), HI], [BEGIN, turn("assistant", text("Hello")), HI_TURN]),
    "merged": (
        [user("a"), user(text("b")), assistant("c"), assistant("d"), user("e")],
        [
            turn("user", text("a"), text("b")),
            turn("assistant", text("c"), text("d")),
            turn("user", text("e")),
        ],
    ),
    "blank texts": (
        [user(""), HI, assistant("\n"), user(text(" "), text("you"))],
        [turn("user", text("Hi"), text("you"))],
    ),
    "assistant's parts and refusal": (
        [HI, assistant([text("a"), {"type": "refusal", "refusal": "no"}]), HI, assistant(refusal="No."), HI],
        [
            HI_TURN,
            turn("assistant", text("a"), text("no")),
            HI_TURN,
            turn("assistant", text("No.")),
            HI_TURN,
        ],
    ),
    "tool loop": (
        [
            HI,
            assistant("Look:", calls("a", '{"x": 1}'), calls("b")),
            result("b"),
            result("a", "1"),
            user("So?"),
        ],
        [
            HI_TURN,
            turn("assistant", text("Look:"), tool_use("a", x=1), tool_use("b")),
            turn("user", tool_result("b", content="ok"), tool_result("a", content="1"), text("So?")),
        ],
    ),
    "text between tool results": (
        [HI, assistant(None, calls("a"), calls("b")), result("a"), user("and"), result("b")],
        [
            HI_TURN,
            turn("assistant", tool_use("a"), tool_use("b")),
            turn("user", tool_result("a", content="ok"), tool_result("b", content="ok"), text("and")),
        ],
    ),
    "arguments that are no object": (
        [HI, assistant(None, calls("a", ""), calls("b", "[1]"), calls("c", '{"x'), calls("d", "NaN"))],
        [
            HI_TURN,
            turn(
                "assistant",
                tool_use("a"),
                tool_use("b", arguments="[1]"),
                tool_use("c", arguments='{"x'),
                tool_use("d", arguments="NaN"),
            ),
        ],
    ),
    "ids that Anthropic refuses": (
        [HI, assistant(None, calls("call:1"), calls("call.1")), result("call:1"), result("call.1")],
        [
            HI_TURN,
            turn("assistant", tool_use("call_1"), tool_use("call_1_1")),
            turn("user", tool_result("call_1", content="ok"), tool_result("call_1_1", content="ok")),
        ],
    ),
    "ids that repeat beside one that looks rewritten": (
        [HI, assistant(None, calls("a"), calls("a_2"), calls("a"))],
        [HI_TURN, turn("assistant", tool_use("a"), tool_use("a_2"), tool_use("a_2_"))],
    ),
    "ids that repeat": (
        [HI, assistant(None, calls("a")), result("a"), assistant(None, calls("a")), result("a")],
        [
            HI_TURN,
            turn("assistant", tool_use("a")),
            turn("user", tool_result("a", content="ok")),
            turn("assistant", tool_use("a_1")),
            turn("user", tool_result("a_1", content="ok")),
        ],
    ),
    "long tool name": (
        [HI, assistant(None, calls("a", name=70 * "n"))],
        [HI_TURN, turn("assistant", tool_use("a", name=fit_name(70 * "n")))],
    ),
    "result in parts": (
        [
            HI,
            assistant(None, calls("a")),
            result(
                "a", [text("b", cache_control=MARK), {"type": "image_url", "image_url": {"url": "https://i"}}]
            ),
        ],
        [
            HI_TURN,
            turn("assistant", tool_use("a")),
            turn(
                "user",
                tool_result(
                    "a",
                    content=[text("b"), {"type": "image", "source": {"type": "url", "url": "https://i"}}],
                    cache_control=MARK,
                ),
            ),
        ],
    ),
    "empty result": (
        [HI, assistant(None, calls("a")), result("a", [text("")])],
        [HI_TURN, turn("assistant", tool_use("a")), turn("user", tool_result("a"))],
    ),
    "cache marks": (
        [
            user(text("a", cache_control=MARK), text("", cache_control=MARK), text("b", cache_control="no")),
            assistant("c", calls("d"), cache_control=MARK),
            result("d", cache_control=MARK),
        ],
        [
            turn("user", text("a", cache_control=MARK), text("b")),
            turn("assistant", text("c"), {**tool_use("d"), "cache_control": MARK}),
            turn("user", tool_result("d", content="ok", cache_control=MARK)),
        ],
    ),
    "prefill": ([HI, assistant("It is \n")], [HI_TURN, turn("assistant", text("It is"))]),
    "thinking alone": (
        [
            HI,
            assistant(
                reasoning_details=[
                    {"type": "reasoning.text", "text": "t", "signature": "s", "format": "anthropic-claude-v1"}
                ]
            ),
        ],
        [HI_TURN],
    ),
    "thinking first": (
        [
            HI,
            assistant(
                "a",
                reasoning_details=[
                    {"type": "reasoning.text", "signature": "s", "format": "anthropic-claude-v1"},
                    {"type": "reasoning.text", "text": "cut off", "format": "anthropic-claude-v1"},
                    {"type": "reasoning.summary", "summary": "?", "format": "anthropic-claude-v1"},
                    {"type": "reasoning.encrypted", "data": "d", "format": "anthropic-claude-v1"},
                    {"type": "reasoning.encrypted", "data": "d", "format": "openai-responses-v1"},
                ],
            ),
        ],
        [
            HI_TURN,
            turn(
                "assistant",
                {"type": "thinking", "thinking": "", "signature": "s"},
                {"type": "redacted_thinking", "data": "d"},
                text("a"),
            ),
        ],
    ),
}


@pytest.mark.parametrize(("messages", "turns"), TURNS.values(), ids=TURNS)
def test_turns(messages: Any, turns: list[dict[str, Any]]) -> None:
    given = copy.deepcopy(messages)
    assert write_conversation(messages, CALL).turns == turns
    assert messages == given


def test_systems_texts_are_gathered() -> None:
    messages: Any = [
        {"role": "system", "content": "a"},
        HI,
        {"role": "developer", "content": [text("b", cache_control=MARK), text(" ")]},
        {"role": "system", "content": ""},
    ]
    assert write_conversation(messages, CALL) == ([text("a"), text("b", cache_control=MARK)], [HI_TURN])


def file(data: str | None, **more: Any) -> dict[str, Any]:
    return {"type": "file", "file": {"file_data": data, **more}}


def image(url: str) -> dict[str, Any]:
    return {"type": "image_url", "image_url": {"url": url, "detail": "low"}}


PDF = {"type": "base64", "media_type": "application/pdf", "data": "JVBERi0="}
PARTS: dict[str, tuple[dict[str, Any], dict[str, Any]]] = {
    "image": (
        image("data:image/png;base64,AAAA"),
        {"type": "image", "source": {"type": "base64", "media_type": "image/png", "data": "AAAA"}},
    ),
    "image/jpg": (
        image("data:image/JPG;base64,AAAA"),
        {"type": "image", "source": {"type": "base64", "media_type": "image/jpeg", "data": "AAAA"}},
    ),
    "image by address": (
        image("https://a.example/i.png"),
        {"type": "image", "source": {"type": "url", "url": "https://a.example/i.png"}},
    ),
    "PDF": (
        file("data:application/pdf;base64,JVBERi0=", filename="a.pdf"),
        {"type": "document", "source": PDF, "title": "a.pdf"},
    ),
    "file by address": (
        file("https://a.example/a.pdf"),
        {"type": "document", "source": {"type": "url", "url": "https://a.example/a.pdf"}},
    ),
    "text file": (
        file("data:text/markdown;base64,IyBIw6k="),
        {"type": "document", "source": {"type": "text", "media_type": "text/plain", "data": "# Hé"}},
    ),
}


@pytest.mark.parametrize(("part", "block"), PARTS.values(), ids=PARTS)
def test_parts(part: dict[str, Any], block: dict[str, Any]) -> None:
    messages: Any = [user(part)]
    assert write_conversation(messages, CALL).turns == [turn("user", block)]


REFUSED: dict[str, tuple[dict[str, Any], str]] = {
    "audio": (user(text("a"), {"type": "input_audio", "input_audio": {}}), "messages[1].content[1]"),
    "unknown part": (user({"type": "hologram"}), "messages[1].content[0]"),
    "unknown image type": (user(image("data:image/tiff;base64,AAAA")), "messages[1].content[0]"),
    "image at an unknown place": (user(image("gs://bucket/a.png")), "messages[1].content[0]"),
    "file id": (user({"type": "file", "file": {"file_id": "file-1"}}), "messages[1].content[0]"),
    "unknown file type": (user(file("data:application/zip;base64,AAAA")), "messages[1].content[0]"),
    "text that is none": (user(file("data:text/plain;base64,/////w==")), "messages[1].content[0]"),
    "image for the system": (
        {"role": "system", "content": [image("https://a.example")]},
        "messages[1].content[0]",
    ),
    "spoken answer": (assistant(audio={"id": "a"}), "messages[1].audio"),
    "function call": (assistant(function_call={"name": "f", "arguments": ""}), "messages[1].function_call"),
    "custom tool call": (
        assistant(None, {"id": "a", "type": "custom", "custom": {"name": "sh", "input": "ls"}}),
        "messages[1].tool_calls[0]",
    ),
    "function role": ({"role": "function", "name": "f", "content": "x"}, "messages[1].role"),
}


@pytest.mark.parametrize(("message", "param"), REFUSED.values(), ids=REFUSED)
def test_refused(message: dict[str, Any], param: str) -> None:
    messages: Any = [HI, message]
    with pytest.raises(ClientError) as refused:
        write_conversation(messages, CALL)
    assert (refused.value.status, refused.value.param) == (400, param)
