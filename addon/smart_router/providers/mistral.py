"""Mistral.

Sources: docs.mistral.ai, reasoning and chat pages, November 2026; errors that users of other clients reported
(opencode 1680, eca 231, crush 1590) for ids and refused fields. `[U]` marks facts from memory.
"""

from __future__ import annotations

from smart_router.dialects.base import ChatQuirks
from smart_router.dialects.errors import ErrorRule
from smart_router.dialects.names import names
from smart_router.providers.base import Provider
from smart_router.providers.openai_compatible import CHAT

PROVIDER = Provider(
    "mistral",
    CHAT,
    "https://api.mistral.ai/v1",
    order=60,
    base_url_env="MISTRAL_BASE_URL",  # [U]
    key_env=("MISTRAL_API_KEY",),
    tier_models=("mistral-small-latest", "mistral-small-latest", "mistral-medium-3-5", "mistral-large-4-0"),
    quirks=ChatQuirks(
        # its API answers 422 to any other field; [U] the list, apart from max_tokens and tools
        accepted=names("""
            frequency_penalty max_tokens n parallel_tool_calls prediction presence_penalty prompt_mode
            random_seed safe_prompt stop temperature tool_choice tools top_p
        """),
        accepted_of_messages=frozenset({"role", "content", "tool_calls", "tool_call_id", "prefix"}),
        renamed={"max_completion_tokens": "max_tokens", "seed": "random_seed"},
        refused_parts=frozenset({"input_audio", "file"}),  # [U] it takes both in forms of its own
        tool_call_id_length=9,
        developer_role="never",  # [U]
        stream_usage=False,  # [U] the last chunk has the usage unasked
    ),
    other_models=("mistral-embed*", "codestral-embed*"),  # [U]
    error_rules=(
        ErrorRule("overloaded", "model", code=("service_tier_capacity_exceeded",)),  # [U] a 429
        ErrorRule("model_not_found", "model", code=("invalid_model",)),  # [U]
    ),
    telemetry_name="mistral_ai",
)
