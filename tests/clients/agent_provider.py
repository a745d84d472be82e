"""A provider for agents: has a file written by the tool that the agent offers, then says that it is done.

It speaks the wire of the request: OpenAI's chat and Responses, Anthropic's Messages, Gemini. The agents of
the tests offer one of the tools in `WRITERS`.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Mapping
from typing import Any

from tests.testbed.answers import MODEL, Answer
from tests.testbed.chat import STREAM_HEADERS, USAGE, chat_answer, chat_stream
from tests.testbed.record import Request
from tests.testbed.wires import responses_stream, speak

DONE = "The file is written."
NAME, CONTENT = "proof.txt", "written through the router"
COMMAND = f"printf '{CONTENT}' > {NAME}"

LISTING = f"{DONE}\n\n{NAME}\n```\n{CONTENT}\n```\n"
"""A file as aider reads it: it offers no tools."""

type Arguments = Mapping[str, Any]

WRITERS: Mapping[str, Callable[[str], Arguments]] = {
    # Claude Code; Continue's has another name for the path
    "Write": lambda folder: (
        dict.fromkeys(("file_path", "filepath"), f"{folder}/{NAME}") | {"content": CONTENT}
    ),
    "write_file": lambda folder: {"file_path": f"{folder}/{NAME}", "content": CONTENT},  # gemini-cli, qwen
    "write": lambda folder: {"filePath": f"{folder}/{NAME}", "content": CONTENT},  # opencode
    "editor": lambda folder: {"path": f"{folder}/{NAME}", "new_text": CONTENT},  # Cline
    "exec_command": lambda folder: {"cmd": COMMAND, "workdir": folder},  # Codex
    "shell_command": lambda folder: {"command": COMMAND, "workdir": folder},  # Codex
    "shell": lambda folder: {"command": ["sh", "-c", COMMAND], "workdir": folder},  # Codex
}


class Agent:
    """Answers the requests of an agent that works in `folder`."""

    def __init__(self, folder: str) -> None:
        self.folder = folder

    def __call__(self, request: Request) -> Answer:
        """Return the next step: the call of a tool, or the last words."""
        offered = _offered(request.json)
        writer = next((name for name in WRITERS if name in offered), None)
        if writer is None:
            return _text(request, LISTING if "file listing" in json.dumps(request.json) else DONE)
        if _has_result(request.json):
            return _text(request, DONE)
        known = offered[writer]
        arguments = {
            name: value for name, value in WRITERS[writer](self.folder).items() if not known or name in known
        }
        return _call(request, writer, arguments)


_SCHEMAS = ("input_schema", "parameters", "parametersJsonSchema")
"""Names of a tool's schema: Anthropic's, OpenAI's and Gemini's, Gemini's other one."""


def _offered(body: Mapping[str, Any]) -> dict[str, frozenset[str]]:
    """Names of the tools that a request offers, in any wire, with the names of their arguments."""
    found = {}
    for tool in body.get("tools") or ():
        declared = tool.get("functionDeclarations") or tool.get("function_declarations") or [tool]
        for one in declared:
            function = one.get("function") or one
            schema = next((function[name] for name in _SCHEMAS if function.get(name)), {})
            found[function.get("name", "")] = frozenset(schema.get("properties") or ())
    return found


def _has_result(body: Mapping[str, Any]) -> bool:
    """Return whether the request has the result of a tool."""
    text = json.dumps([body.get("messages"), body.get("contents"), body.get("input")])
    marks = ('"role": "tool"', '"tool_result"', '"functionResponse"', '"function_call_output"')
    return any(mark in text for mark in marks)


def _text(request: Request, text: str) -> Answer:
    return speak(request, text)


def _call(request: Request, name: str, arguments: Arguments) -> Answer:
    path, stream = request.path.partition("?")[0], request.json.get("stream") is True
    if path.endswith("/chat/completions"):
        calls = [(name, arguments)]
        return (
            chat_stream([], tool_calls=calls, usage=USAGE) if stream else chat_answer(None, tool_calls=calls)
        )
    if path.endswith("/messages"):
        return _messages_call(name, arguments)
    if path.endswith("/responses"):
        return responses_stream(_function_call(name, arguments))
    return _gemini_call(name, arguments)


def _dump(data: Any) -> bytes:
    return json.dumps(data).encode()


def _named(events: Iterator[dict[str, Any]]) -> Answer:
    body = b"".join(b"event: %b\ndata: %b\n\n" % (event["type"].encode(), _dump(event)) for event in events)
    return Answer(headers=STREAM_HEADERS, body=body, cut="events")


def _messages_call(name: str, arguments: Arguments) -> Answer:
    """A stream of Anthropic's with one call."""

    def events() -> Iterator[dict[str, Any]]:
        usage = {"input_tokens": 11, "output_tokens": 1}
        message = {"id": "msg_1", "type": "message", "role": "assistant", "model": MODEL.decode()}
        yield {"type": "message_start", "message": {**message, "content": [], "usage": usage}}
        block = {"type": "tool_use", "id": "toolu_1", "name": name, "input": {}}
        yield {"type": "content_block_start", "index": 0, "content_block": block}
        delta = {"type": "input_json_delta", "partial_json": json.dumps(arguments)}
        yield {"type": "content_block_delta", "index": 0, "delta": delta}
        yield {"type": "content_block_stop", "index": 0}
        yield {"type": "message_delta", "delta": {"stop_reason": "tool_use"}, "usage": {"output_tokens": 7}}
        yield {"type": "message_stop"}

    return _named(events())


def _gemini_call(name: str, arguments: Arguments) -> Answer:
    """A stream of Gemini's with one call."""
    parts = [{"functionCall": {"name": name, "args": arguments}}]
    candidate = {"index": 0, "content": {"role": "model", "parts": parts}, "finishReason": "STOP"}
    usage = {"promptTokenCount": 11, "candidatesTokenCount": 7, "totalTokenCount": 18}
    body = b"data: %b\r\n\r\n" % _dump({"candidates": [candidate], "usageMetadata": usage})
    return Answer(headers=STREAM_HEADERS, body=body, cut="events")


def _function_call(name: str, arguments: Arguments) -> dict[str, Any]:
    call = {"type": "function_call", "id": "fc_1", "call_id": "call_1", "status": "completed"}
    return {**call, "name": name, "arguments": json.dumps(arguments)}
