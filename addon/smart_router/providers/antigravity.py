"""Google Antigravity: a subscription, through Cloud Code."""

from __future__ import annotations

from smart_router.dialects.errors import ErrorRule
from smart_router.dialects.gemini.cloudcode import CloudCodeDialect
from smart_router.providers.base import PriceNames, Provider

PROVIDER = Provider(
    "antigravity",
    CloudCodeDialect(),
    "https://daily-cloudcode-pa.googleapis.com",
    order=30,
    more_base_urls=("https://cloudcode-pa.googleapis.com",),
    kind="login",
    key_prefixes=("ya29.",),
    error_rules=(
        # Google switched the account off for using the service through a third party's client
        ErrorRule("auth_permanent", "profile", status=(403,), text=("terms of service",)),
        ErrorRule("overloaded", "model", code=("MODEL_CAPACITY_EXHAUSTED",)),
        ErrorRule("overloaded", "model", text=("no capacity available",)),
        ErrorRule("quota", "profile", code=("INSUFFICIENT_G1_CREDITS_BALANCE",)),
        ErrorRule("quota", "model", code=("QUOTA_EXHAUSTED",)),
        ErrorRule("rate_limit", "model", status=(429,)),
        ErrorRule("model_not_found", "model", status=(404,), code=("NOT_FOUND",)),
    ),
    prices=PriceNames(
        "google/",
        {  # Cloud Code's ids are not the public ones
            "claude-opus-4-6-thinking": "anthropic/claude-opus-4-6",
            "claude-sonnet-4-6": "anthropic/claude-sonnet-4-6",
            "gemini-3.7-flash-high": "google/gemini-3.7-flash",
            "gemini-3.6-flash-high": "google/gemini-3.6-flash",
            "gemini-3.5-flash-low": "google/gemini-3.5-flash",
            "gemini-3.1-pro-low": "google/gemini-3.1-pro-preview",
            "gpt-oss-120b-medium": "groq/openai/gpt-oss-120b",
            "gemini-3-flash": None,
            "gemini-3-flash-agent": None,
            "gemini-pro-agent": None,
        },
        "equivalent",
    ),
    telemetry_name="gcp.gemini",
)
