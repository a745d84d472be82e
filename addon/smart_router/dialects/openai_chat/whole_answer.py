"""Plain whole answers on OpenAI's chat wire, read fast.

Most answers are plain: one choice with a text or calls of functions, and the usage. `ChatStream` reads all
others; it would return the same for plain ones, at several times the cost.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from smart_router.dialects.base import CallContext
from smart_router.dialects.hub import ChatCompletion, Choice, FunctionCall, Message, ToolCall, make_completion
from smart_router.dialects.openai_chat.stream import FINISH_REASONS, read_start
from smart_router.dialects.openai_chat.usage import read_usage
from smart_router.dialects.tool_names import UNKNOWN, fitted_names

_TYPES = (int, dict, str, dict)
_SAID = frozenset({"role", "content", "tool_calls"})


def read_plain(answer: Mapping[str, Any], call: CallContext) -> ChatCompletion | None:
    """Return the answer; None if it is not plain."""
    try:
        [choice] = answer["choices"]
        index, said, word = choice["index"], choice["message"], choice["finish_reason"]
        counts = answer["usage"]
    except (KeyError, TypeError, ValueError):
        return None
    if (type(index), type(said), type(word), type(counts)) != _TYPES or index or not counts:
        return None
    if answer.get("object") != "chat.completion" or answer.get("error") or answer.get("citations"):
        return None
    if answer.get("x_groq") or answer.get("base_resp"):
        return None
    if choice.get("delta") or choice.get("error") or choice.get("logprobs") is not None:
        return None
    message, reason = _read_message(said, call), FINISH_REASONS.get(word)
    if message is None or reason is None:
        return None
    settled = call.settle(reason, calls="tool_calls" in message)
    usage = read_usage(counts, call.quirks.reasoning_apart)
    choices: list[Choice] = [{"index": 0, "message": message, "finish_reason": settled}]
    return make_completion(read_start(answer, call), choices, usage)


def _read_message(said: Mapping[str, Any], context: CallContext) -> Message | None:
    """Return the message of a text, null only beside calls, and the calls; None if it is not plain."""
    if not _SAID.issuperset([name for name, value in said.items() if value]):
        return None
    content, called = said.get("content") or "", said.get("tool_calls")
    if not isinstance(content, str):
        return None
    if not called:
        return {"role": "assistant", "content": content}
    if not isinstance(called, list):
        return None
    calls = [call for found in called if (call := _read_call(found))]
    names = fitted_names(context.tool_names, context.rules.tool_names or UNKNOWN)
    for call in calls if names else ():
        call["function"]["name"] = names.get(call["function"]["name"], call["function"]["name"])
    if len({call["id"] for call in calls}) != len(called):
        return None
    return {"role": "assistant", "content": content or None, "tool_calls": calls}


def _read_call(call: Any) -> ToolCall | None:
    """Return a complete function call; None for any other."""
    match call:
        case {"id": str(id_), "function": {"name": str(name), "arguments": str(arguments)}}:
            if id_ and name and arguments.startswith("{") and not isinstance(call.get("custom"), dict):
                function: FunctionCall = {"name": name, "arguments": arguments}
                return {"id": id_, "type": "function", "function": function}
    return None
