"""Groq: open models on its own chips."""

from __future__ import annotations

from smart_router.dialects.base import PLAIN_MESSAGE, ChatQuirks
from smart_router.dialects.errors import ErrorRule
from smart_router.dialects.json_schema.subsets import OPENAI_TOOL
from smart_router.dialects.names import names
from smart_router.providers.base import Provider
from smart_router.providers.openai_compatible import CHAT, OPENAI_ONLY

PROVIDER = Provider(
    "groq",
    CHAT,
    "https://api.groq.com/openai/v1",
    order=110,
    base_url_env="GROQ_BASE_URL",
    key_env=("GROQ_API_KEY",),
    quirks=ChatQuirks(
        dropped=OPENAI_ONLY | {"logprobs", "top_logprobs", "logit_bias"},
        accepted=names("""
            citation_options compound_custom disable_tool_validation documents frequency_penalty
            include_reasoning max_completion_tokens max_tokens n parallel_tool_calls presence_penalty
            reasoning_effort reasoning_format search_settings seed service_tier stop temperature top_p user
        """),
        accepted_of_messages=PLAIN_MESSAGE - {"name"},
        schemas=OPENAI_TOOL,
        refused_parts=frozenset({"input_audio", "file"}),
        developer_role="never",
    ),
    key_prefixes=("gsk_",),
    error_rules=(
        # larger than the tier's tokens per minute: waiting does not help, another model may
        ErrorRule("context_length", "none", status=(413,)),
        ErrorRule("server", "model", status=(424, 499)),
        # the model wrote a call that its own schema refuses; nothing is wrong with request or provider
        ErrorRule("server", "none", code=("tool_use_failed", "json_validate_failed")),
    ),
)
