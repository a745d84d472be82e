"""Every shape of an error body, and bodies of no shape at all."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from smart_router.dialects.error_facts import MESSAGE_LIMIT, read_facts

GOOGLE: dict[str, Any] = {
    "error": {
        "code": 429,
        "message": "Quota exceeded",
        "status": "RESOURCE_EXHAUSTED",
        "details": [
            {"@type": "google.rpc.ErrorInfo", "reason": "QUOTA", "metadata": {"quotaResetDelay": "2h"}},
            {"@type": "google.rpc.QuotaFailure", "violations": [{"quotaId": "RequestsPerDay"}, None]},
            {"@type": "google.rpc.RetryInfo", "retryDelay": "3.9s"},
            "not an object",
        ],
    }
}


@pytest.mark.parametrize(
    ("body", "message", "code", "param", "codes"),
    [
        (
            {"error": {"message": "No", "type": "invalid_request_error", "param": "n", "code": "bad_n"}},
            "No",
            "bad_n",
            "n",
            {"invalidrequesterror", "badn"},
        ),
        ({"type": "error", "error": {"type": "api_error", "message": "No"}}, "No", None, None, {"apierror"}),
        (GOOGLE, "Quota exceeded", None, None, {"429", "resourceexhausted", "quota"}),
        ([GOOGLE], "Quota exceeded", None, None, {"429", "resourceexhausted", "quota"}),
        ({"code": "invalid-argument", "error": "No"}, "No", "invalid-argument", None, {"invalidargument"}),
        ({"detail": "No"}, "No", None, None, set()),
        ({"detail": {"message": "No", "code": "gone"}}, "No", "gone", None, {"gone"}),
        ({"detail": [{"msg": "No"}]}, '[{"msg":"No"}]', None, None, set()),
        ({"base_resp": {"status_code": 1008, "status_msg": "No"}}, "No", None, None, {"1008"}),
        (
            {"code": "InvalidApiKey", "message": "No", "request_id": "1"},
            "No",
            "InvalidApiKey",
            None,
            {"invalidapikey"},
        ),
        (
            {"type": "response.failed", "response": {"error": {"code": "server_error", "message": "No"}}},
            "No",
            "server_error",
            None,
            {"servererror"},
        ),
        (
            {"type": "error", "code": "slow_down", "message": "No", "param": None},
            "No",
            "slow_down",
            None,
            {"error", "slowdown"},
        ),
        (
            {"error": {"type": "rate_limit_error", "message": "usage limit exceeded (2056)"}},
            "usage limit exceeded (2056)",
            None,
            None,
            {"ratelimiterror", "2056"},
        ),
        (
            {"error": {"code": 502, "message": "Provider returned error", "metadata": {"raw": "refused"}}},
            "Provider returned error: refused",
            None,
            None,
            {"502"},
        ),
        (
            {"error": {"type": "x", "message": "No", "details": {"error_code": "spent"}}},
            "No",
            None,
            None,
            {"x", "spent"},
        ),
        ({"error": {"code": "gone"}}, "HTTP 400: gone", "gone", None, {"gone"}),
        ({"error": {}}, '{"error":{}}', None, None, set()),
        ({"error": {"message": " \n", "code": "gone"}}, "HTTP 400: gone", "gone", None, {"gone"}),
        ({"errors": ["No"]}, '{"errors":["No"]}', None, None, set()),
        ("No", "No", None, None, set()),
    ],
)
def test_shapes(body: Any, message: str, code: str | None, param: str | None, codes: set[str]) -> None:
    facts = read_facts(400, {}, json.dumps(body).encode())
    assert (facts.message, facts.code, facts.param) == (message, code, param)
    assert facts.codes == codes


def test_google_details() -> None:
    facts = read_facts(429, {}, GOOGLE)
    assert facts.text == "quota exceeded requestsperday "
    assert [delay for delay in facts.delays if delay] == ["3.9s", "2h"]


def test_headers_are_lowered_and_openrouters_forwarded_ones_join() -> None:
    metadata = {"headers": {"X-RateLimit-Remaining": "0", "X-Number": 1}}
    facts = read_facts(429, {"Retry-After": "3"}, {"error": {"message": "No", "metadata": metadata}})
    assert facts.headers == {"retry-after": "3", "x-ratelimit-remaining": "0"}


@pytest.mark.parametrize(
    ("body", "message"),
    [
        (b"", "HTTP 502: empty answer"),
        (b"null", "HTTP 502: null"),
        (b"upstream connect\x00 error\n", "HTTP 502: upstream connect error"),
        (b"<html><head><title>502 Bad\nGateway</title></head><h1>no</h1>", "HTTP 502: 502 Bad Gateway"),
        (
            b"<style>p{}</style><!-- x --><p>Sorry, <b>gone</b></p><script>1<2</script>",
            "HTTP 502: Sorry, gone",
        ),
        (b"<p></p>", "HTTP 502: empty answer"),
        (b'{"cut', 'HTTP 502: {"cut'),
        (b"\xff\xfe", "HTTP 502: \ufffd\ufffd"),
    ],
)
def test_pages(body: bytes, message: str) -> None:
    assert read_facts(502, {}, body).message == message


def test_monsters_are_pages() -> None:
    assert read_facts(502, {}, b"[" * 100_000).message == "HTTP 502: " + "[" * 200
    assert read_facts(502, {}, b'{"message":"' + b"x" * (1 << 20) + b'"}').message.startswith("HTTP 502: {")
    assert read_facts(502, {}, {"error": {"message": "No", "code": 10**5000}}).message == "No"


@pytest.mark.parametrize(
    ("status", "error", "expected", "stated"),
    [
        (429, {"code": 500}, 429, 429),
        (200, {"code": 502}, 502, 502),
        (200, {"code": "503"}, 503, 503),
        (200, {"code": 1008}, None, None),
        (200, {"code": "invalid_request_error", "type": "authentication_error"}, 401, None),
        (200, {"type": "overloaded_error"}, 529, None),
        (200, {"status": "DEADLINE_EXCEEDED"}, 504, None),
        (200, {"code": "invalid_prompt"}, 400, None),
        (200, {"code": "who_knows"}, None, None),
        (307, {}, None, None),
    ],
)
def test_status(status: int, error: dict[str, Any], expected: int | None, stated: int | None) -> None:
    facts = read_facts(status, {}, {"error": error})
    assert (facts.status, facts.stated) == (expected, stated)


def test_long_messages_are_cut_and_secrets_masked() -> None:
    message = read_facts(400, {}, {"error": {"message": "key sk-abcdef123456\x1b[0m " + "x" * 5000}}).message
    assert message.startswith("key sk-*** [0m xxx")
    assert len(message) == MESSAGE_LIMIT
    assert message.endswith("…")


KEYS = """error message type code param status details detail reason base_resp status_code status_msg
response metadata raw headers reasons violations quotaId retryDelay resets_at"""
keys = st.sampled_from(KEYS.split())
scalars = st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(max_size=20)
values = st.recursive(
    scalars,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(keys, inner, max_size=4),
    max_leaves=12,
)


@given(st.integers(100, 999), st.dictionaries(keys, values, max_size=5), st.booleans())
def test_any_object_is_read(status: int, body: dict[str, Any], raw: bool) -> None:
    facts = read_facts(status, {}, json.dumps(body).encode() if raw else body)
    assert facts.message
    assert facts.status is None or 400 <= facts.status < 600


@given(st.integers(100, 999), st.binary(max_size=200))
def test_any_bytes_are_read(status: int, body: bytes) -> None:
    assert read_facts(status, {}, body).message.isprintable()
