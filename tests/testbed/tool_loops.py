"""First turns of tool loops that think, and what their providers must get back with the tools' results."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from smart_router.dialects.sse import sse_event
from tests.testbed.answers import Answer, recorded
from tests.testbed.cases import find_case


@dataclass(frozen=True, slots=True)
class Loop:
    """A model, its first answer (or wire and name of a recorded one), whether that is a stream, and whether
    a request of the second turn has what the model must get back of it."""

    model: str
    said: Answer | tuple[str, str]
    stream: bool
    gets: Callable[[dict[str, Any]], bool]

    def answer(self) -> Answer:
        """The first answer."""
        return self.said if isinstance(self.said, Answer) else recorded(find_case(*self.said).folder)


def sse(*events: dict[str, Any]) -> Answer:
    numbered = [{**one, "sequence_number": number} for number, one in enumerate(events)]
    body = b"".join(sse_event(json.dumps(one).encode(), one["type"]) for one in numbered)
    return Answer(headers={"content-type": "text/event-stream"}, body=body, cut="events")


def block(index: int, start: dict[str, Any], *deltas: dict[str, Any]) -> list[dict[str, Any]]:
    return [
        {"type": "content_block_start", "index": index, "content_block": start},
        *({"type": "content_block_delta", "index": index, "delta": delta} for delta in deltas),
        {"type": "content_block_stop", "index": index},
    ]


CLAUDE_THINKS = sse(
    {"type": "message_start", "message": {"id": "msg_1", "model": "c", "role": "assistant", "content": [],
                                          "usage": {"input_tokens": 1, "output_tokens": 1}}},
    *block(0, {"type": "thinking", "thinking": "", "signature": ""},
           {"type": "thinking_delta", "thinking": "I look."},
           {"type": "signature_delta", "signature": "c2ln"}),
    *block(1, {"type": "redacted_thinking", "data": "cmVk"}),
    *block(2, {"type": "tool_use", "id": "toolu_1", "name": "look", "input": {}},
           {"type": "input_json_delta", "partial_json": "{}"}),
    {"type": "message_delta", "delta": {"stop_reason": "tool_use"}, "usage": {"output_tokens": 9}},
    {"type": "message_stop"},
)  # fmt: skip
CLAUDE_GETS = [
    {"type": "thinking", "thinking": "I look.", "signature": "c2ln"},
    {"type": "redacted_thinking", "data": "cmVk"},
]

REASONED = {"type": "reasoning", "id": "rs_1", "summary": [], "encrypted_content": "gAAAenc"}
CALLED = {"type": "function_call", "id": "fc_1", "call_id": "call_1", "name": "look", "arguments": "{}",
          "status": "completed"}  # fmt: skip
RESPONSE = {"id": "resp_1", "object": "response", "created_at": 1, "model": "g", "output": []}
GPT_REASONS = sse(
    {"type": "response.created", "response": {**RESPONSE, "status": "in_progress"}},
    *({"type": f"response.output_item.{kind}", "output_index": place, "item": item}
      for place, item in enumerate((REASONED, CALLED)) for kind in ("added", "done")),
    {"type": "response.completed",
     "response": {**RESPONSE, "status": "completed", "output": [REASONED, CALLED]}},
)  # fmt: skip


def claude_gets(body: dict[str, Any]) -> bool:
    return bool(body["messages"][1]["content"][:2] == CLAUDE_GETS)


def gemini_gets(body: dict[str, Any]) -> bool:
    parts = body["contents"][1]["parts"]
    return bool(parts[0]["thoughtSignature"].startswith("Es8KCswKAb4") and parts[0]["functionCall"])


def deepseek_gets(body: dict[str, Any]) -> bool:
    return bool(body["messages"][1]["reasoning_content"])


def gpt_gets(body: dict[str, Any]) -> bool:
    reasoned, called = body["input"][1:3]
    return bool(reasoned == REASONED and called.items() <= CALLED.items())


def codex_gets(body: dict[str, Any]) -> bool:
    return gpt_gets(body) and body["store"] is False and "instructions" in body


GEMINI_CASE = ("gemini", "gemini-3-pro-preview-multi-tool-0-n")
DEEPSEEK_CASE = ("openai-chat", "test-deepseek-tool-variations-0-s")
LOOPS = {
    "anthropic": Loop("anthropic/claude-sonnet-4-5", CLAUDE_THINKS, True, claude_gets),
    "gemini": Loop("google/gemini-3.8-flash", GEMINI_CASE, False, gemini_gets),
    "deepseek": Loop("deepseek/deepseek-v4-pro", DEEPSEEK_CASE, True, deepseek_gets),
    "openai": Loop("openai/gpt-6.1-sol", GPT_REASONS, True, gpt_gets),
    "codex": Loop("openai-codex/gpt-5.5", GPT_REASONS, True, codex_gets),
}
