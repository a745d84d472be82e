"""Tool calls of streams on OpenAI's chat wire, put in order."""

from __future__ import annotations

from typing import Any

import pytest

from smart_router.dialects.hub import Delta, End, Finish, Start
from tests.dialects.openai_chat.chat_wire import CALL, read, says, sse


def calls(*fragments: dict[str, Any]) -> dict[str, Any]:
    return {"tool_calls": list(fragments)}


def fragment(name: str | None = None, arguments: Any = None, **fields: Any) -> dict[str, Any]:
    function = {"name": name, "arguments": arguments}
    return {**fields, "function": {key: value for key, value in function.items() if value is not None}}


def made(index: int, id_: str, name: str) -> dict[str, Any]:
    return {"index": index, "id": id_, "type": "function", "function": {"name": name, "arguments": ""}}


def more(index: int, arguments: str) -> dict[str, Any]:
    return {"index": index, "function": {"arguments": arguments}}


def whole(index: int, id_: str, name: str, arguments: str) -> dict[str, Any]:
    call = made(index, id_, name)
    return {**call, "function": {"name": name, "arguments": arguments}}


DELTAS: dict[str, tuple[list[Any], list[dict[str, Any]], str]] = {
    "index gap": (
        [
            says(calls(fragment("f", "", index=2, id="x"))),
            says(calls(fragment(None, "{}", index=2)), "tool_calls"),
        ],
        [calls(made(0, "x", "f")), calls(more(0, "{}"))],
        "tool_calls",
    ),
    "no index, no id": (
        [says(calls(fragment("f", "{}"), fragment("g", "{}")), "stop")],
        [calls(whole(0, "call_r1_0", "f", "{}"), whole(1, "call_r1_1", "g", "{}"))],
        "stop",
    ),
    "no index, later fragments": (
        [
            says(calls(fragment("f", "", id="x"))),
            says(calls(fragment(None, "{"))),
            says(calls(fragment(None, "}")), "stop"),
        ],
        [calls(made(0, "x", "f")), calls(more(0, "{")), calls(more(0, "}"))],
        "stop",
    ),
    "two calls under one index": (
        [
            says(calls(fragment("f", "{}", index=0, id="x"))),
            says(calls(fragment("g", "{}", index=0, id="y")), "stop"),
        ],
        [calls(whole(0, "x", "f", "{}")), calls(whole(1, "y", "g", "{}"))],
        "stop",
    ),
    "one id for two calls": (
        [says(calls(fragment("f", "{}", index=0, id="x"), fragment("g", "{}", index=1, id="x")), "stop")],
        [calls(whole(0, "x", "f", "{}"), whole(1, "call_r1_1", "g", "{}"))],
        "stop",
    ),
    "name on each fragment": (
        [
            says(calls(fragment("f", "", index=0, id="x"))),
            says(calls(fragment("f", "{}", index=0, id="x")), "stop"),
        ],
        [calls(made(0, "x", "f")), calls(more(0, "{}"))],
        "stop",
    ),
    "name late": (
        [says(calls(fragment(None, "{", index=0, id="x"))), says(calls(fragment("f", "}", index=0)), "stop")],
        [calls(whole(0, "x", "f", "{}"))],
        "stop",
    ),
    "name never": ([says(calls(fragment(None, "{}", index=0, id="x")), "stop")], [{"content": ""}], "stop"),
    "no arguments": (
        [says(calls(fragment("f", "", index=0, id="x"))), says({}, "tool_calls")],
        [calls(made(0, "x", "f")), calls(more(0, "{}"))],
        "tool_calls",
    ),
    "null for arguments": (
        [
            says(calls(fragment("f", "nu", index=0, id="x"))),
            says(calls(fragment(None, "ll", index=0)), "stop"),
        ],
        [calls(made(0, "x", "f")), calls(more(0, "{}"))],
        "stop",
    ),
    "arguments that only begin like null": (
        [says(calls(fragment("f", "n", index=0, id="x"))), says(calls(fragment(None, "o", index=0)), "stop")],
        [calls(made(0, "x", "f")), calls(more(0, "no"))],
        "stop",
    ),
    "arguments as an object": (
        [says(calls(fragment("f", {"a": 1}, index=0, id="x")), "stop")],
        [calls(whole(0, "x", "f", '{"a":1}'))],
        "stop",
    ),
    "cut off before its arguments": (
        [says(calls(fragment("f", "", index=0, id="x")), "length")],
        [calls(made(0, "x", "f"))],
        "length",
    ),
    "index 0 for all, without ids": (
        [
            says(calls(fragment("f", '{"a":1}', index=0, id=""))),
            says(calls(fragment("g", '{"b":2}', index=0, id=""))),
            says(calls(fragment("g", '{"b":3}', index=0)), "tool_calls"),
        ],
        [
            calls(whole(0, "call_r1_0", "f", '{"a":1}')),
            calls(whole(1, "call_r1_1", "g", '{"b":2}')),
            calls(whole(2, "call_r1_2", "g", '{"b":3}')),
        ],
        "tool_calls",
    ),
    "index 0 for all, without arguments": (
        [says(calls(fragment("f", "", index=0), fragment("g", "", index=0)), "tool_calls")],
        [calls(made(0, "call_r1_0", "f"), made(1, "call_r1_1", "g")), calls(more(0, "{}"), more(1, "{}"))],
        "tool_calls",
    ),
    "index 0 and one id for all": (
        [
            says(calls(fragment("f", '{"a":1}', index=0, id="x"), fragment("g", "{}", index=0, id="x"))),
            says({}, "tool_calls"),
        ],
        [calls(whole(0, "x", "f", '{"a":1}'), whole(1, "call_r1_1", "g", "{}"))],
        "tool_calls",
    ),
    "fragments of two calls under one index, by id": (
        [
            says(calls(fragment("f", '{"a":', index=0, id="x"), fragment("g", '{"b":', index=0, id="y"))),
            says(calls(fragment(None, "1}", index=0, id="x"), fragment(None, "2}", index=0, id="y"))),
            says({}, "tool_calls"),
        ],
        [
            calls(whole(0, "x", "f", '{"a":'), whole(1, "y", "g", '{"b":')),
            calls(more(0, "1}"), more(1, "2}")),
        ],
        "tool_calls",
    ),
    "custom tool": (
        [
            says(calls({"index": 0, "id": "x", "type": "custom", "custom": {"name": "sql", "input": "SEL"}})),
            says(calls({"index": 0, "custom": {"input": "ECT"}}), "tool_calls"),
        ],
        [
            calls({"index": 0, "id": "x", "type": "custom", "custom": {"name": "sql", "input": "SEL"}}),
            calls({"index": 0, "custom": {"input": "ECT"}}),
        ],
        "tool_calls",
    ),
    "finish never said, with tools": (
        [says(calls(fragment("f", "{}", index=0, id="x")))],
        [calls(whole(0, "x", "f", "{}"))],
        "tool_calls",
    ),
}


@pytest.mark.parametrize(("chunks", "deltas", "reason"), DELTAS.values(), ids=DELTAS)
def test_deltas(chunks: list[Any], deltas: list[dict[str, Any]], reason: Any) -> None:
    expected = [Start("c1", "m", 7), *(Delta(delta) for delta in deltas), Finish(reason), End()]
    assert read(CALL, sse(*chunks)) == expected
