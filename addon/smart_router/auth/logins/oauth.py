"""Common parts of login flows: PKCE, the authorization code, polling, refreshing (RFC 6749, 7636, 8628)."""

from __future__ import annotations

import base64
import hashlib
from collections.abc import Callable, Mapping
from typing import Literal, NamedTuple
from urllib.parse import urlencode

from pydantic import SecretStr

from smart_router.auth.logins.reply import Reply
from smart_router.auth.logins.settings import LoginSettings
from smart_router.auth.logins.steps import Browse, Context, LoginError, Pause, Request, Script

Verdict = Literal["granted", "pending", "slow_down", "unclear"]
"""Meaning of a poll's answer; `unclear` is a connection or server failure, after which pauses grow."""

DEAD = ("invalid_grant", "refresh_token_expired", "refresh_token_reused", "refresh_token_invalidated")
"""Error codes after which a refresh token is never tried again."""

SHORTEST_PAUSE, LONGEST_PAUSE = 1.0, 30.0


class Pkce(NamedTuple):
    """A verifier and its S256 challenge."""

    verifier: SecretStr
    challenge: str


def new_pkce(random: Callable[[int], str]) -> Pkce:
    """Make a new pair."""
    verifier = random(48)
    digest = hashlib.sha256(verifier.encode()).digest()
    return Pkce(SecretStr(verifier), base64.urlsafe_b64encode(digest).rstrip(b"=").decode())


def pkce_form(settings: LoginSettings, pkce: Pkce) -> dict[str, str]:
    """The fields of a login's first request, in the browser or with a device code."""
    return {
        "client_id": settings.client_id,
        "scope": settings.scope,
        "code_challenge": pkce.challenge,
        "code_challenge_method": "S256",
    }


def device_question(settings: LoginSettings, pkce: Pkce, code: Mapping[str, str | SecretStr]) -> Request:
    """The request that asks whether the user has confirmed a device code."""
    form = {"grant_type": settings.device_grant, "client_id": settings.client_id, **code}
    return Request(settings.token_url, {**form, "code_verifier": pkce.verifier})


def code_login(context: Context, extra: Mapping[str, str]) -> Script[Reply]:
    """Get an authorization code through the user's browser, with PKCE and state, and exchange it; ends with
    the token endpoint's answer. `extra` are the vendor's own parameters of the authorization."""
    settings = context.settings
    pkce, state = new_pkce(context.random), context.random(32)

    def page(redirect_uri: str) -> str:
        query = {
            "response_type": "code",
            **pkce_form(settings, pkce),
            "redirect_uri": redirect_uri,
            "state": state,
            **extra,
        }
        return f"{settings.authorize_url}?{urlencode(query)}"

    redirect_uri, code = yield Browse(settings.redirect_uris, page, state)
    reply: Reply = yield exchange_code(settings, redirect_uri, code, pkce.verifier)
    return reply


def exchange_code(
    settings: LoginSettings, redirect_uri: str, code: SecretStr, verifier: SecretStr
) -> Request:
    """The request for the tokens of an authorization code."""
    form = {
        **_client(settings),
        "grant_type": "authorization_code",
        "code": code,
        "redirect_uri": redirect_uri,
        "code_verifier": verifier,
    }
    return Request(settings.token_url, form)


def refresh_request(settings: LoginSettings, refresh: SecretStr) -> Request:
    """The request for new tokens with a refresh token."""
    form = {**_client(settings), "grant_type": "refresh_token", "refresh_token": refresh}
    return Request(settings.token_url, form)


def poll(
    request: Request,
    interval: float,
    judge: Callable[[Reply], Verdict],
    slower: Callable[[float], float] = lambda interval: interval + 5,
) -> Script[Reply]:
    """Ask every `interval` seconds until the answer is granted; `slower` makes the next interval after
    slow_down. `judge` raises LoginError for an end without a login."""
    interval = min(max(interval, SHORTEST_PAUSE), LONGEST_PAUSE)
    trouble = 0
    while True:
        yield Pause(min(interval * 2**trouble, LONGEST_PAUSE))
        reply: Reply = yield request
        verdict = judge(reply)
        if verdict == "granted":
            return reply
        trouble = min(trouble + 1, 5) if verdict == "unclear" else 0
        if verdict == "slow_down":
            interval = slower(interval)


def judge_device_poll(reply: Reply) -> Verdict:
    """Classify the answer to an RFC 8628 poll."""
    if reply.ok and reply.secret("access_token"):
        return "granted"
    if reply.says("authorization_pending"):
        return "pending"
    if reply.says("slow_down") or reply.status == 429:
        return "slow_down"
    if reply.unclear:
        return "unclear"
    if reply.says("access_denied"):
        raise LoginError("the login was denied")
    if reply.says("expired_token"):
        raise expired()
    raise reply.refused("asking for the token")


def expired() -> LoginError:
    """The error for a code that nobody confirmed in time."""
    return LoginError("the code has expired before it was confirmed: start the login again")


def _client(settings: LoginSettings) -> dict[str, str | SecretStr]:
    secret = settings.client_secret
    return {"client_id": settings.client_id, **({"client_secret": secret} if secret else {})}
