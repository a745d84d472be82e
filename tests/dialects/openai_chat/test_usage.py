"""Token counts as each provider states them."""

from __future__ import annotations

from typing import Any

import pytest

from smart_router.dialects.hub import UsageEvent, make_usage
from tests.dialects.openai_chat.chat_wire import call_to, read, says, sse

USAGES: dict[str, tuple[str, dict[str, Any], Any]] = {
    "OpenAI's": (
        "openai",
        {
            "prompt_tokens": 9,
            "completion_tokens": 5,
            "total_tokens": 14,
            "prompt_tokens_details": {"cached_tokens": 4, "audio_tokens": 0, "odd": None},
            "completion_tokens_details": {"reasoning_tokens": 2},
        },
        {
            **make_usage(9, 5),
            "prompt_tokens_details": {"cached_tokens": 4, "audio_tokens": 0},
            "completion_tokens_details": {"reasoning_tokens": 2},
        },
    ),
    "no total": ("openai", {"prompt_tokens": 1, "completion_tokens": 2}, make_usage(1, 2)),
    "no counts": ("openai", {"prompt_tokens": None, "total_tokens": 3}, None),
    "cost": (
        "openrouter",
        {"prompt_tokens": 1, "completion_tokens": 2, "cost": 0.5},
        {**make_usage(1, 2), "cost": 0.5},
    ),
    "cost with a key of the user's own at the provider behind it: the fee and the charge": (
        "openrouter",
        {
            "prompt_tokens": 1,
            "completion_tokens": 2,
            "cost": 0.5,
            "is_byok": True,
            "cost_details": {"upstream_inference_cost": 0.25},
        },
        {**make_usage(1, 2), "cost": 0.75},
    ),
    "cost with OpenRouter's key, which is the charge": (
        "openrouter",
        {
            "prompt_tokens": 1,
            "completion_tokens": 2,
            "cost": 0.5,
            "is_byok": False,
            "cost_details": {"upstream_inference_cost": 0.5},
        },
        {**make_usage(1, 2), "cost": 0.5},
    ),
    "cache hits": (
        "deepseek",
        {
            "prompt_tokens": 9,
            "completion_tokens": 1,
            "prompt_cache_hit_tokens": 8,
            "prompt_cache_miss_tokens": 1,
        },
        make_usage(9, 1, cached=8),
    ),
    "cache writes": (
        "qwen-dashscope",
        {
            "prompt_tokens": 9,
            "completion_tokens": 1,
            "prompt_tokens_details": {
                "cached_tokens": 2,
                "cache_creation_input_tokens": 3,
                "cache_type": "x",
            },
        },
        make_usage(9, 1, cached=2, cache_write=3),
    ),
    "reasoning apart": (
        "xai",
        {
            "prompt_tokens": 9,
            "completion_tokens": 1,
            "total_tokens": 17,
            "completion_tokens_details": {"reasoning_tokens": 7},
        },
        make_usage(9, 8, reasoning=7),
    ),
    "reasoning inside, although it is xAI": (
        "xai",
        {
            "prompt_tokens": 9,
            "completion_tokens": 8,
            "total_tokens": 17,
            "completion_tokens_details": {"reasoning_tokens": 7},
        },
        make_usage(9, 8, reasoning=7),
    ),
    "cache apart": (
        "xai",
        {
            "prompt_tokens": 2,
            "completion_tokens": 1,
            "total_tokens": 3,
            "prompt_tokens_details": {"cached_tokens": 7},
        },
        make_usage(9, 1, cached=7),
    ),
}


@pytest.mark.parametrize(("provider", "given_usage", "expected"), USAGES.values(), ids=USAGES)
@pytest.mark.parametrize("place", ["top", "x_groq", "choice", "after"])
def test_usage(provider: str, given_usage: dict[str, Any], expected: Any, place: str) -> None:
    chunk = says({"content": "a"}, "stop")
    earlier = {**says({}), "usage": {"prompt_tokens": 1, "completion_tokens": 0}}
    chunks = [earlier, chunk]
    match place:
        case "top":
            chunk["usage"] = given_usage
        case "x_groq":
            chunk["x_groq"] = {"usage": given_usage}
        case "choice":
            chunk["choices"][0]["usage"] = given_usage
        case "after":
            chunks.append({"id": "c1", "choices": [], "usage": given_usage})
    used = [
        event.usage for event in read(call_to(provider, "m"), sse(*chunks)) if isinstance(event, UsageEvent)
    ]
    assert used == ([] if expected is None else [expected])
