"""Requests and streams on OpenAI's chat wire, for the tests of the chat dialect."""

from __future__ import annotations

import json
from dataclasses import replace
from typing import Any

from hypothesis import strategies as st
from pydantic_core import from_json

from smart_router.dialects.base import CallContext, ChatQuirks
from smart_router.dialects.hub import Event
from smart_router.dialects.openai_chat.dialect import ChatDialect
from smart_router.providers.catalogue import rules_for
from smart_router.providers.registry import PROVIDERS

CHAT = ChatDialect()
CALL = CallContext("acme", "m", True, 1_700_000_000, "r1")
WIRE = "openai-chat"
FINISH = {
    "stop": "stop",
    "length": "length",
    "tool_calls": "tool_calls",
    "content_filter": "content_filter",
    "None+tools": "tool_calls",
}
"""Finish reasons by the vendors' own; where none was said, what the answer holds decides."""
HELLO = {"role": "user", "content": "Hello"}
MODELS = {
    "openai": "gpt-6.1-sol",
    "qwen-dashscope": "qwen3-coder-plus",
    "deepseek": "deepseek-v4-pro",
    "xai": "grok-4.7",
    "groq": "llama-3.3-70b-versatile",
    "openrouter": "anthropic/claude-sonnet-5.5",
}
"""A model of each provider."""

JSON = st.recursive(
    st.none() | st.booleans() | st.integers(-2, 3) | st.floats(allow_nan=False) | st.text(max_size=3),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(
            st.sampled_from(["id", "index", "name", "text", "type", "function", "content"]), inner
        )
    ),
    max_leaves=5,
)
"""Any small JSON value, often with names that this wire uses."""
FRAGMENT = st.fixed_dictionaries(
    {},
    optional={
        "index": st.integers(0, 2) | JSON,
        "id": st.sampled_from(["", "a", "b"]) | JSON,
        "type": st.just("function") | JSON,
        "function": st.fixed_dictionaries(
            {}, optional={"name": st.sampled_from(["f", "g"]) | JSON, "arguments": st.text(max_size=2) | JSON}
        )
        | JSON,
    },
)
"""Fragments of tool calls, mostly of the right form."""


def call_to(provider_id: str, model: str, **fields: Any) -> CallContext:
    provider = PROVIDERS.get(provider_id)
    if provider is not None:
        fields |= {"quirks": provider.quirks, "error_rules": provider.error_rules}
    return replace(CALL, provider=provider_id, model=model, rules=rules_for(provider_id, model), **fields)


def read(call: CallContext, *chunks: bytes) -> list[Event]:
    stream = CHAT.open_stream(call)
    return [event for chunk in chunks for event in stream.feed(chunk)] + stream.close()


def sse(*chunks: Any, done: bool = True) -> bytes:
    data = [chunk if isinstance(chunk, str) else json.dumps(chunk) for chunk in chunks]
    return "".join(f"data: {line}\n\n" for line in [*data, *(["[DONE]"] if done else [])]).encode()


def says(delta: dict[str, Any], reason: str | None = None, index: int = 0, **top: Any) -> dict[str, Any]:
    head = {"id": "c1", "model": "m", "created": 7}
    return {**head, **top, "choices": [{"index": index, "delta": delta, "finish_reason": reason}]}


def body_for(provider: str, fields: dict[str, Any], model: str = "", **call: Any) -> dict[str, Any]:
    """Return the body of a request with these fields, as the provider gets it."""
    options = {"stream": False, **call}
    return _body(fields, call_to(provider, model or MODELS[provider], **options))


def body_with(quirks: ChatQuirks, fields: dict[str, Any]) -> dict[str, Any]:
    """Return the body of a request with these fields, as a provider with these quirks gets it."""
    return _body(fields, replace(CALL, quirks=quirks))


def _body(fields: dict[str, Any], call: CallContext) -> dict[str, Any]:
    request: Any = {"model": "auto", "messages": [HELLO], **fields}
    body: dict[str, Any] = from_json(CHAT.write_request(request, call).body)
    return body
