"""xAI: Grok."""

from __future__ import annotations

from smart_router.dialects.base import ChatQuirks
from smart_router.dialects.errors import ErrorRule
from smart_router.dialects.json_schema.subsets import XAI
from smart_router.dialects.names import names
from smart_router.providers.base import PriceNames, Provider
from smart_router.providers.openai_compatible import CHAT, OPENAI_ONLY

PROVIDER = Provider(
    "xai",
    CHAT,
    "https://api.x.ai/v1",
    order=50,
    base_url_env="XAI_BASE_URL",
    key_env=("XAI_API_KEY", "GROK_API_KEY"),
    quirks=ChatQuirks(
        dropped=OPENAI_ONLY,
        accepted=names("""
            deferred frequency_penalty logit_bias logprobs max_completion_tokens max_tokens n
            parallel_function_calling presence_penalty reasoning_effort search_parameters seed service_tier
            stop temperature top_logprobs top_p user web_search_options
        """),
        renamed={"max_tokens": "max_completion_tokens", "parallel_tool_calls": "parallel_function_calling"},
        refused_parts=frozenset({"input_audio"}),
        tool_media=True,
        # "each message must have at least one content element"
        empty_texts=False,
        schemas=XAI,
        developer_role="never",
        reasoning_apart=True,
        session_header="x-grok-conv-id",
    ),
    key_prefixes=("xai-",),
    error_rules=(
        ErrorRule(
            "quota", "profile", status=(402, 403, 429), text=("used all available credits", "spending limit")
        ),
        ErrorRule("overloaded", "model", text=("service is currently unavailable",)),
        ErrorRule("overloaded", "model", code=("The service is currently unavailable",)),
    ),
    prices=PriceNames("x-ai/"),
    telemetry_name="x_ai",
)
