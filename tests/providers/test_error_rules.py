"""Every recorded error, and every documented one without a recording: class, scope, what the client gets."""

from __future__ import annotations

import json
from typing import Any

import pytest

from smart_router.dialects.errors import read_error
from smart_router.errors import UpstreamError
from smart_router.providers.registry import PROVIDERS
from tests.providers.recorded_errors import (
    AUTH,
    AUTH_MODEL,
    BAD,
    BROKEN,
    FILTERED,
    IN_200,
    LIMITED,
    MODEL_SPENT,
    NO_MODEL,
    OVERLOADED,
    RECORDED,
    RECORDED_DELAYS,
    SPENT,
    TOO_LONG,
    UNAFFORDABLE,
    Reading,
)
from tests.testbed.cases import COPIES, FIXTURES, Case, load_cases

NOW = 1_787_023_080.0  # 173470 s before the recorded Codex reset

PROVIDER_OF = {"minimax": "minimax-portal", "zai": "minimax-portal"}
"""Where a recording's folder is not called as the provider is."""


def recorded_params() -> list[Any]:
    cases = [case for case in load_cases() if case.status >= 400 or "error-in" in str(case.meta["features"])]
    return [pytest.param(case, id=case.id) for case in cases]


def failure_in(case: Case) -> bytes | dict[str, Any]:
    """The body, or the object inside a stream that tells of the failure."""
    if b"data: {" not in case.body:
        return case.body
    objects = [json.loads(line[6:]) for line in case.body.splitlines() if line.startswith(b"data: {")]
    failure: dict[str, Any] = next(
        found for found in objects if "error" in found or found.get("type") == "response.failed"
    )
    return failure


def said(case: Case) -> str:
    """The message in the vendor SDK's reading of the same bytes."""
    if "non-json-body" in case.meta["features"]:
        return "502 Bad Gateway"
    body = case.oracle["error"]["body"]
    if isinstance(body, dict):
        body = body.get("error", body)["message"]
    return str(body)


@pytest.mark.parametrize("case", recorded_params())
def test_recorded(case: Case) -> None:
    rules = PROVIDERS[PROVIDER_OF.get(case.provider, case.provider)].error_rules
    error = read_error(case.status, case.headers, failure_in(case), rules, NOW)
    kind, scope, code = RECORDED[case.id]
    assert (error.kind, error.scope) == (kind, scope)
    assert error.status == IN_200.get(case.id, case.status)
    assert error.retry_after == RECORDED_DELAYS.get(case.id)
    if kind in ("bad_request", "unsupported"):
        provider_error = case.oracle["error"]["body"]
        code = provider_error.get("code")
        assert error.param == provider_error.get("param")
    assert error.code == code
    if kind != "auth":  # there the key in the message is masked
        assert said(case) in error.message


def test_every_recording_is_read() -> None:
    there = {id_ for id_ in RECORDED if (FIXTURES / id_).is_dir()}
    assert there == set(RECORDED) or FIXTURES == COPIES
    assert {param.id for param in recorded_params()} == there


def openai(code: str, message: str = "No", **more: Any) -> dict[str, Any]:
    return {"error": {"message": message, "type": None, "param": None, "code": code, **more}}


def anthropic(type_: str, message: str = "No", **more: Any) -> dict[str, Any]:
    return {"type": "error", "error": {"type": type_, "message": message, **more}}


def google(status: str, message: str = "No", *details: dict[str, Any]) -> dict[str, Any]:
    return {"error": {"code": 0, "message": message, "status": status, "details": list(details)}}


def quota_failure(quota_id: str) -> dict[str, Any]:
    return {"@type": "type.googleapis.com/google.rpc.QuotaFailure", "violations": [{"quotaId": quota_id}]}


def reason(name: str) -> dict[str, Any]:
    return {"@type": "type.googleapis.com/google.rpc.ErrorInfo", "reason": name}


BANNED: Reading = ("auth_permanent", "profile", "account_deactivated")
TIMEOUT: Reading = ("timeout", "model", "timeout")

DOCUMENTED: list[tuple[str, int, dict[str, Any], Reading]] = [
    ("openai", 403, openai("unsupported_country_region_territory"), AUTH),
    ("openai", 400, openai("content_policy_violation"), FILTERED),
    ("openai", 429, openai("credit_balance_exhausted", type="insufficient_quota"), SPENT),
    ("openai", 429, openai("organization_usage_limit_exceeded"), SPENT),
    ("openai", 429, openai("organization_spend_limit_exceeded"), SPENT),
    ("openai", 429, openai("project_spend_limit_exceeded"), SPENT),
    ("openai", 429, openai("slow_down"), OVERLOADED),
    ("openai", 503, openai("server_is_overloaded"), OVERLOADED),
    ("openai", 400, openai("x", "Your organization must be verified to stream this model."), NO_MODEL),
    (
        "anthropic",
        400,
        anthropic("invalid_request_error", "prompt is too long: 210000 tokens > 200000"),
        TOO_LONG,
    ),
    ("anthropic", 400, anthropic("invalid_request_error", "Your credit balance is too low to access"), SPENT),
    (
        "anthropic",
        400,
        anthropic("invalid_request_error", "You have reached your specified API usage limits."),
        SPENT,
    ),
    ("anthropic", 400, anthropic("invalid_request_error", "This organization has been disabled."), BANNED),
    ("anthropic", 402, anthropic("billing_error"), SPENT),
    ("anthropic", 403, anthropic("permission_error"), AUTH_MODEL),
    ("anthropic", 413, anthropic("request_too_large"), TOO_LONG),
    (
        "anthropic",
        429,
        anthropic("rate_limit_error", details={"error_code": "enforced_spend_limit_reached"}),
        SPENT,
    ),
    (
        "anthropic",
        429,
        anthropic("rate_limit_error", details={"error_code": "contract_spend_limit_reached"}),
        SPENT,
    ),
    ("anthropic", 429, anthropic("rate_limit_error", details={"error_code": "ramp_limit_exceeded"}), LIMITED),
    ("anthropic", 500, anthropic("api_error"), BROKEN),
    ("anthropic", 504, anthropic("gateway_timeout_error"), TIMEOUT),
    (
        "google",
        400,
        google("INVALID_ARGUMENT", "The input token count (2) exceeds the maximum (1)."),
        TOO_LONG,
    ),
    ("google", 400, google("FAILED_PRECONDITION", "User location is not supported for the API use."), AUTH),
    ("google", 400, google("FAILED_PRECONDITION", "Please enable billing on your project."), SPENT),
    ("google", 401, google("UNAUTHENTICATED"), AUTH),
    ("google", 403, google("PERMISSION_DENIED"), AUTH_MODEL),
    ("google", 403, google("PERMISSION_DENIED", "Your API key was reported as leaked."), BANNED),
    ("google", 402, google("FAILED_PRECONDITION", "Your prepaid billing balance is 0"), SPENT),
    ("google", 429, google("RESOURCE_EXHAUSTED", "No", quota_failure("RequestsPerDayPerModel")), MODEL_SPENT),
    (
        "google",
        429,
        google("RESOURCE_EXHAUSTED", "* Quota exceeded for metric: x, limit: 0, model: y"),
        NO_MODEL,
    ),
    ("google", 500, google("INTERNAL"), BROKEN),
    ("google", 504, google("DEADLINE_EXCEEDED"), TIMEOUT),
    ("antigravity", 401, google("UNAUTHENTICATED"), AUTH),
    ("antigravity", 403, google("PERMISSION_DENIED", "disabled for violating the Terms of Service"), BANNED),
    ("antigravity", 403, google("PERMISSION_DENIED", "Verify your account: https://example.com"), AUTH),
    ("antigravity", 404, google("NOT_FOUND", "Requested entity was not found."), NO_MODEL),
    ("antigravity", 429, google("RESOURCE_EXHAUSTED", "No", reason("RATE_LIMIT_EXCEEDED")), LIMITED),
    ("antigravity", 429, google("RESOURCE_EXHAUSTED"), LIMITED),
    (
        "antigravity",
        429,
        google("RESOURCE_EXHAUSTED", "No", reason("INSUFFICIENT_G1_CREDITS_BALANCE")),
        SPENT,
    ),
    ("antigravity", 503, google("UNAVAILABLE", "no capacity available"), OVERLOADED),
    ("deepseek", 402, openai("x", "Insufficient Balance"), SPENT),
    ("deepseek", 422, openai("theirs"), ("bad_request", "none", "theirs")),
    ("deepseek", 503, openai("x"), OVERLOADED),
    ("deepseek", 200, openai("insufficient_system_resource"), OVERLOADED),
    ("xai", 200, {"code": "The service is currently unavailable", "error": "Try later"}, OVERLOADED),
    ("xai", 503, {"code": "x", "error": "Busy"}, OVERLOADED),
    ("xai", 403, {"code": "x", "error": "Your team has used all available credits"}, SPENT),
    ("xai", 403, {"code": "x", "error": "Blocked"}, AUTH_MODEL),
    ("xai", 404, {"code": "x", "error": "The model grok-x does not exist"}, NO_MODEL),
    (
        "groq",
        413,
        openai("rate_limit_exceeded", "Request too large, on TPM: Limit 8000, Requested 8098"),
        TOO_LONG,
    ),
    ("groq", 424, openai("theirs"), ("server", "model", "theirs")),
    ("groq", 498, openai("capacity_exceeded"), OVERLOADED),
    ("groq", 499, openai("theirs"), ("server", "model", "theirs")),
    (
        "openrouter",
        402,
        openai("402", "x", metadata={"limit_source": "openrouter_in_flight_budget"}),
        ("rate_limit", "profile", "rate_limit_exceeded"),
    ),
    (
        "openrouter",
        402,
        openai("402", "This request requires more credits, or fewer max_tokens. You can only afford 4000."),
        UNAFFORDABLE,
    ),
    (
        "groq",
        403,
        openai("model_permission_blocked_org", "The model `x` is blocked at the organization level."),
        NO_MODEL,
    ),
    ("openrouter", 403, openai("403", "Key limit exceeded (total limit)"), SPENT),
    ("openrouter", 403, openai("403", "x", metadata={"reasons": ["hate"], "flagged_input": "..."}), FILTERED),
    ("openrouter", 404, openai("404", "No endpoints found for x/y."), NO_MODEL),
    (
        "openrouter",
        404,
        openai("404", "No endpoints found that support image input"),
        ("model_not_found", "none", "model_not_found"),
    ),
    ("openrouter", 408, openai("408"), TIMEOUT),
    (
        "openrouter",
        429,
        openai("429", "Provider returned error", metadata={"raw": "limited upstream"}),
        LIMITED,
    ),
    ("openrouter", 503, openai("503"), OVERLOADED),
    ("qwen-dashscope", 401, {"code": "InvalidApiKey", "message": "No", "request_id": "1"}, AUTH),
    ("qwen-dashscope", 400, openai("Arrearage"), SPENT),
    ("qwen-dashscope", 403, openai("AccessDenied"), AUTH_MODEL),
    ("qwen-dashscope", 403, openai("AccessDenied.Unpurchased"), NO_MODEL),
    ("qwen-dashscope", 403, openai("Model.AccessDenied"), NO_MODEL),
    ("qwen-dashscope", 404, {"code": "ModelNotFound", "message": "No", "request_id": "1"}, NO_MODEL),
    ("qwen-dashscope", 429, openai("Throttling.RateQuota"), LIMITED),
    ("qwen-dashscope", 429, openai("limit_burst_rate", "Request rate increased too quickly"), LIMITED),
    ("qwen-dashscope", 429, openai("Throttling.AllocationQuota"), LIMITED),
    ("qwen-dashscope", 429, openai("insufficient_quota", type="insufficient_quota"), LIMITED),
    ("qwen-dashscope", 403, openai("AllocationQuota.FreeTierOnly"), MODEL_SPENT),
    (
        "qwen-dashscope",
        400,
        openai("InvalidParameter", "Range of input length should be [1, 98304]"),
        TOO_LONG,
    ),
    ("qwen-dashscope", 400, {"code": "DataInspectionFailed", "message": "No"}, FILTERED),
    ("qwen-dashscope", 500, {"code": "InternalError", "message": "No"}, ("server", "model", "InternalError")),
    ("qwen-portal", 401, openai("invalid_api_key", "invalid access token or token expired"), AUTH),
    ("minimax-portal", 200, {"base_resp": {"status_code": 1000, "status_msg": "unknown"}}, BROKEN),
    ("minimax-portal", 200, {"base_resp": {"status_code": 1001, "status_msg": "timeout"}}, TIMEOUT),
    ("minimax-portal", 200, {"base_resp": {"status_code": 1002, "status_msg": "rate limit"}}, LIMITED),
    ("minimax-portal", 200, {"base_resp": {"status_code": 1004, "status_msg": "auth"}}, AUTH),
    ("minimax-portal", 200, {"base_resp": {"status_code": 1008, "status_msg": "balance"}}, SPENT),
    ("minimax-portal", 200, {"base_resp": {"status_code": 1039, "status_msg": "token limit"}}, LIMITED),
    ("minimax-portal", 200, {"base_resp": {"status_code": 2013, "status_msg": "bad"}}, BAD),
    ("minimax-portal", 429, anthropic("rate_limit_error", "usage limit exceeded (2056)"), SPENT),
    ("openai-codex", 404, {"error": {"type": "usage_limit_reached", "message": "No"}}, SPENT),
    ("openai-codex", 429, {"error": {"type": "usage_not_included", "message": "No"}}, SPENT),
    ("openai-codex", 429, openai("rate_limit_exceeded"), ("rate_limit", "profile", "rate_limit_exceeded")),
    ("openai-codex", 400, openai("x", "The selected model is at capacity."), OVERLOADED),
    ("openai-codex", 400, openai("context_length_exceeded"), TOO_LONG),
    (
        "openai-codex",
        200,
        {"type": "response.failed", "response": openai("server_is_overloaded")},
        OVERLOADED,
    ),
    ("openai-codex", 200, {"type": "error", "code": "slow_down", "message": "No", "param": None}, OVERLOADED),
    ("openai-codex", 503, {"error": {"type": "service_unavailable_error", "message": "No"}}, OVERLOADED),
    ("openai-codex", 429, openai("insufficient_quota"), SPENT),
    ("openai-codex", 400, openai("cyber_policy"), FILTERED),
    (
        "openai-codex",
        400,
        openai("invalid_encrypted_content"),
        ("server", "none", "invalid_encrypted_content"),
    ),
    ("openai-codex", 401, {"detail": "Unauthorized"}, AUTH),
    (
        "openai-codex",
        400,
        {"detail": "The 'x' model is not supported when using Codex with this account."},
        NO_MODEL,
    ),
]


@pytest.mark.parametrize(("provider", "status", "body", "expected"), DOCUMENTED)
def test_documented(provider: str, status: int, body: dict[str, Any], expected: Reading) -> None:
    error = read_error(status, {}, json.dumps(body).encode(), PROVIDERS[provider].error_rules, NOW)
    assert (error.kind, error.scope, error.code) == expected


def read(provider: str, status: int, body: bytes | dict[str, Any], **headers: str) -> UpstreamError:
    return read_error(status, headers, body, PROVIDERS[provider].error_rules, NOW)


def test_googles_daily_quota_waits_for_its_day_whatever_retry_info_says() -> None:
    retry = {"@type": "type.googleapis.com/google.rpc.RetryInfo", "retryDelay": "34s"}
    error = read("google", 429, google("RESOURCE_EXHAUSTED", "No", quota_failure("PerDay"), retry))
    assert error.retry_after == (8 * 3600 - NOW) % 86400


def test_a_codex_limit_is_a_429_whatever_its_status() -> None:
    body = {"error": {"type": "usage_limit_reached", "message": "No", "resets_in_seconds": 60}}
    error = read("openai-codex", 404, body)
    assert (error.status, error.retry_after) == (429, 60)


def test_a_cloudflare_challenge_blames_no_login() -> None:
    error = read("openai-codex", 403, b"<html><title>Just a moment...</title></html>")
    assert (error.kind, error.scope) == ("server", "profile")


def test_a_gemini_stream_error_is_an_array() -> None:
    body = json.dumps([google("UNAVAILABLE", "The model is overloaded.")]).encode()
    assert read("google", 503, body).kind == "overloaded"
