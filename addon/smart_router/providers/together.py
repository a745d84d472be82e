"""Together: open models.

Sources: docs.together.ai, reasoning and model pages, November 2026. `[U]` marks facts from memory.
"""

from __future__ import annotations

from smart_router.dialects.base import ChatQuirks
from smart_router.providers.base import Provider
from smart_router.providers.openai_compatible import CHAT, OPENAI_ONLY

PROVIDER = Provider(
    "together",
    CHAT,
    "https://api.together.xyz/v1",
    order=130,
    base_url_env="TOGETHER_BASE_URL",
    key_env=("TOGETHER_API_KEY",),
    tier_models=(
        "deepseek-ai/DeepSeek-V4.1-Flash",
        "deepseek-ai/DeepSeek-V4.1-Flash",
        "deepseek-ai/DeepSeek-V4-Pro-0813",
        "moonshotai/Kimi-K3",
    ),
    quirks=ChatQuirks(
        dropped=OPENAI_ONLY | {"service_tier", "user"},  # [U]
        renamed={"max_completion_tokens": "max_tokens"},  # [U]
        refused_parts=frozenset({"input_audio", "file"}),  # [U]
        developer_role="never",  # [U]
    ),
    key_prefixes=("tgp_v1_",),  # [U]
)
