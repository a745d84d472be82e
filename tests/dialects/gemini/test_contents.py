"""OpenAI's conversations as Gemini's turns."""

from __future__ import annotations

from typing import Any

import pytest

from smart_router.dialects.call_pairs import NO_RESULT, ORPHAN
from smart_router.dialects.tool_names import fit_name
from smart_router.errors import ClientError
from tests.dialects.gemini.gemini_cases import HI, USER, make_call, write

FILE_URI = "https://generativelanguage.googleapis.com/v1beta/files/abc"
PNG = "data:image/png;base64,AAAA"


def tool_call(id_: str, name: str, arguments: str = "{}") -> dict[str, Any]:
    return {"id": id_, "type": "function", "function": {"name": name, "arguments": arguments}}


def calls(*made: dict[str, Any], **message: Any) -> dict[str, Any]:
    return {"role": "assistant", "content": None, "tool_calls": list(made), **message}


def result(id_: str, content: Any = "r") -> dict[str, Any]:
    return {"role": "tool", "tool_call_id": id_, "content": content}


def model(*parts: dict[str, Any]) -> dict[str, Any]:
    return {"role": "model", "parts": list(parts)}


def user(*parts: dict[str, Any]) -> dict[str, Any]:
    return {"role": "user", "parts": list(parts)}


def function_call(id_: str, name: str, **args: Any) -> dict[str, Any]:
    return {"functionCall": {"id": id_, "name": name, "args": args}}


def function_response(id_: str, name: str, response: Any) -> dict[str, Any]:
    return {"functionResponse": {"id": id_, "name": name, "response": response}}


@pytest.mark.parametrize(
    ("messages", "turns"),
    [
        ([HI], [USER]),
        ([HI, {"role": "user", "content": "there"}], [user({"text": "hi"}, {"text": "there"})]),
        ([HI, {"role": "assistant", "content": "a"}, HI], [USER, model({"text": "a"}), USER]),
        ([{"role": "assistant", "content": "a"}, HI], [user({"text": " "}), model({"text": "a"}), USER]),
        ([{"role": "user", "content": ""}], [user({"text": " "})]),
        (
            [HI, {"role": "assistant", "content": None, "refusal": "no"}, HI],
            [USER, model({"text": "no"}), USER],
        ),
        (
            [HI, {"role": "assistant", "content": [{"type": "refusal", "refusal": "no"}]}, HI],
            [USER, model({"text": "no"}), USER],
        ),
        ([HI, {"role": "assistant", "content": "", "reasoning_content": "hm"}], [USER]),
        (
            [HI, calls(tool_call("1", "f", '{"x": 1}')), result("1", "r"), HI],
            [
                USER,
                model(function_call("1", "f", x=1)),
                user(function_response("1", "f", {"result": "r"})),
                USER,
            ],
        ),
        (  # results in the order of the calls
            [
                HI,
                calls(tool_call("1", "f"), tool_call("2", "g")),
                result("2", '{"b": 2}'),
                result("1", "[1]"),
            ],
            [
                USER,
                model(function_call("1", "f"), function_call("2", "g")),
                user(function_response("1", "f", {"result": "[1]"}), function_response("2", "g", {"b": 2})),
            ],
        ),
        (  # clients that number the calls of each turn anew
            [HI, calls(tool_call("1", "f")), result("1", "a"), calls(tool_call("1", "g")), result("1", "b")],
            [
                USER,
                model(function_call("1", "f")),
                user(function_response("1", "f", {"result": "a"})),
                model(function_call("1", "g")),
                user(function_response("1", "g", {"result": "b"})),
            ],
        ),
        (  # what a tool shows stands beside its result
            [
                HI,
                calls(tool_call("1", "f"), content="look"),
                result(
                    "1", [{"type": "text", "text": "ok"}, {"type": "image_url", "image_url": {"url": PNG}}]
                ),
            ],
            [
                USER,
                model({"text": "look"}, function_call("1", "f")),
                user(
                    function_response("1", "f", {"result": "ok"}),
                    {"inlineData": {"mimeType": "image/png", "data": "AAAA"}},
                ),
            ],
        ),
        ([HI, result("1", "r")], [user({"text": "hi"}, {"text": f"{ORPHAN}\nr"})]),
        (
            [HI, calls(tool_call("1", "f", "not json"), tool_call("2", "f", "")), result("1"), result("2")],
            [
                USER,
                model(function_call("1", "f", arguments="not json"), function_call("2", "f")),
                user(
                    function_response("1", "f", {"result": "r"}), function_response("2", "f", {"result": "r"})
                ),
            ],
        ),
        (
            [HI, calls(tool_call("1", "f" * 70))],
            [
                USER,
                model(function_call("1", fit_name("f" * 70))),
                user(function_response("1", fit_name("f" * 70), {"result": NO_RESULT})),
            ],
        ),
    ],
)
def test_turns(messages: Any, turns: Any) -> None:
    assert write({"messages": messages}) == {"contents": turns}


def test_system_texts() -> None:
    parts = [{"type": "text", "text": "b"}, {"type": "text", "text": ""}]
    messages = [
        {"role": "system", "content": "a"},
        HI,
        {"role": "developer", "content": parts},
    ]
    body = write({"messages": messages})
    assert body == {"contents": [USER], "systemInstruction": {"parts": [{"text": "a"}, {"text": "b"}]}}
    body = write({"messages": messages}, make_call("gemma-3-1b-it"))
    assert body == {"contents": [user({"text": "a"}, {"text": "b"}, {"text": "hi"})]}


@pytest.mark.parametrize(
    ("part", "written"),
    [
        ({"type": "text", "text": "a"}, {"text": "a"}),
        (
            {"type": "image_url", "image_url": {"url": PNG, "detail": "low"}},
            {"inlineData": {"mimeType": "image/png", "data": "AAAA"}},
        ),
        ({"type": "image_url", "image_url": {"url": FILE_URI}}, {"fileData": {"fileUri": FILE_URI}}),
        (
            {"type": "video_url", "video_url": {"url": "https://www.youtube.com/watch?v=x"}},
            {"fileData": {"fileUri": "https://www.youtube.com/watch?v=x"}},
        ),
        (
            {"type": "input_audio", "input_audio": {"data": "AAAA", "format": "mp3"}},
            {"inlineData": {"mimeType": "audio/mp3", "data": "AAAA"}},
        ),
        (
            {"type": "file", "file": {"filename": "a.pdf", "file_data": "data:application/pdf;base64,AAAA"}},
            {"inlineData": {"mimeType": "application/pdf", "data": "AAAA"}},
        ),
        ({"type": "file", "file": {"file_id": FILE_URI}}, {"fileData": {"fileUri": FILE_URI}}),
    ],
)
def test_content_parts(part: Any, written: Any) -> None:
    assert write({"messages": [{"role": "user", "content": [part]}]}) == {"contents": [user(written)]}


def image(url: str) -> dict[str, Any]:
    return {"messages": [{"role": "user", "content": [{"type": "image_url", "image_url": {"url": url}}]}]}


@pytest.mark.parametrize(
    ("request_", "param"),
    [
        (image("http://example.org/a.png"), "messages[0].content[0].image_url.url"),
        (image("http://www.youtube.com/watch"), "messages[0].content[0].image_url.url"),
        (image("https://[bad"), "messages[0].content[0].image_url.url"),
        (image("file:///etc/passwd"), "messages[0].content[0].image_url.url"),
        (
            {"messages": [{"role": "user", "content": [{"type": "file", "file": {"file_id": "file-1"}}]}]},
            "messages[0].content[0].file.file_id",
        ),
        ({"messages": [{"role": "user", "content": [{"type": "hologram"}]}]}, "messages[0].content[0]"),
        (
            {"messages": [{"role": "user", "content": [{"type": "video_url"}]}]},
            "messages[0].content[0].video_url.url",
        ),
        ({"messages": [{"role": "function", "name": "f", "content": "r"}]}, "messages[0].role"),
        ({"messages": [HI, {"role": "assistant", "audio": {"id": "a"}}]}, "messages[1].audio"),
        (
            {"messages": [HI, calls({"id": "1", "type": "custom", "custom": {"name": "c", "input": "i"}})]},
            "messages[1].tool_calls[0]",
        ),
        (
            {"messages": [{"role": "system", "content": [{"type": "image_url", "image_url": {"url": PNG}}]}]},
            "messages[0].content",
        ),
    ],
)
def test_refusals_name_the_field(request_: Any, param: str) -> None:
    with pytest.raises(ClientError) as raised:
        write(request_)
    assert (raised.value.status, raised.value.param) == (400, param)
