"""Cerebras: open models on its own chips.

Sources: inference-docs.cerebras.ai, OpenAI compatibility and reasoning pages, November 2026; the guide of
req_llm 1.10 for parameters that end as a 400. `[U]` marks facts from memory.
"""

from __future__ import annotations

from smart_router.dialects.base import ChatQuirks
from smart_router.providers.base import Provider
from smart_router.providers.openai_compatible import CHAT, OPENAI_ONLY

PROVIDER = Provider(
    "cerebras",
    CHAT,
    "https://api.cerebras.ai/v1",
    order=120,
    base_url_env="CEREBRAS_BASE_URL",
    key_env=("CEREBRAS_API_KEY",),
    tier_models=("gpt-oss-120b", "gpt-oss-120b", "gpt-oss-120b", "gpt-oss-120b"),
    quirks=ChatQuirks(
        dropped=OPENAI_ONLY
        | {"frequency_penalty", "logit_bias", "parallel_tool_calls", "presence_penalty", "service_tier"},
        renamed={"max_tokens": "max_completion_tokens"},  # [U]
        refused_parts=frozenset({"input_audio", "file"}),
        developer_role="never",
    ),
    key_prefixes=("csk-",),
)
