"""Fireworks: open models, whose ids begin with `accounts/fireworks/models/`.

Sources: docs.fireworks.ai, reasoning page, and Bifrost's page on Fireworks, November 2026. `[U]` marks facts
from memory.
"""

from __future__ import annotations

from smart_router.dialects.base import ChatQuirks
from smart_router.providers.base import Provider
from smart_router.providers.openai_compatible import CHAT, OPENAI_ONLY

PROVIDER = Provider(
    "fireworks",
    CHAT,
    "https://api.fireworks.ai/inference/v1",
    order=140,
    base_url_env="FIREWORKS_BASE_URL",
    key_env=("FIREWORKS_API_KEY",),
    tier_models=(
        "accounts/fireworks/models/deepseek-v4p1-flash",
        "accounts/fireworks/models/deepseek-v4p1-flash",
        "accounts/fireworks/models/deepseek-v4-pro",
        "accounts/fireworks/models/kimi-k3",
    ),
    quirks=ChatQuirks(
        dropped=(OPENAI_ONLY - {"prediction"}) | {"service_tier"},  # [U] service_tier
        renamed={"max_completion_tokens": "max_tokens"},  # [U]
        refused_parts=frozenset({"input_audio", "file"}),  # [U]
        developer_role="never",  # [U]
    ),
    key_prefixes=("fw_",),
)
