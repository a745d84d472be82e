"""The schema of Messages requests (Anthropic API reference, Messages)."""

from __future__ import annotations

from typing import Any

from smart_router.dialects import client_schema as t

_MEDIA = t.record(
    {
        "source": t.by_type(
            base64=t.record({"media_type": t.TEXT, "data": t.STRING}),
            url=t.record({"url": t.TEXT}),
            text=t.record({"data": t.STRING}),
        )
    }
)
_RESULT = t.text_or(t.by_type(text=t.TEXT_PART, image=_MEDIA, document=_MEDIA))
_BLOCK = t.by_type(
    text=t.TEXT_PART,
    image=_MEDIA,
    document=_MEDIA,
    tool_use=t.record({"id": t.TEXT, "name": t.TEXT, "input": t.OBJECT}),
    tool_result=t.record({"tool_use_id": t.TEXT}, content=_RESULT, is_error=t.BOOL),
    thinking=t.record({"thinking": t.STRING}, signature=t.STRING),
    redacted_thinking=t.record({"data": t.STRING}),
)
_MESSAGE = t.record({"role": t.literal(["user", "assistant", "system"]), "content": t.text_or(_BLOCK)})


def _tool_tag(value: Any) -> str:
    kind = value.get("type") if isinstance(value, dict) else None
    return "<custom>" if kind in (None, "custom") else "<hosted>"


_TOOL = t.union(
    _tool_tag,
    {
        "custom": t.record({"name": t.TEXT, "input_schema": t.OBJECT}, description=t.STRING),
        "hosted": t.record({"type": t.TEXT}, name=t.STRING),
    },
    {
        "custom": {"properties": {"type": {"enum": ["custom", None]}}},
        "hosted": {"properties": {"type": {"not": {"const": "custom"}}}},
    },
)
_TOOL_CHOICE = t.record(
    {"type": t.literal(["auto", "any", "tool", "none"]), "name": t.maybe(t.TEXT, null=False)},
    disable_parallel_tool_use=t.BOOL,
)
_FORMAT = t.record({"type": t.TEXT}, schema=t.OBJECT)

_COUNTED = {
    "model": t.TEXT,
    "messages": t.listed(_MESSAGE, at_least=1),
    "system": t.maybe(t.text_or(t.TEXT_PART)),
    "tools": t.maybe(t.listed(_TOOL)),
    "tool_choice": t.maybe(_TOOL_CHOICE),
    "thinking": t.maybe(t.record({"type": t.TEXT}, budget_tokens=t.INTEGER)),
    "output_config": t.maybe(t.record(effort=t.TEXT, format=_FORMAT)),
}

_OPTIONAL = {
    "stream": t.BOOL,
    "stop_sequences": t.listed(t.STRING),
    "temperature": t.NUMBER,
    "top_p": t.NUMBER,
    "top_k": t.INTEGER,
    "metadata": t.record(user_id=t.STRING),
    "service_tier": t.STRING,
    "output_format": _FORMAT,
}

COUNT_REQUEST = t.RequestSchema(t.record(_COUNTED, max_tokens=t.COUNT, **_OPTIONAL))
"""A request to count tokens. Some clients send all of the request that they are about to make."""

MESSAGES_REQUEST = t.RequestSchema(t.record({**_COUNTED, "max_tokens": t.COUNT}, **_OPTIONAL))
