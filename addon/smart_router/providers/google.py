"""Google: the Gemini API."""

from __future__ import annotations

from smart_router.dialects.errors import ErrorRule
from smart_router.dialects.gemini.dialect import GeminiDialect
from smart_router.providers.base import Provider

_RENEWED_AT = 8
"""The hour (UTC) at which daily quotas are renewed: midnight in California, an hour late in summer."""

PROVIDER = Provider(
    "google",
    GeminiDialect(),
    "https://generativelanguage.googleapis.com/v1beta",
    order=30,
    base_url_env="GOOGLE_GEMINI_BASE_URL",
    key_env=("GOOGLE_API_KEY", "GEMINI_API_KEY", "GOOGLE_GENERATIVE_AI_API_KEY"),
    auth="x-goog-api-key",
    key_prefixes=("AIza", "ya29."),  # API keys, access tokens
    error_rules=(
        # a quota of nothing: the free tier has no such model
        ErrorRule("model_not_found", "model", status=(429,), text=("limit: 0",)),
        # RetryInfo then still names the seconds of the minute quota
        ErrorRule("quota", "model", status=(429,), text=("perday",), renewed_at=_RENEWED_AT),
        # "exceeded your current quota, check your plan and billing details" is what each 429 says
        ErrorRule("rate_limit", "model", status=(429,)),
        ErrorRule(
            "auth_permanent", "profile", status=(400, 403), text=("reported as leaked", "has been suspended")
        ),
        ErrorRule("quota", "profile", code=("FAILED_PRECONDITION",), text=("billing",)),
        # of the region, which no other model changes
        ErrorRule("auth", "profile", code=("FAILED_PRECONDITION",)),
        ErrorRule("auth", "profile", text=("location is not supported",)),
    ),
    telemetry_name="gcp.gemini",
)
