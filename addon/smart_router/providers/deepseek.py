"""DeepSeek."""

from __future__ import annotations

from smart_router.dialects.base import PLAIN_MESSAGE, ChatQuirks
from smart_router.dialects.errors import ErrorRule
from smart_router.dialects.names import names
from smart_router.providers.base import Provider
from smart_router.providers.openai_compatible import CHAT, OPENAI_ONLY

PROVIDER = Provider(
    "deepseek",
    CHAT,
    "https://api.deepseek.com",
    order=40,
    base_url_env="DEEPSEEK_BASE_URL",
    key_env=("DEEPSEEK_API_KEY",),
    quirks=ChatQuirks(
        dropped=OPENAI_ONLY | {"user", "n", "seed", "parallel_tool_calls"},
        accepted=names("""
            frequency_penalty logprobs max_tokens presence_penalty reasoning_effort stop temperature thinking
            top_logprobs top_p
        """),
        renamed={"max_completion_tokens": "max_tokens"},
        refused_parts=frozenset({"input_audio", "file"}),
        developer_role="never",
        effort_as="thinking",
        accepted_of_messages=PLAIN_MESSAGE | {"prefix"},
        history="turn_at_hand",
    ),
    key_prefixes=("sk-",),
    error_rules=(ErrorRule("model_not_found", "model", status=(400,), text=("supported api model names",)),),
)
