"""Anthropic: the Messages API."""

from __future__ import annotations

from smart_router.dialects.anthropic.dialect import AnthropicDialect
from smart_router.dialects.errors import ErrorRule
from smart_router.providers.base import Provider

PROVIDER = Provider(
    "anthropic",
    AnthropicDialect(),
    "https://api.anthropic.com",
    order=20,
    base_url_env="ANTHROPIC_BASE_URL",
    key_env=("ANTHROPIC_API_KEY", "ANTHROPIC_AUTH_TOKEN"),
    auth="x-api-key",
    bearer_env=frozenset({"ANTHROPIC_AUTH_TOKEN"}),
    key_prefixes=("sk-ant-",),
    client_headers=("anthropic-beta",),
    error_rules=(
        ErrorRule("quota", "profile", code=("enforced_spend_limit_reached", "contract_spend_limit_reached")),
        ErrorRule(
            "quota",
            "profile",
            text=("reached your specified api usage limits", "reached your api usage limits"),
        ),
        ErrorRule("auth_permanent", "profile", text=("organization has been disabled",)),
    ),
)
