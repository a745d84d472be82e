"""Token counts of providers on OpenAI's chat wire, as OpenAI counts them."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any, cast

from smart_router.dialects.hub import Usage
from smart_router.dialects.json_values import as_count, as_list, as_object


def find_usage(chunk: Mapping[str, Any]) -> Mapping[str, Any] | None:
    """Return the counts in a chunk or answer: at the top, in `x_groq` (Groq) or a choice (Moonshot)."""
    if (usage := chunk.get("usage")) and isinstance(usage, dict):
        return usage
    if "x_groq" in chunk and (usage := as_object(chunk["x_groq"]).get("usage")) and isinstance(usage, dict):
        return usage
    for choice in as_list(chunk.get("choices")):
        if isinstance(choice, dict) and (usage := choice.get("usage")) and isinstance(usage, dict):
            return usage
    return None


def read_usage(usage: Mapping[str, Any], reasoning_apart: bool) -> Usage | None:
    """Return OpenAI's usage with details and cost; None where the main counts are missing.

    `reasoning_apart`: completion_tokens leave the reasoning out (xAI), seen by the total that has it.
    """
    prompt = as_count(usage.get("prompt_tokens"), None)
    completion = as_count(usage.get("completion_tokens"), None)
    if prompt is None and completion is None:
        return None
    prompt, completion = prompt or 0, completion or 0
    total = as_count(usage.get("total_tokens"), None)
    prompt_details = _prompt_details(usage)
    completion_details = _counts(usage.get("completion_tokens_details"))
    apart = as_count(usage["reasoning_tokens"]) if "reasoning_tokens" in usage else 0
    if apart:
        completion_details.setdefault("reasoning_tokens", apart)
    if reasoning_apart and total != prompt + completion:
        completion += completion_details.get("reasoning_tokens", 0)
    cached = prompt_details.get("cached_tokens", 0)
    if cached > prompt:  # then the prompt was counted without its cached part (seen at xAI)
        prompt += cached
        total = None
    counted: dict[str, Any] = {
        "prompt_tokens": prompt,
        "completion_tokens": completion,
        "total_tokens": prompt + completion if total is None else total,
    }
    if prompt_details:
        counted["prompt_tokens_details"] = prompt_details
    if completion_details:
        counted["completion_tokens_details"] = completion_details
    if (cost := _cost(usage)) is not None:
        counted["cost"] = cost
    return cast(Usage, counted)


def _cost(usage: Mapping[str, Any]) -> float | None:
    """Return the stated cost in USD. With the user's own key of the provider behind it, OpenRouter states its
    fee, and that provider's charge apart (OpenRouter docs, usage accounting)."""
    cost = usage.get("cost")
    if cost is None or not isinstance(cost, int | float) or not math.isfinite(cost):
        return None
    charge = as_object(usage.get("cost_details")).get("upstream_inference_cost")
    if usage.get("is_byok") is True and isinstance(charge, int | float) and math.isfinite(charge):
        return cost + charge
    return cost


def _prompt_details(usage: Mapping[str, Any]) -> dict[str, int]:
    details = _counts(usage.get("prompt_tokens_details"))
    # DeepSeek, then Moonshot
    for name in ("prompt_cache_hit_tokens", "cached_tokens"):
        if name in usage and (cached := as_count(usage[name], None)) is not None:
            details.setdefault("cached_tokens", cached)
    if "cache_creation_input_tokens" in details:  # DashScope
        details.setdefault("cache_write_tokens", details.pop("cache_creation_input_tokens"))
    return details


def _counts(value: Any) -> dict[str, int]:
    """Return the counts of a details object, in which some providers put words and nulls, too."""
    if not value or not isinstance(value, dict):
        return {}
    return {name: count for name, count in value.items() if type(count) is int and count >= 0}
