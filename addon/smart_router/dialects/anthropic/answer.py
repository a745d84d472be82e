"""The answer's facts that are the same streamed and whole: finish reasons, usage, citations, failures."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from smart_router.dialects.base import CallContext
from smart_router.dialects.errors import read_error
from smart_router.dialects.hub import FinishReason, Usage, make_usage, url_citation
from smart_router.dialects.json_values import as_count, as_object, as_text
from smart_router.errors import UpstreamError

FINISH_REASONS: dict[str, FinishReason] = {
    "end_turn": "stop",
    "stop_sequence": "stop",
    "tool_use": "tool_calls",
    "max_tokens": "length",
    "model_context_window_exceeded": "length",
    "refusal": "content_filter",
    "sensitive": "content_filter",  # MiniMax
    "pause_turn": "stop",
    "compaction": "stop",
}
"""By `stop_reason` (Anthropic Messages API reference); one that is not here counts as stop."""


def read_usage(usage: Mapping[str, Any]) -> Usage | None:
    """Return OpenAI's usage; None if there is none. Anthropic counts cached tokens beside the input."""
    prompt, completion = as_count(usage.get("input_tokens"), None), as_count(usage.get("output_tokens"), None)
    if prompt is None and completion is None:
        return None
    cached = as_count(usage.get("cache_read_input_tokens"), None)
    written = as_count(usage.get("cache_creation_input_tokens"), None)
    counted = make_usage(
        (prompt or 0) + (cached or 0) + (written or 0),
        completion or 0,
        cached=cached,
        cache_write=written,
        reasoning=as_count(as_object(usage.get("output_tokens_details")).get("thinking_tokens"), None),
    )
    creation = as_object(usage.get("cache_creation"))
    for lifetime in ("5m", "1h"):  # they differ in price
        tokens = as_count(creation.get(f"ephemeral_{lifetime}_input_tokens"), None)
        if tokens is not None:
            counted.setdefault("prompt_tokens_details", {})[f"cache_write_{lifetime}_tokens"] = tokens
    return counted


def read_citation(citation: Mapping[str, Any], start: int, end: int) -> dict[str, Any] | None:
    """Return OpenAI's annotation for a citation of the text from `start` to `end`; None if it has no address.

    Chat completions know no other annotation. Citations of documents only come where documents were sent
    with citations switched on, which chat cannot ask for.
    """
    url = as_text(citation.get("url") or citation.get("source"))
    if not url.startswith(("http://", "https://")):
        return None
    return url_citation(url, as_text(citation.get("title")), start, end)


def read_failure(data: Mapping[str, Any], call: CallContext) -> UpstreamError | None:
    """Return the failure in a 200's object: an error, or MiniMax's `base_resp` with a code."""
    base = data.get("base_resp")
    failed = isinstance(base, Mapping) and base.get("status_code") not in (0, None)
    if failed or data.get("type") == "error" or isinstance(data.get("error"), Mapping):
        return read_error(200, {}, data, call.error_rules, call.now)
    return None
