"""MiniMax: a subscription, on Anthropic's wire format."""

from __future__ import annotations

from smart_router.dialects.anthropic.dialect import AnthropicDialect
from smart_router.dialects.errors import ErrorRule
from smart_router.providers.base import PriceNames, Provider

PROVIDER = Provider(
    "minimax-portal",
    AnthropicDialect(),
    "https://api.minimax.io/anthropic",
    order=20,
    key_env=("MINIMAX_OAUTH_TOKEN", "MINIMAX_CODE_PLAN_KEY", "MINIMAX_CODING_API_KEY", "MINIMAX_API_KEY"),
    kind="login",
    resource_hosts=("minimax.io", "minimaxi.com"),
    error_rules=(
        ErrorRule("server", "model", code=("1000", "1024", "1033")),
        ErrorRule("timeout", "model", code=("1001",)),
        ErrorRule("rate_limit", "model", code=("1002",)),
        ErrorRule("auth", "profile", code=("1004",)),
        ErrorRule("quota", "profile", code=("1008",)),
        ErrorRule("content_filter", "none", code=("1026", "1027")),
        ErrorRule("rate_limit", "model", code=("1039",)),  # [U] tokens per minute
        ErrorRule("bad_request", "none", code=("2013",)),  # [U]
        ErrorRule("quota", "profile", code=("2056",)),  # the plan's window of some hours
    ),
    prices=PriceNames("minimax/", basis="equivalent"),
)
