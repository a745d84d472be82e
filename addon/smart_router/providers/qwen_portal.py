"""Qwen's portal: a login for Qwen Code."""

from __future__ import annotations

from smart_router.providers.base import PriceNames, Provider
from smart_router.providers.openai_compatible import CHAT
from smart_router.providers.qwen_dashscope import PROVIDER as DASHSCOPE

PROVIDER = Provider(
    "qwen-portal",
    CHAT,
    "https://portal.qwen.ai/v1",
    order=40,
    key_env=("QWEN_OAUTH_TOKEN", "QWEN_PORTAL_API_KEY"),
    kind="login",
    resource_hosts=("qwen.ai", "dashscope.aliyuncs.com", "dashscope-intl.aliyuncs.com"),
    quirks=DASHSCOPE.quirks,
    error_rules=DASHSCOPE.error_rules,
    prices=PriceNames(
        models={"coder-model": "openrouter/qwen/qwen3-coder-plus", "vision-model": None}, basis="equivalent"
    ),
)
