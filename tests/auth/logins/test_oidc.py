"""Logins and refresh against a real authorization server: device flow, PKCE, rotation, reuse detection."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from smart_router.auth.logins import codex, qwen
from smart_router.auth.logins.oauth import refresh_request
from smart_router.auth.logins.settings import LoginSettings
from smart_router.auth.logins.steps import Browse, Context, Grant, LoginError, Script
from smart_router.auth.logins.table import LOGINS
from smart_router.auth.logins.transport import Transport
from smart_router.auth.profiles import GrantedTokens
from tests.auth.logins import oidc
from tests.auth.logins.helpers import NOW, Played, User, log_in

pytestmark = pytest.mark.xdist_group("oidc")

USER = {"login": "me", "password": "any"}


@pytest.fixture(scope="module")
def settings(pytestconfig: pytest.Config) -> Iterator[LoginSettings]:
    assert pytestconfig.cache is not None
    folder = oidc.install(Path(pytestconfig.cache.mkdir("npm")))
    with oidc.serving(folder) as url:
        yield LoginSettings(
            client_id="router",
            scope="openid email offline_access",
            authorize_url=f"{url}/auth",
            redirect_uris=("http://localhost:0/auth/callback",),
            token_url=f"{url}/token",
            device_url=f"{url}/device/auth",
        )


def refresh(provider: str, settings: LoginSettings, tokens: GrantedTokens) -> GrantedTokens:
    assert tokens.refresh is not None
    row = LOGINS[provider]
    with Transport() as transport:
        return row.read_refresh(transport.send(refresh_request(settings, tokens.refresh)), NOW)


def browser_login(settings: LoginSettings) -> Grant:
    return log_in(codex.browser_login, settings, User(lambda url, code: oidc.confirm(url, answers=USER)))


def test_a_login_in_the_browser(settings: LoginSettings) -> None:
    grant = browser_login(settings)
    assert grant.account == "me@example.com"
    assert grant.tokens.extras == {"account_id": "acc-me"}
    assert grant.tokens.expires_at == NOW + 3600


def test_the_verifier_is_checked(settings: LoginSettings) -> None:

    def another_verifier(context: Context) -> Script[Grant]:
        played = Played(codex.browser_login(context))
        assert isinstance(played.step, Browse)
        played.send((yield played.step))
        request = played.request()
        played.send((yield replace(request, form={**(request.form or {}), "code_verifier": "x" * 64})))
        raise AssertionError("any verifier is taken")

    with pytest.raises(LoginError, match="invalid_grant"):
        log_in(another_verifier, settings, User(lambda url, code: oidc.confirm(url, answers=USER)))


def test_a_login_with_a_device_code(settings: LoginSettings) -> None:
    asked = []

    def act(url: str, code: str | None) -> None:
        assert code
        asked.append(code)
        oidc.confirm(url, answers=USER)

    user = User(act)
    grant = log_in(qwen.device_login, settings, user)
    assert asked == [code for _, code in user.shown]
    assert user.left
    assert grant.tokens.refresh is not None


def test_a_device_code_that_nobody_confirms(settings: LoginSettings) -> None:
    """Every poll is answered authorization_pending until our own time is over."""
    user = User()
    with pytest.raises(LoginError, match="has expired"):
        log_in(qwen.device_login, settings, user)
    assert max(user.left) == 60


def test_a_device_code_that_is_denied(settings: LoginSettings) -> None:
    user = User(lambda url, code: oidc.confirm(url, answers=USER, pressed={"abort": "yes"}))
    with pytest.raises(LoginError, match="was denied"):
        log_in(qwen.device_login, settings, user)


@pytest.mark.parametrize("provider", ["openai-codex", "qwen-portal"])
def test_refresh_tokens_rotate_and_reuse_ends_the_family(settings: LoginSettings, provider: str) -> None:
    first = browser_login(settings).tokens
    second = refresh(provider, settings, first)
    assert second.refresh not in (None, first.refresh)
    assert second.access != first.access
    third = refresh(provider, settings, second)
    with pytest.raises(LoginError) as reused:
        refresh(provider, settings, first)
    assert reused.value.final
    with pytest.raises(LoginError) as family:
        refresh(provider, settings, third)
    assert family.value.final
