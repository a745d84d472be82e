"""A good request for each vendor: a system text, a question, a call with its result, and a tool."""

from __future__ import annotations

import copy
from collections.abc import Mapping
from typing import Any

from tests.testbed.validators.signatures import prefix_of, seal, sign_thought

SCHEMA = {"type": "object", "properties": {"city": {"type": "string"}}, "required": ["city"]}
FUNCTION = {"name": "look", "description": "Looks.", "parameters": SCHEMA}
_CALL = {"id": "call_1", "type": "function", "function": {"name": "look", "arguments": '{"city":"Oslo"}'}}
_ASSISTANT = {"role": "assistant", "content": None, "tool_calls": [_CALL]}
_RESULT = {"role": "tool", "tool_call_id": "call_1", "content": "4 degrees"}
_SYSTEM, _USER = {"role": "system", "content": "Be brief."}, {"role": "user", "content": "Weather?"}


def _chat(model: str, **more: Any) -> dict[str, Any]:
    tools = [{"type": "function", "function": FUNCTION}]
    return {"model": model, "messages": [_SYSTEM, _USER, _ASSISTANT, _RESULT], "tools": tools, **more}


def _anthropic(model: str, vendor: str) -> dict[str, Any]:
    body: dict[str, Any] = {
        "model": model,
        "max_tokens": 1000,
        "system": [{"type": "text", "text": "Be brief."}],
        "messages": [{"role": "user", "content": [{"type": "text", "text": "Weather?"}]}],
        "tools": [{"name": "look", "input_schema": SCHEMA}],
    }
    signature = sign_thought(vendor, "Hm.", 0, prefix_of(body, body["messages"], []))
    thought = {"type": "thinking", "thinking": "Hm.", "signature": signature}
    call = {"type": "tool_use", "id": "toolu_1", "name": "look", "input": {"city": "Oslo"}}
    result = {"type": "tool_result", "tool_use_id": "toolu_1", "content": "4 degrees"}
    body["messages"] += [
        {"role": "assistant", "content": [thought, call]},
        {"role": "user", "content": [result]},
    ]
    return body


_CONTENTS = [
    {"role": "user", "parts": [{"text": "Weather?"}]},
    {
        "role": "model",
        "parts": [
            {
                "functionCall": {"id": "c1", "name": "look", "args": {"city": "Oslo"}},
                "thoughtSignature": seal("google", "c1"),
            }
        ],
    },
    {
        "role": "user",
        "parts": [{"functionResponse": {"id": "c1", "name": "look", "response": {"result": "4"}}}],
    },
]
_OPENAPI = {"type": "OBJECT", "properties": {"city": {"type": "STRING"}}, "required": ["city"]}
_GEMINI = {
    "contents": _CONTENTS,
    "systemInstruction": {"parts": [{"text": "Be brief."}]},
    "tools": [{"functionDeclarations": [{"name": "look", "parametersJsonSchema": SCHEMA}]}],
    "toolConfig": {"functionCallingConfig": {"mode": "AUTO"}},
    "generationConfig": {"temperature": 1, "thinkingConfig": {"thinkingLevel": "LOW"}},
}
_CLOUD = {
    "project": "p",
    "model": "gemini-3.7-flash-high",
    "request": {
        **_GEMINI,
        "systemInstruction": {"role": "user", "parts": [{"text": "Be brief."}]},
        "tools": [{"functionDeclarations": [{"name": "look", "parameters": _OPENAPI}]}],
    },
}
_RESPONSES = {
    "model": "gpt-6.1-sol",
    "stream": True,
    "store": False,
    "instructions": "",
    "include": ["reasoning.encrypted_content"],
    "input": [
        {"type": "message", "role": "developer", "content": [{"type": "input_text", "text": "Be brief."}]},
        {"type": "message", "role": "user", "content": [{"type": "input_text", "text": "Weather?"}]},
        {"type": "reasoning", "id": "rs_1", "summary": [], "encrypted_content": seal("openai", "x")},
        {"type": "function_call", "call_id": "call_1", "name": "look", "arguments": "{}"},
        {"type": "function_call_output", "call_id": "call_1", "output": "4 degrees"},
    ],
    "tools": [{"type": "function", "name": "look", "parameters": SCHEMA, "strict": False}],
}


def _codex() -> dict[str, Any]:
    body = copy.deepcopy({**_RESPONSES, "model": "gpt-5.6-sol"})
    body["input"][2]["encrypted_content"] = seal("openai-codex", "x")  # type: ignore[index]
    return body


GOOD: Mapping[str, tuple[str, dict[str, Any]]] = {
    "openai": ("/v1/chat/completions", _chat("gpt-4.1")),
    "openai responses": ("/v1/responses", _RESPONSES),
    "openai-codex": ("/backend-api/codex/responses", _codex()),
    "anthropic": ("/v1/messages", _anthropic("claude-sonnet-5-5", "anthropic")),
    "minimax-portal": ("/anthropic/v1/messages", _anthropic("MiniMax-M3", "minimax-portal")),
    "google": ("/v1beta/models/gemini-3.8-flash:generateContent", _GEMINI),
    "antigravity": ("/v1internal:generateContent", _CLOUD),
    "deepseek": (
        "/chat/completions",
        _chat("deepseek-v4-pro", messages=[_SYSTEM, _USER, {**_ASSISTANT, "reasoning_content": ""}, _RESULT]),
    ),
    "xai": ("/v1/chat/completions", _chat("grok-4.7")),
    "groq": ("/openai/v1/chat/completions", _chat("openai/gpt-oss-120b")),
    "openrouter": ("/api/v1/chat/completions", _chat("openrouter/auto")),
    "qwen-dashscope": ("/compatible-mode/v1/chat/completions", _chat("qwen3.7-plus")),
    "qwen-portal": ("/v1/chat/completions", _chat("vision-model")),
}
HEADERS = {"chatgpt-account-id": "account-1"}
