"""OpenRouter: many providers' models behind one API."""

from __future__ import annotations

from smart_router.dialects.base import OPENAI_MESSAGE, ChatQuirks
from smart_router.dialects.errors import ErrorRule
from smart_router.dialects.names import names
from smart_router.providers.base import PriceNames, Provider
from smart_router.providers.openai_compatible import CHAT

PROVIDER = Provider(
    "openrouter",
    CHAT,
    "https://openrouter.ai/api/v1",
    order=190,
    base_url_env="OPENROUTER_BASE_URL",
    key_env=("OPENROUTER_API_KEY",),
    quirks=ChatQuirks(
        dropped=frozenset({"n"}),
        accepted=names("""
            cache_control frequency_penalty image_config include_reasoning logit_bias logprobs
            max_completion_tokens max_tokens metadata min_p modalities models parallel_tool_calls plugins
            prediction presence_penalty prompt_cache_key provider reasoning repetition_penalty route
            safety_identifier seed service_tier session_id stop store structured_outputs temperature top_a
            top_k top_logprobs top_p transforms usage user verbosity web_search_options
        """),
        accepted_of_messages=OPENAI_MESSAGE,
        cache_marks=True,
        tool_media=True,
        effort_as="reasoning",
        history="details",
    ),
    listed=False,
    key_prefixes=("sk-or-",),
    client_headers=("http-referer", "x-title"),
    error_rules=(
        # too many requests at once for the balance, not an empty one
        ErrorRule("rate_limit", "profile", code=("openrouter_in_flight_budget",)),
        # too large an answer was asked for, which the balance does not cover; a smaller one it may
        ErrorRule("quota", "none", status=(402,), text=("fewer max_tokens", "can only afford")),
        ErrorRule("quota", "profile", status=(403,), text=("key limit exceeded",)),
        ErrorRule("content_filter", "none", status=(403,), code=("flagged_input",)),
        ErrorRule("content_filter", "none", status=(403,), text=("moderation", "flagged")),
        ErrorRule("model_not_found", "none", status=(404,), text=("no endpoints found that support",)),
        ErrorRule("model_not_found", "model", status=(404,), text=("no endpoints", "no allowed providers")),
    ),
    # the answer states the cost of the model that it picked
    prices=PriceNames("openrouter/", {"openrouter/auto": None}),
)
