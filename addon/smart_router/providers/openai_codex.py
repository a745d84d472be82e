"""OpenAI Codex: a ChatGPT subscription."""

from __future__ import annotations

from smart_router.dialects.errors import ErrorRule
from smart_router.dialects.openai_responses.dialect import CODEX, ResponsesDialect
from smart_router.providers.base import PriceNames, Provider

PROVIDER = Provider(
    "openai-codex",
    ResponsesDialect(CODEX),
    "https://chatgpt.com/backend-api/codex",
    order=10,
    kind="login",
    extras={"originator": "codex_cli_rs"},
    error_rules=(
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
    ),
    prices=PriceNames("openai/", {"codex-auto-review": None, "gpt-5.3-codex-spark": None}, "equivalent"),
    telemetry_name="openai",
)
