"""What each provider means by its errors, where that differs from the common reading.

The first row that matches counts; what no row here matches is read by `dialects.errors.COMMON_RULES`.
"""

from __future__ import annotations

from collections.abc import Mapping

from smart_router.dialects.errors import ErrorRule

_GOOGLE_DAY = 8
"""Gemini's daily quotas start anew at midnight in California; in summer this is an hour late, never early."""

_OPENAI = (
    # the model is there, but only for verified organizations
    ErrorRule("model_not_found", "model", status=(400, 403, 404), text=("must be verified to",)),
)

_ANTHROPIC = (
    ErrorRule(
        "quota",
        "profile",
        code=("enforced_spend_limit_reached", "contract_spend_limit_reached"),
    ),
    ErrorRule(
        "quota", "profile", text=("reached your specified api usage limits", "reached your api usage limits")
    ),
    ErrorRule("auth_permanent", "profile", text=("organization has been disabled",)),
)

_GOOGLE = (
    # a quota of nothing: the free tier has no such model
    ErrorRule("model_not_found", "model", status=(429,), text=("limit: 0",)),
    # RetryInfo then still names the seconds of the minute quota
    ErrorRule("quota", "model", status=(429,), text=("perday",), renewed_at=_GOOGLE_DAY),
    # "exceeded your current quota, check your plan and billing details" is what each 429 says
    ErrorRule("rate_limit", "model", status=(429,)),
    ErrorRule(
        "auth_permanent", "profile", status=(400, 403), text=("reported as leaked", "has been suspended")
    ),
    ErrorRule("quota", "profile", code=("FAILED_PRECONDITION",), text=("billing",)),
    # of the region, which no other model changes
    ErrorRule("auth", "profile", code=("FAILED_PRECONDITION",)),
    ErrorRule("auth", "profile", text=("location is not supported",)),
    ErrorRule("model_not_found", "model", status=(404,)),
)

_ANTIGRAVITY = (
    # Google switched the account off for using the service through a third party's client
    ErrorRule("auth_permanent", "profile", status=(403,), text=("terms of service",)),
    ErrorRule("overloaded", "model", code=("MODEL_CAPACITY_EXHAUSTED",)),
    ErrorRule("overloaded", "model", text=("no capacity available",)),
    ErrorRule("quota", "profile", code=("INSUFFICIENT_G1_CREDITS_BALANCE",)),
    ErrorRule("quota", "model", code=("QUOTA_EXHAUSTED",)),
    ErrorRule("rate_limit", "model", status=(429,)),
    ErrorRule("model_not_found", "model", status=(404,)),
)

_DEEPSEEK = (ErrorRule("model_not_found", "model", status=(400,), text=("supported api model names",)),)

_XAI = (
    ErrorRule(
        "quota", "profile", status=(402, 403, 429), text=("used all available credits", "spending limit")
    ),
    ErrorRule("overloaded", "model", text=("service is currently unavailable",)),
    ErrorRule("overloaded", "model", code=("The service is currently unavailable",)),
)

_GROQ = (
    # larger than the tier's tokens per minute: waiting does not help, another model may
    ErrorRule("context_length", "none", status=(413,)),
    ErrorRule("server", "model", status=(424, 499)),
    # the model wrote a call that its own schema refuses; nothing is wrong with request or provider
    ErrorRule("server", "none", code=("tool_use_failed", "json_validate_failed")),
)

_OPENROUTER = (
    # too many requests at once for the balance, not an empty one
    ErrorRule("rate_limit", "profile", code=("openrouter_in_flight_budget",)),
    ErrorRule("quota", "profile", status=(403,), text=("key limit exceeded",)),
    ErrorRule("content_filter", "none", status=(403,), code=("flagged_input",)),
    ErrorRule("content_filter", "none", status=(403,), text=("moderation", "flagged")),
    ErrorRule("model_not_found", "none", status=(404,), text=("no endpoints found that support",)),
    ErrorRule("model_not_found", "model", status=(404,), text=("no endpoints", "no allowed providers")),
)

_DASHSCOPE = (
    # a limit on tokens per minute, whatever its name says
    ErrorRule("rate_limit", "model", status=(429,)),
    ErrorRule("quota", "profile", code=("Arrearage",)),
    # [U] the free allowance is each model's own
    ErrorRule("quota", "model", code=("AllocationQuota.FreeTierOnly",)),
    ErrorRule("model_not_found", "model", code=("Model.AccessDenied", "AccessDenied.Unpurchased")),
)

_MINIMAX = (
    ErrorRule("server", "model", code=("1000", "1024", "1033")),
    ErrorRule("timeout", "model", code=("1001",)),
    ErrorRule("rate_limit", "model", code=("1002",)),
    ErrorRule("auth", "profile", code=("1004",)),
    ErrorRule("quota", "profile", code=("1008",)),
    ErrorRule("content_filter", "none", code=("1026", "1027")),
    ErrorRule("rate_limit", "model", code=("1039",)),  # [U] tokens per minute
    ErrorRule("bad_request", "none", code=("2013",)),  # [U]
    ErrorRule("quota", "profile", code=("2056",)),  # the plan's window of some hours
)

_CODEX = (
    # seen with status 404, too
    ErrorRule("quota", "profile", code=("usage_limit_reached",), client_status=429),
    ErrorRule("quota", "profile", code=("usage_not_included",), client_status=429),
    ErrorRule("overloaded", "model", text=("model is at capacity",)),
    ErrorRule("overloaded", "model", code=("service_unavailable_error",)),
    # the plan has one limit for all its models
    ErrorRule("rate_limit", "profile", code=("rate_limit_exceeded",)),
    # replayed reasoning of another account: whoever gets the request without it can serve it
    ErrorRule("server", "none", code=("invalid_encrypted_content",)),
    ErrorRule("model_not_found", "model", status=(400,), text=("not supported when using codex",)),
    # Cloudflare's challenge to an unknown agent says nothing about the login
    ErrorRule("server", "profile", status=(403,), text=("cloudflare", "just a moment", "error 1010")),
)

ERROR_RULES: Mapping[str, tuple[ErrorRule, ...]] = {
    "openai": _OPENAI,
    "anthropic": _ANTHROPIC,
    "google": _GOOGLE,
    "qwen-dashscope": _DASHSCOPE,
    "deepseek": _DEEPSEEK,
    "xai": _XAI,
    "groq": _GROQ,
    "openrouter": _OPENROUTER,
    "antigravity": _ANTIGRAVITY,
    "qwen-portal": _DASHSCOPE,
    "minimax-portal": _MINIMAX,
    "openai-codex": _CODEX,
}
"""Each provider's rows, by provider id."""
