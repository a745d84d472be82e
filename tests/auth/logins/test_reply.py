from __future__ import annotations

import contextlib
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import SecretStr

from smart_router.auth.logins.oauth import judge_device_poll
from smart_router.auth.logins.reply import Reply, claims, read_reply, read_tokens, seconds, unix_time
from smart_router.auth.logins.steps import LoginError
from smart_router.auth.logins.table import LOGINS
from tests.auth.logins.helpers import ACCOUNT, NOW, jwt, ok

TIMES: list[tuple[object, float | None]] = [
    (3600, NOW + 3600),
    ("3600", NOW + 3600),
    (999_999_999, NOW + 999_999_999),
    (1_800_003_600, 1_800_003_600),
    (1_800_003_600_500, 1_800_003_600.5),
    ("1800003600500", 1_800_003_600.5),
    ("2027-01-15T08:00:00+00:00", 1_800_000_000),
    ("2027-01-15T08:00:00Z", 1_800_000_000),
    (0, None),
    (-5, None),
    (True, None),
    (float("nan"), None),
    (float("inf"), None),
    (10**400, None),
    ("soon", None),
    (None, None),
    ([3600], None),
]


@pytest.mark.parametrize(("value", "expected"), TIMES)
def test_expiry_in_any_unit(value: object, expected: float | None) -> None:
    assert unix_time(value, NOW) == expected


@pytest.mark.parametrize(
    ("value", "expected"),
    [(5, 5.0), ("7", 7.0), (None, 2.0), (0, 2.0), (True, 2.0), (10**400, 2.0), ("x", 2.0), ([], 2.0)],
)
def test_lengths_of_time(value: object, expected: float) -> None:
    assert seconds(value, 2.0) == expected


BODIES: list[tuple[int, bytes, str]] = [
    (200, b"<!doctype html><title>Sign in to the Wi-Fi</title>", "answered 200 with HTML that is no JSON"),
    (403, b"  <html>challenge</html>", "answered 403 with HTML"),
    (200, b"[1]", "answered 200 with something that is no JSON object"),
    (200, b"\xff\xfe", "no JSON"),
    (200, b'{"access_token": NaN}', "no JSON"),
    (200, b"[" * 100_000, "no JSON"),
    (307, b'{"access_token": "t"}', "a redirect, which is not followed"),
    (400, b'{"error": "invalid_grant", "error_description": "token secret-123"}', "400 (invalid_grant)"),
    (400, b'{"error": {"code": "refresh_token_reused"}}', "(refresh_token_reused)"),
    (400, b'{"error": "secret-123"}', "was answered 400"),
    (200, b'{"base_resp": {"status_code": 1004, "status_msg": "login fail"}}', "200 (login fail)"),
    (200, b"{}", "was answered 200"),
    (200, b'{"access_token": ""}', "was answered 200"),
    (200, b'{"access_token": "a b"}', "was answered 200"),
    (200, b'{"access_token": ["t"]}', "was answered 200"),
]


@pytest.mark.parametrize(("status", "body", "message"), BODIES)
def test_answers_without_tokens(status: int, body: bytes, message: str) -> None:
    with pytest.raises(LoginError) as raised:
        read_tokens(read_reply(status, body), NOW, {})
    assert message in str(raised.value)
    assert "secret" not in str(raised.value)
    assert not raised.value.final


def test_tokens() -> None:
    tokens = read_tokens(ok(access_token="a", refresh_token="r", expires_in=60), NOW, {"x": "y"})
    assert tokens.access == SecretStr("a")
    assert tokens.refresh == SecretStr("r")
    assert (tokens.obtained_at, tokens.expires_at, tokens.extras) == (NOW, NOW + 60, {"x": "y"})
    assert read_tokens(ok(access_token="a"), NOW, {}).refresh is None
    assert read_tokens(ok(access_token="a"), NOW, {}).expires_at is None
    assert read_tokens(ok(access_token=jwt(exp=NOW + 5)), NOW, {}).expires_at == NOW + 5
    assert read_tokens(ok(access_token="a", expired_in=(NOW + 9) * 1000), NOW, {}).expires_at == NOW + 9


def test_claims() -> None:
    assert claims(SecretStr(jwt(email="me"))) == {"email": "me"}
    for text in ("", "a.b", "a.!!.c", "a.W10.c", "a.bm8.c", "a..c"):
        assert claims(SecretStr(text)) == {}
    assert claims(None) == {}


DEAD: list[tuple[str, Reply, bool]] = [
    ("openai-codex", Reply(400, {"error": "invalid_grant"}), True),
    ("openai-codex", Reply(401, {"error": {"code": "refresh_token_reused"}}), True),
    ("openai-codex", Reply(401, {"error": {"code": "refresh_token_expired"}}), True),
    ("openai-codex", Reply(401, {"error": {"code": "refresh_token_invalidated"}}), True),
    ("openai-codex", Reply(400, {"error": "temporarily_unavailable"}), False),
    ("openai-codex", Reply(503, {"error": "invalid_grant"}), False),
    ("antigravity", Reply(400, {"error": "invalid_grant"}), True),
    ("antigravity", Reply(401, {"error": "invalid_client"}), False),
    ("qwen-portal", Reply(400, {}), True),
    ("qwen-portal", Reply(400, {"code": "x"}), True),
    ("qwen-portal", Reply(429, {}), False),
    ("minimax-portal", ok(base_resp={"status_code": 1, "status_msg": "err: refresh_token_reused"}), True),
    ("minimax-portal", Reply(400, {"error": "invalid_grant"}), True),
    ("minimax-portal", ok(base_resp={"status_code": 1001, "status_msg": "timeout"}), False),
    ("minimax-portal", Reply(0), False),
    ("minimax-portal", Reply(200, None, "was answered 200 with HTML"), False),
]


@pytest.mark.parametrize(("provider", "reply", "final"), DEAD)
def test_which_refresh_answers_are_final(provider: str, reply: Reply, final: bool) -> None:
    with pytest.raises(LoginError) as raised:
        LOGINS[provider].read_refresh(reply, NOW)
    assert raised.value.final is final


REFRESHED: list[tuple[str, Reply, dict[str, str]]] = [
    ("openai-codex", ok(access_token="a", id_token=jwt(**ACCOUNT)), {"account_id": "acc-1"}),
    ("openai-codex", ok(access_token="a"), {}),
    (
        "qwen-portal",
        ok(access_token="a", resource_url="portal.qwen.ai"),
        {"resource_url": "https://portal.qwen.ai/v1"},
    ),
    (
        "minimax-portal",
        ok(access_token="a", resource_url="https://api.minimaxi.com/anthropic/"),
        {"resource_url": "https://api.minimaxi.com/anthropic"},
    ),
    ("antigravity", ok(access_token="a"), {}),
]


@pytest.mark.parametrize(("provider", "reply", "extras"), REFRESHED)
def test_what_a_refresh_brings_along(provider: str, reply: Reply, extras: dict[str, str]) -> None:
    assert LOGINS[provider].read_refresh(reply, NOW).extras == extras


json_values = st.recursive(
    st.none() | st.booleans() | st.floats() | st.integers() | st.text(max_size=9),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=9), inner, max_size=3),
    max_leaves=6,
)
fields = st.sampled_from(
    [
        "access_token",
        "refresh_token",
        "id_token",
        "expires_in",
        "expired_in",
        "error",
        "code",
        "base_resp",
        "resource_url",
    ]
)


@given(st.sampled_from(list(LOGINS)), st.integers(0, 599), st.dictionaries(fields, json_values))
def test_no_answer_raises_anything_else(provider: str, status: int, data: dict[str, Any]) -> None:
    reply = Reply(status, data)
    for read in (lambda: LOGINS[provider].read_refresh(reply, NOW), lambda: judge_device_poll(reply)):
        with contextlib.suppress(LoginError):
            read()
