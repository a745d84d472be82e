"""The `response` object of OpenAI Responses, around the items of an answer."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from pydantic_core import to_json

from smart_router.dialects.hub import FinishReason, Start, Usage
from smart_router.errors import ApiError

_ECHOED: Mapping[str, Any] = {
    "background": False,
    "instructions": None,
    "max_output_tokens": None,
    "max_tool_calls": None,
    "metadata": {},
    "parallel_tool_calls": True,
    "previous_response_id": None,
    "prompt_cache_key": None,
    "safety_identifier": None,
    "service_tier": "default",
    "store": True,
    "temperature": 1.0,
    "text": {"format": {"type": "text"}},
    "tool_choice": "auto",
    "tools": [],
    "top_logprobs": 0,
    "top_p": 1.0,
    "truncation": "disabled",
    "user": None,
}
"""Fields that an answer repeats from its request, and their defaults (OpenAI API reference)."""

_INCOMPLETE: Mapping[FinishReason, str] = {"length": "max_output_tokens", "content_filter": "content_filter"}

_MAX_SUFFIX = 48
"""Characters of an answer's id within those of its items, which OpenAI limits to 64."""

_ID_KINDS = ("resp_", "resp-", "chatcmpl-", "msg_", "gen-")


class ResponseObject:
    """Writes the object in each of its states, the parts that stay the same once.

    `echo` are the fields of the request. `own_id` takes the place of ids that are no responses' ids: those of
    some providers are not unique.
    """

    def __init__(self, echo: Mapping[str, Any], start: Start, own_id: str = "") -> None:
        self.suffix = _suffix(start.id if start.id.startswith("resp") or not own_id else own_id)
        fields = {name: echo.get(name, default) for name, default in _ECHOED.items()}
        if tier := start.extra.get("service_tier"):
            fields["service_tier"] = tier
        asked = echo.get("reasoning") or {}
        head = {
            "id": f"resp_{self.suffix}",
            "object": "response",
            "created_at": start.created,
            "model": start.model,
            "reasoning": {"effort": asked.get("effort"), "summary": asked.get("summary")},
        }
        self._head = to_json({**fields, **head}, inf_nan_mode="null")[:-1]

    def in_progress(self) -> bytes:
        """Return the object before there is any output."""
        return self._write("in_progress", (), {"usage": None})

    def finished(
        self,
        items: Iterable[bytes],
        reason: FinishReason,
        usage: Usage | None,
        extension: Mapping[str, Any] | None,
    ) -> bytes:
        """Return the object of a complete answer, with the JSON of its items."""
        why = _INCOMPLETE.get(reason)
        fields: dict[str, Any] = {"usage": usage and write_usage(usage)}
        if why:
            fields["incomplete_details"] = {"reason": why}
        if extension:
            fields["x_router"] = extension
        return self._write("incomplete" if why else "completed", items, fields)

    def failed(self, items: Iterable[bytes], error: ApiError) -> bytes:
        """Return the object of an answer that failed, with the JSON of its complete items."""
        code = error.code or ("rate_limit_exceeded" if error.status == 429 else "server_error")
        fields = {"error": {"code": code, "message": error.message}, "usage": None}
        return self._write("failed", items, fields)

    def _write(self, status: str, items: Iterable[bytes], fields: Mapping[str, Any]) -> bytes:
        rest = {"status": status, "error": None, "incomplete_details": None, **fields}
        return b'%b,"output":[%b],%b' % (self._head, b",".join(items), to_json(rest)[1:])


def write_usage(usage: Usage) -> dict[str, Any]:
    """Return token counts under this API's names, 0 for counts that the provider did not state."""
    read = usage.get("prompt_tokens_details") or {}
    written = usage.get("completion_tokens_details") or {}
    return {
        "input_tokens": usage["prompt_tokens"],
        "input_tokens_details": {
            "cached_tokens": read.get("cached_tokens") or 0,
            "cache_write_tokens": read.get("cache_write_tokens") or 0,
        },
        "output_tokens": usage["completion_tokens"],
        "output_tokens_details": {"reasoning_tokens": written.get("reasoning_tokens") or 0},
        "total_tokens": usage["total_tokens"],
    }


def _suffix(answer_id: str) -> str:
    """Return a provider's id for the answer without its prefix."""
    for kind in _ID_KINDS:
        answer_id = answer_id.removeprefix(kind)
    return answer_id[:_MAX_SUFFIX]
