"""The walk through the rules, the common rules, and what the client is told."""

from __future__ import annotations

from typing import Any, get_args

import pytest
from hypothesis import given
from hypothesis import strategies as st

from smart_router.dialects.client_errors import (
    anthropic_error,
    gemini_error,
    openai_error,
    responses_error,
)
from smart_router.dialects.errors import COMMON_RULES, ErrorRule, read_error
from smart_router.errors import ClientError, ErrorClass, UpstreamError

NOW = 1_790_000_000.0


def read(status: int, error: dict[str, Any], *rules: ErrorRule, **headers: str) -> UpstreamError:
    return read_error(status, headers, {"error": error}, rules, NOW)


@pytest.mark.parametrize(
    ("status", "kind", "scope"),
    [
        (307, "server", "model"),
        (400, "bad_request", "none"),
        (401, "auth", "profile"),
        (402, "quota", "profile"),
        (403, "auth", "model"),
        (404, "server", "model"),
        (408, "timeout", "model"),
        (409, "server", "model"),
        (413, "context_length", "none"),
        (418, "server", "model"),
        (422, "bad_request", "none"),
        (425, "server", "model"),
        (429, "rate_limit", "model"),
        (498, "overloaded", "model"),
        (499, "server", "model"),
        (500, "server", "model"),
        (502, "server", "model"),
        (503, "overloaded", "model"),
        (504, "timeout", "model"),
        (529, "overloaded", "model"),
        (599, "server", "model"),
        (999, "server", "model"),
    ],
)
def test_status_alone(status: int, kind: ErrorClass, scope: str) -> None:
    error = read_error(status, {}, b"", (), NOW)
    assert (error.kind, error.scope) == (kind, scope)
    assert error.status == (status if 400 <= status < 600 and status not in (404, 418, 499) else 502)
    assert error.message.startswith(f"HTTP {status}: empty answer")


HTML = b"<html><head><title>No</title></head><body><h1>No</h1></body></html>"
OF_THE_WAY: list[tuple[int, bytes]] = [
    *((status, HTML) for status in (400, 403, 404, 405, 407, 418, 421, 422, 431, 451)),
    (404, b"404 page not found\n"),
    (404, b'{"detail":"Not Found"}'),
    (404, b'{"message":"no Route matched with those values"}'),
    (404, b'{"timestamp":"x","status":404,"error":"Not Found","path":"/v1/chat/completions"}'),
    (
        404,
        b'{"error":{"message":"Invalid URL (POST /v1/v1/chat/completions)","type":"invalid_request_error"}}',
    ),
    (405, b'{"detail":"Method Not Allowed"}'),
    (407, b"{}"),
    (421, b""),
    (431, b'{"message":"too large"}'),
    (451, b'{"error":{"message":"Not here"}}'),
    (494, b"{}"),
    (499, b'{"error":{"message":"client closed request"}}'),
]


@pytest.mark.parametrize(("status", "body"), OF_THE_WAY)
def test_answer_of_a_gateway_is_not_the_requests_fault(status: int, body: bytes) -> None:
    error = read_error(status, {"content-type": "text/html"}, body, (), NOW)
    assert (error.kind, error.scope, error.status, error.retryable) == ("server", "model", 502, True)
    assert "check the base URL" in error.message


@pytest.mark.parametrize(
    ("status", "kind", "scope"),
    [
        (401, "auth", "profile"),
        (402, "quota", "profile"),
        (408, "timeout", "model"),
        (413, "context_length", "none"),
        (429, "rate_limit", "model"),
        (503, "overloaded", "model"),
    ],
)
def test_page_with_a_status_that_says_all_keeps_its_class(status: int, kind: ErrorClass, scope: str) -> None:
    error = read_error(status, {}, HTML, (), NOW)
    assert (error.kind, error.scope) == (kind, scope)


@pytest.mark.parametrize(
    ("error", "kind", "scope"),
    [
        (
            {"code": "model_permission_blocked_project", "message": "The model `x` is blocked"},
            "model",
            "model",
        ),
        ({"message": "Your plan does not include this model"}, "model", "model"),
        ({"message": "The prompt was blocked"}, "filter", "none"),
        ({"message": "Stopped by a guardrail"}, "filter", "none"),
        ({"type": "permission_error", "message": "No access to claude-x"}, "auth", "model"),
        ({"message": "Forbidden"}, "auth", "model"),
        ({"message": "This API key may not be used here"}, "auth", "profile"),
        ({"message": "Not available in your country"}, "auth", "profile"),
    ],
)
def test_403_holds_for_the_key_only_if_it_speaks_of_the_account(
    error: dict[str, Any], kind: str, scope: str
) -> None:
    kinds = {"model": "model_not_found", "filter": "content_filter", "auth": "auth"}
    read_as = read(403, error)
    assert (read_as.kind, read_as.scope) == (kinds[kind], scope)


@pytest.mark.parametrize(
    ("status", "error", "kind"),
    [
        (400, {"code": "context_length_exceeded"}, "context_length"),
        (400, {"message": "This model's maximum context length is 8192 tokens"}, "context_length"),
        (400, {"message": "This model's maximum prompt length is 131072"}, "context_length"),
        (429, {"code": "rate_limit_exceeded", "message": "Request too large for gpt-4o"}, "context_length"),
        (400, {"message": "Your credit balance is too low"}, "quota"),
        (429, {"code": "billing_hard_limit_reached"}, "quota"),
        (429, {"code": "slow_down"}, "overloaded"),
        (503, {"code": "slow_down"}, "overloaded"),
        (400, {"code": "content_policy_violation"}, "content_filter"),
        (403, {"message": "Content violates usage guidelines."}, "content_filter"),
        (
            200,
            {"code": "invalid_prompt", "message": "It was flagged as potentially harmful"},
            "content_filter",
        ),
        (400, {"message": "Incorrect API key provided"}, "auth"),
        (401, {"code": "account_deactivated"}, "auth_permanent"),
        (404, {"message": "The model `x` does not exist"}, "model_not_found"),
        (403, {"message": "Project does not have access to model `x`"}, "model_not_found"),
        # what a tool is called, or a parameter is, decides nothing
        (
            400,
            {"message": "Invalid 'temperature': decimal above maximum value. Expected <= 2"},
            "bad_request",
        ),
        # a limit of this vendor's, which another may not have
        (400, {"code": "array_above_max_length", "message": "Invalid 'tools'"}, "unsupported"),
        (422, {"message": "input: Extra inputs are not permitted"}, "unsupported"),
        (400, {"message": 'Unknown name "x": Cannot find field.'}, "unsupported"),
        (400, {"message": "Invalid schema for function 'get_billing_rate_limit'"}, "unsupported"),
        (
            400,
            {"message": "Unsupported parameter: 'temperature' is not supported with this model."},
            "unsupported",
        ),
    ],
)
def test_codes_and_texts(status: int, error: dict[str, Any], kind: ErrorClass) -> None:
    assert read(status, error).kind == kind


def test_the_first_matching_rule_counts_and_the_providers_come_first() -> None:
    first = ErrorRule("timeout", "none", status=(429,), code=("A-code",), text=("Slowly",))
    second = ErrorRule("server", "none", status=(429,))
    assert read(429, {"code": "a_CODE", "message": "more slowly"}, first, second).kind == "timeout"
    assert read(429, {"code": "a_CODE", "message": "faster"}, first, second).kind == "server"
    assert read(429, {"code": "a_CODE", "message": "faster"}).kind == "rate_limit"
    assert read(503, {"code": "a_CODE", "message": "more slowly"}, first, second).kind == "overloaded"


def test_the_last_common_rule_matches_everything() -> None:
    assert COMMON_RULES[-1] == ErrorRule("server", "model")


@pytest.mark.parametrize(
    ("error", "status"),
    [
        ({"type": "overloaded_error"}, 503),
        ({"type": "rate_limit_error"}, 429),
        ({"type": "api_error"}, 502),
        ({"type": "authentication_error"}, 401),
        ({"code": "context_length_exceeded"}, 400),
        ({"code": "insufficient_quota"}, 429),
        ({"code": 504}, 504),
        ({"code": "unheard_of"}, 502),
    ],
)
def test_an_error_inside_a_200_gets_its_class_status(error: dict[str, Any], status: int) -> None:
    assert read(200, error).status == status


@pytest.mark.parametrize(
    ("kind", "type_", "code"),
    [
        ("rate_limit", "rate_limit_exceeded", "rate_limit_exceeded"),
        ("quota", "insufficient_quota", "insufficient_quota"),
        ("auth", "authentication_error", "invalid_api_key"),
        ("auth_permanent", "authentication_error", "account_deactivated"),
        ("model_not_found", "invalid_request_error", "model_not_found"),
        ("overloaded", "server_error", "server_is_overloaded"),
        ("server", "server_error", "theirs"),
        ("timeout", "server_error", "timeout"),
        ("context_length", "invalid_request_error", "context_length_exceeded"),
        ("content_filter", "invalid_request_error", "content_filter"),
        ("bad_request", "invalid_request_error", "theirs"),
    ],
)
def test_the_client_reads_openais_words(kind: ErrorClass, type_: str, code: str) -> None:
    error = read(418, {"message": "No", "code": "theirs", "param": "n"}, ErrorRule(kind, "none"))
    assert error.status == 418
    assert openai_error(error) == {"error": {"message": "No", "type": type_, "param": "n", "code": code}}


def test_every_class_has_a_client_view() -> None:
    own = {"local", "too_large", "stopping"}  # the router's findings: no answer says so
    for kind in set(get_args(ErrorClass)) - own:
        assert 400 <= read(200, {"code": "x"}, ErrorRule(kind, "none")).status < 600


def test_a_rule_may_replace_a_misleading_status() -> None:
    assert read(404, {"message": "No"}, ErrorRule("quota", "profile", client_status=429)).status == 429


def test_delay() -> None:
    assert read(429, {"message": "try again in 20s"}).retry_after == 20
    assert read(429, {"message": "No"}, **{"Retry-After": "3"}).retry_after == 3
    assert read(400, {"message": "No"}).retry_after is None


@pytest.mark.parametrize(("now", "seconds"), [(0, 8 * 3600), (7 * 3600, 3600), (9 * 3600, 23 * 3600)])
def test_a_daily_quota_waits_for_its_hour(now: float, seconds: float) -> None:
    rule = ErrorRule("quota", "model", renewed_at=8)
    assert read_error(429, {"retry-after": "3"}, b"", (rule,), now).retry_after == seconds


@given(
    st.integers(100, 999),
    st.dictionaries(st.text(max_size=9), st.text(max_size=9)),
    st.binary(max_size=99),
    st.floats(0, 4e9),
)
def test_anything_is_read(status: int, headers: dict[str, str], body: bytes, now: float) -> None:
    error = read_error(status, headers, body, (), now)
    assert 400 <= error.status < 600
    assert error.retry_after is None or error.retry_after >= 0


FIELDS: list[tuple[str | None, str | None, str | None]] = [
    # the hub's field; in Responses; in Gemini's API
    ("messages[2].content[0]", "input", "contents"),
    ("messages", "input", "contents"),
    ("n", "n", "generationConfig.candidateCount"),
    ("max_completion_tokens", "max_output_tokens", "generationConfig.maxOutputTokens"),
    ("response_format.json_schema", "text.format", "generationConfig.responseSchema"),
    ("tools[0].name", "tools[0].name", "tools[0].name"),
    ("input[0].role", "input[0].role", "input[0].role"),
    (None, None, None),
]


@pytest.mark.parametrize(("param", "responses", "gemini"), FIELDS)
def test_field_has_the_name_that_the_client_gave_it(
    param: str | None, responses: str | None, gemini: str | None
) -> None:
    error = ClientError(400, "No", param=param)
    assert openai_error(error)["error"]["param"] == param
    assert responses_error(error)["error"]["param"] == responses
    (details,) = gemini_error(error)["error"].get("details") or [{"fieldViolations": [{"field": None}]}]
    assert details["fieldViolations"][0]["field"] == gemini
    assert anthropic_error(error)["error"]["message"] == (f"{param}: No" if param else "No")


def test_message_of_anthropic_names_the_field_once() -> None:
    error = ClientError(400, "Invalid 'max_tokens': no", param="max_tokens")
    assert anthropic_error(error)["error"]["message"] == error.message
