"""The vendors' own variants of the device code, over real sockets against servers that follow their words."""

from __future__ import annotations

import asyncio
import json
import re
import traceback
from collections.abc import Mapping
from typing import Any
from urllib.parse import parse_qs

import httpx
import pytest
from pydantic import SecretStr

from smart_router.auth.logins import antigravity, codex, minimax
from smart_router.auth.logins.settings import LoginSettings
from smart_router.auth.logins.steps import Flow, Grant, LoginError
from tests.auth.logins.helpers import ACCOUNT, NOW, User, jwt, log_in
from tests.testbed.answers import Answer, Fault
from tests.testbed.harness import NO_TLS
from tests.testbed.provider import Provider
from tests.testbed.record import Request

HTML = Answer(headers={"content-type": "text/html"}, body=b"<html>Just a moment...</html>")
HANGING = Answer(fault=Fault.SILENT_BEFORE_HEAD)
MINIMAX_TOKENS = {
    "status": "success",
    "access_token": "canary-access",
    "refresh_token": "canary-refresh",
    "expired_in": int((NOW + 7200) * 1000),
    "resource_url": "https://api.minimax.io/anthropic",
}


def answer(code: int = 200, /, **fields: Any) -> Answer:
    return Answer(status=code, body=json.dumps(fields).encode())


def form(request: Request) -> Mapping[str, str]:
    return {name: value for name, (value,) in parse_qs(request.body.decode()).items()}


def minimax_code(request: Request) -> Answer:
    assert form(request)["response_type"] == "code"
    return answer(
        user_code="U-1",
        verification_uri="https://platform.minimax.io/oauth",
        expired_in=int((NOW + 300) * 1000),
        interval=3000,
        state=form(request)["state"],
    )


def codex_code(request: Request) -> Answer:
    assert set(request.json) == {"client_id"}
    return answer(device_auth_id="d-1", user_code="C-1", interval="5")


def settings(provider: Provider) -> LoginSettings:
    return LoginSettings(
        client_id="c",
        scope="s",
        token_url=f"{provider.url}/token",
        device_url=f"{provider.url}/code",
        device_token_url=f"{provider.url}/confirmed",
        verification_url="https://auth.openai.com/codex/device",
        device_redirect_uri="https://auth.openai.com/deviceauth/callback",
    )


async def log_in_to(provider: Provider, flow: Flow, user: User) -> Grant:
    return await asyncio.to_thread(log_in, flow, settings(provider), user, timeout=0.3)


async def test_minimax(provider: Provider) -> None:
    provider.on(minimax_code, path="/code")
    provider.on(answer(status="pending"), HTML, HANGING, answer(502), answer(**MINIMAX_TOKENS), path="/token")
    user = User()
    grant = await log_in_to(provider, minimax.device_login, user)
    assert user.shown == [("https://platform.minimax.io/oauth", "U-1")]
    assert user.left[0] == 300
    assert grant.tokens.expires_at == NOW + 7200
    code, *polls = [form(request) for request in provider.requests]
    assert {poll["user_code"] for poll in polls} == {"U-1"}
    assert len(polls) == 5
    assert code["code_challenge_method"] == "S256"
    assert "canary" not in repr(grant)


MINIMAX_ENDS = [
    ([answer(status="error")], "denied, or its code has expired"),
    ([answer(status="pending")], "has expired before"),
    ([HTML], "has expired before"),
    ([answer(400, error="access_denied")], "was denied"),
    ([answer(307)], "307"),
    ([answer(status="success")], "asking|token request"),
]


@pytest.mark.parametrize(("polls", "message"), MINIMAX_ENDS)
async def test_minimax_ends(provider: Provider, polls: list[Answer], message: str) -> None:
    provider.on(minimax_code, path="/code")
    provider.on(*polls, path="/token", always=True)
    with pytest.raises(LoginError, match=message):
        await log_in_to(provider, minimax.device_login, User())


STARTS = [
    (minimax.device_login, answer(307), "307, a redirect"),
    (minimax.device_login, HTML, "HTML"),
    (minimax.device_login, HANGING, "ReadTimeout"),
    (
        minimax.device_login,
        answer(user_code="U", verification_uri="https://x", state="theirs"),
        "another login",
    ),
    (codex.device_login, HTML, "HTML"),
    (codex.device_login, HANGING, "ReadTimeout"),
    (codex.device_login, answer(404), "404"),
    (codex.device_login, answer(device_auth_id="d"), "200"),
]


@pytest.mark.parametrize(("flow", "first", "message"), STARTS)
async def test_logins_that_do_not_start(provider: Provider, flow: Flow, first: Answer, message: str) -> None:
    provider.on(first)
    user = User()
    with pytest.raises(LoginError, match=message):
        await log_in_to(provider, flow, user)
    assert user.shown == []
    assert len(provider.requests) == 1


async def test_codex(provider: Provider) -> None:
    provider.on(codex_code, path="/code")
    confirmed = answer(authorization_code="ac", code_verifier="v", code_challenge="x")
    provider.on(answer(403), answer(404), HANGING, confirmed, path="/confirmed")
    tokens = {
        "refresh_token": "canary-refresh",
        "expires_in": 864_000,
        "id_token": jwt(email="me@x", **ACCOUNT),
    }
    provider.on(answer(access_token="canary-access", **tokens), path="/token")
    user = User()
    grant = await log_in_to(provider, codex.device_login, user)
    assert user.shown == [("https://auth.openai.com/codex/device", "C-1")]
    assert user.left[0] == 900
    assert (grant.account, grant.tokens.extras) == ("me@x", {"account_id": "acc-1"})
    assert form(provider.requests[-1]) == {
        "grant_type": "authorization_code",
        "client_id": "c",
        "code": "ac",
        "redirect_uri": "https://auth.openai.com/deviceauth/callback",
        "code_verifier": "v",
    }


@pytest.mark.parametrize(
    ("poll", "message"),
    [
        (answer(403), "has expired before"),
        (answer(400, error="denied"), "400 .denied."),
        (answer(307), "307"),
    ],
)
async def test_codex_ends(provider: Provider, poll: Answer, message: str) -> None:
    provider.on(codex_code, path="/code")
    provider.on(poll, path="/confirmed", always=True)
    with pytest.raises(LoginError, match=message):
        await log_in_to(provider, codex.device_login, User())


async def test_antigravity(provider: Provider) -> None:
    """Google's part: tokens, the address, and a project that takes a moment to be made."""
    provider.on(answer(access_token="canary-access", refresh_token="canary-refresh"), path="/token")
    provider.on(answer(email="me@example.com"), path="/userinfo")
    provider.on(
        answer(allowedTiers=[{"id": "free-tier", "isDefault": True}]), path="/v1internal:loadCodeAssist"
    )
    made = answer(done=True, response={"cloudaicompanionProject": {"id": "p-1"}})
    provider.on(answer(done=False), made, path="/v1internal:onboardUser")
    google = LoginSettings(
        client_id="c",
        client_secret=SecretStr("canary-secret"),
        authorize_url="https://accounts.google.com/o/oauth2/v2/auth",
        redirect_uris=("http://localhost:0/oauth-callback",),
        token_url=f"{provider.url}/token",
        userinfo_url=f"{provider.url}/userinfo",
        project_url=f"{provider.url}/v1internal",
    )

    def come_back(url: str, code: str | None) -> None:
        query = dict(httpx.URL(url).params)
        httpx.get(
            query["redirect_uri"], params={"code": "canary-code", "state": query["state"]}, verify=NO_TLS
        )

    grant = await asyncio.to_thread(log_in, antigravity.browser_login, google, User(come_back))
    assert (grant.account, grant.tokens.extras) == ("me@example.com", {"project": "p-1"})
    assert form(provider.requests[0])["client_secret"] == "canary-secret"
    assert [request.headers.get("authorization") for request in provider.requests[1:]] == [
        "Bearer canary-access"
    ] * 4


async def test_errors_show_no_secret(provider: Provider) -> None:
    """Not even to a reporter that prints every variable of every frame."""
    provider.on(codex_code, path="/code")
    provider.on(answer(authorization_code="canary-code", code_verifier="canary-verifier"), path="/confirmed")
    provider.on(
        answer(400, error="canary_error", access_token="canary-access", refresh_token="canary-refresh"),
        path="/token",
    )
    with pytest.raises(LoginError) as raised:
        await log_in_to(provider, codex.device_login, User())
    report = traceback.TracebackException.from_exception(raised.value, capture_locals=True)
    said = "".join(report.format())
    assert "Reply(status=400" in said  # the trap was open
    assert not re.findall("canary-[a-z]+", said)
