"""The flows played by hand: what is sent where, in the vendors' own terms."""

from __future__ import annotations

import base64
import hashlib
from urllib.parse import parse_qs, urlsplit

import pytest
from pydantic import SecretStr

from smart_router.auth.logins import antigravity, codex, minimax, qwen
from smart_router.auth.logins.oauth import refresh_request
from smart_router.auth.logins.reply import Reply
from smart_router.auth.logins.settings import LoginSettings
from smart_router.auth.logins.steps import Browse, Grant, LoginError, LoginPrompt, Pause, Request
from smart_router.auth.logins.table import LOGINS
from tests.auth.logins.helpers import ACCOUNT, NOW, Played, context, jwt, ok, revealed

CHALLENGE = base64.urlsafe_b64encode(hashlib.sha256(b"random-1").digest()).rstrip(b"=").decode()


def settings(provider: str, region: str | None = None, *, old_hosts: bool = False) -> LoginSettings:
    env = {"ANTIGRAVITY_CLIENT_ID": "id", "ANTIGRAVITY_CLIENT_SECRET": "hush"}
    return LOGINS[provider].settings_for(None, env, region, old_hosts=old_hosts)


def grant_of(played: Played[Grant]) -> Grant:
    assert played.result is not None
    return played.result


def test_codex_in_the_browser() -> None:
    played = Played(codex.browser_login(context(settings("openai-codex"))))
    browse = played.step
    assert isinstance(browse, Browse)
    assert browse.redirect_uris == ("http://localhost:1455/auth/callback",)
    url = browse.page("http://localhost:1455/auth/callback")
    assert url.startswith("https://auth.openai.com/oauth/authorize?")
    assert {name: value for name, (value,) in parse_qs(urlsplit(url).query).items()} == {
        "response_type": "code",
        "client_id": "app_EMoamEEZ73f0CkXaXp7hrann",
        "redirect_uri": "http://localhost:1455/auth/callback",
        "scope": "openid profile email offline_access",
        "code_challenge": CHALLENGE,
        "code_challenge_method": "S256",
        "state": "random-2",
        "id_token_add_organizations": "true",
        "codex_cli_simplified_flow": "true",
        "originator": "codex_cli_rs",
    }
    assert browse.state == "random-2"
    played.send(("http://localhost:1455/auth/callback", SecretStr("the-code")))
    assert played.request().url == "https://auth.openai.com/oauth/token"
    assert revealed(played.request().form) == {
        "client_id": "app_EMoamEEZ73f0CkXaXp7hrann",
        "grant_type": "authorization_code",
        "code": "the-code",
        "redirect_uri": "http://localhost:1455/auth/callback",
        "code_verifier": "random-1",
    }
    played.send(
        ok(access_token="a", refresh_token="r", expires_in=864_000, id_token=jwt(email="me@x", **ACCOUNT))
    )
    grant = grant_of(played)
    assert grant.account == "me@x"
    assert grant.tokens.extras == {"account_id": "acc-1"}
    assert grant.tokens.expires_at == NOW + 864_000


def test_codex_needs_an_account() -> None:
    played = Played(codex.browser_login(context(settings("openai-codex"))))
    played.send(("http://localhost:1455/auth/callback", SecretStr("the-code")))
    with pytest.raises(LoginError, match="no ChatGPT account"):
        played.send(ok(access_token="a"))


@pytest.mark.parametrize(("interval", "first"), [("3", 3.0), (7, 7.0), (None, 5.0), (0, 5.0), (500, 30.0)])
def test_codex_with_a_device_code(interval: object, first: float) -> None:
    played = Played(codex.device_login(context(settings("openai-codex"))))
    assert played.request().url == "https://auth.openai.com/api/accounts/deviceauth/usercode"
    assert played.request().json == {"client_id": "app_EMoamEEZ73f0CkXaXp7hrann"}
    prompt = played.send(ok(device_auth_id="d", usercode="ABCD", interval=interval))
    assert prompt == LoginPrompt("https://auth.openai.com/codex/device", "ABCD", 900.0)
    assert played.send(None) == Pause(first)
    for status in (403, 404):
        played.send(None)
        assert played.request().url == "https://auth.openai.com/api/accounts/deviceauth/token"
        assert played.request().json == {"device_auth_id": "d", "user_code": "ABCD"}
        assert played.send(Reply(status, None, "HTML")) == Pause(first)
    played.send(None)
    played.send(ok(authorization_code="c", code_verifier="v", code_challenge="x"))
    assert revealed(played.request().form) == {
        "client_id": "app_EMoamEEZ73f0CkXaXp7hrann",
        "grant_type": "authorization_code",
        "code": "c",
        "redirect_uri": "https://auth.openai.com/deviceauth/callback",
        "code_verifier": "v",
    }
    played.send(ok(access_token=jwt(**ACCOUNT)))
    assert grant_of(played).tokens.extras == {"account_id": "acc-1"}


@pytest.mark.parametrize(
    ("reply", "message"),
    [
        (Reply(429, {"error": "rate_limited"}), "429"),
        (ok(authorization_code="c"), "without its authorization"),
    ],
)
def test_codex_device_code_failures(reply: Reply, message: str) -> None:
    played = Played(codex.device_login(context(settings("openai-codex"))))
    played.send(ok(device_auth_id="d", user_code="ABCD"))
    played.send(None)
    played.send(None)
    with pytest.raises(LoginError, match=message):
        played.send(reply)


def test_qwen() -> None:
    played = Played(qwen.device_login(context(settings("qwen-portal"))))
    request = played.request()
    assert request.url == "https://chat.qwen.ai/api/v1/oauth2/device/code"
    assert request.headers == {"x-request-id": "random-2"}
    assert revealed(request.form) == {
        "client_id": "f0304373b74a44d2b584a3fb70ca9e56",
        "scope": "openid profile email model.completion",
        "code_challenge": CHALLENGE,
        "code_challenge_method": "S256",
    }
    prompt = played.send(
        ok(
            device_code="d",
            user_code="U",
            verification_uri="https://chat.qwen.ai/a",
            verification_uri_complete="https://chat.qwen.ai/a?user_code=U",
            expires_in=300,
        )
    )
    assert prompt == LoginPrompt("https://chat.qwen.ai/a?user_code=U", "U", 300.0)
    # slow_down is times 1.5 up to 10 here; trouble on the way is waited out
    pauses: list[tuple[Reply | None, float]] = [(None, 2.0)]
    pauses += [(Reply(400, {"error": "authorization_pending"}), 2.0)]
    pauses += [(Reply(429, {"error": "slow_down"}), pause) for pause in (3.0, 4.5, 6.75, 10.0, 10.0)]
    pauses += [
        (Reply(0), 20.0),
        (Reply(502, None), 30.0),
        (Reply(400, {"error": "authorization_pending"}), 10.0),
    ]
    for reply, pause in pauses:
        assert played.send(reply) == Pause(pause)
        played.send(None)
        assert revealed(played.request().form) == {
            "grant_type": "urn:ietf:params:oauth:grant-type:device_code",
            "client_id": "f0304373b74a44d2b584a3fb70ca9e56",
            "device_code": "d",
            "code_verifier": "random-1",
        }
    played.send(ok(access_token="a", refresh_token="r", expires_in=21600, resource_url="portal.qwen.ai"))
    assert grant_of(played).tokens.extras == {"resource_url": "https://portal.qwen.ai/v1"}


ENDS = [
    (Reply(401, {}), "has expired"),
    (Reply(400, {"error": "expired_token"}), "has expired"),
    (Reply(400, {"error": "access_denied"}), "was denied"),
    (Reply(400, {"error": "invalid_request"}), "invalid_request"),
    (Reply(307, None, "was answered 307, a redirect, which is not followed"), "redirect"),
]


@pytest.mark.parametrize(("reply", "message"), ENDS)
def test_qwen_ends(reply: Reply, message: str) -> None:
    played = Played(qwen.device_login(context(settings("qwen-portal"))))
    played.send(ok(device_code="d", user_code="U", verification_uri="https://chat.qwen.ai/a"))
    played.send(None)
    played.send(None)
    with pytest.raises(LoginError, match=message):
        played.send(reply)


HOSTS = [
    (None, False, "https://account.minimax.io/oauth2/device/code", "https://account.minimax.io/oauth2/token"),
    (
        "cn",
        False,
        "https://account.minimaxi.com/oauth2/device/code",
        "https://account.minimaxi.com/oauth2/token",
    ),
    ("global", True, "https://api.minimax.io/oauth/code", "https://api.minimax.io/oauth/token"),
    ("cn", True, "https://api.minimaxi.com/oauth/code", "https://api.minimaxi.com/oauth/token"),
]


@pytest.mark.parametrize(("region", "old", "code_url", "token_url"), HOSTS)
def test_minimax(region: str | None, old: bool, code_url: str, token_url: str) -> None:
    played = Played(minimax.device_login(context(settings("minimax-portal", region, old_hosts=old))))
    assert played.request().url == code_url
    assert revealed(played.request().form) == {
        "response_type": "code",
        "client_id": "78257093-7e40-4613-99e0-527b14b39113",
        "scope": "group_id profile model.completion",
        "code_challenge": CHALLENGE,
        "code_challenge_method": "S256",
        "state": "random-2",
    }
    prompt = played.send(
        ok(
            user_code="U",
            verification_uri="https://platform.minimax.io/x",
            expired_in=int((NOW + 120) * 1000),
            interval=3000,
            state="random-2",
        )
    )
    assert prompt == LoginPrompt("https://platform.minimax.io/x", "U", 120.0)
    for reply in (None, ok(status="pending"), ok(status="whatever"), ok()):
        assert played.send(reply) == Pause(3.0)
        played.send(None)
        assert played.request().url == token_url
        assert revealed(played.request().form) == {
            "grant_type": "urn:ietf:params:oauth:grant-type:user_code",
            "client_id": "78257093-7e40-4613-99e0-527b14b39113",
            "user_code": "U",
            "code_verifier": "random-1",
        }
    played.send(
        ok(
            status="success",
            access_token="a",
            refresh_token="r",
            expired_in=int(NOW + 7200),
            resource_url="https://api.minimax.io/anthropic",
            notification_message="Your plan\nends soon",
        )
    )
    grant = grant_of(played)
    assert grant.tokens.expires_at == NOW + 7200
    assert grant.tokens.extras == {"resource_url": "https://api.minimax.io/anthropic"}
    assert grant.notice == "Your plan ends soon"


MINIMAX_STARTS = [
    (ok(user_code="U", verification_uri="https://x", state="another"), "belongs to another login"),
    (ok(user_code="U", verification_uri="https://x"), "belongs to another login"),
    (
        ok(user_code="U", verification_uri="https://x", state="random-2", expired_in=1_700_000_000_000),
        "expired",
    ),
    (Reply(200, None, "was answered 200 with HTML that is no JSON object"), "HTML"),
    (Reply(400, {"error": "invalid_client"}), "invalid_client"),
]


@pytest.mark.parametrize(("reply", "message"), MINIMAX_STARTS)
def test_minimax_does_not_start(reply: Reply, message: str) -> None:
    played = Played(minimax.device_login(context(settings("minimax-portal"))))
    with pytest.raises(LoginError, match=message):
        played.send(reply)


def test_minimax_refresh_goes_to_the_new_host_of_the_region() -> None:
    row = LOGINS["minimax-portal"]
    region = row.region("cn")
    assert region is not None
    assert region.extras == {"region": "cn", "resource_url": "https://api.minimaxi.com/anthropic"}
    request = refresh_request(row.settings_for(None, {}, "cn"), SecretStr("r"))
    assert request.url == "https://account.minimaxi.com/oauth2/token"
    assert revealed(request.form) == {
        "client_id": "78257093-7e40-4613-99e0-527b14b39113",
        "grant_type": "refresh_token",
        "refresh_token": "r",
    }
    with pytest.raises(LoginError, match="no region 'mars', only global and cn"):
        row.region("mars")


def antigravity_with_tokens(**extras: str) -> Played[Grant]:
    """Logged in, and asked for its address; what comes next is the project."""
    played = Played(antigravity.browser_login(context(settings("antigravity"), **extras)))
    browse = played.step
    assert isinstance(browse, Browse)
    assert len(browse.redirect_uris) == 6
    url = browse.page("http://localhost:51122/oauth-callback")
    query = parse_qs(urlsplit(url).query)
    assert query["access_type"] == ["offline"]
    assert query["prompt"] == ["consent"]
    assert query["redirect_uri"] == ["http://localhost:51122/oauth-callback"]
    assert "https://www.googleapis.com/auth/cclog" in query["scope"][0].split()
    assert "hush" not in url
    played.send(("http://localhost:51122/oauth-callback", SecretStr("code")))
    form = revealed(played.request().form)
    assert (form["client_id"], form["client_secret"], form["code_verifier"]) == ("id", "hush", "random-1")
    played.send(ok(access_token="a", refresh_token="r", expires_in=3599))
    assert played.request() == Request(
        "https://www.googleapis.com/oauth2/v2/userinfo?alt=json", bearer=SecretStr("a")
    )
    played.send(ok(email="me@example.com"))
    request = played.request()
    assert request.url == "https://cloudcode-pa.googleapis.com/v1internal:loadCodeAssist"
    assert request.json == {"metadata": {"ideType": "ANTIGRAVITY"}}
    assert request.bearer == SecretStr("a")
    return played


@pytest.mark.parametrize("project", ["p-1", {"id": "p-1"}])
def test_antigravity_with_a_project(project: object) -> None:
    played = antigravity_with_tokens()
    played.send(ok(cloudaicompanionProject=project))
    assert grant_of(played).tokens.extras == {"project": "p-1"}
    assert grant_of(played).account == "me@example.com"


TIERS = [
    ({"allowedTiers": [{"id": "legacy"}, {"id": "standard", "isDefault": True}]}, "standard"),
    ({"allowedTiers": [], "currentTier": {"id": "paid"}}, "paid"),
    ({"allowedTiers": "broken", "currentTier": 7}, "free-tier"),
]


@pytest.mark.parametrize(("answer", "tier"), TIERS)
def test_antigravity_makes_a_project(answer: dict[str, object], tier: str) -> None:
    played = antigravity_with_tokens()
    played.send(ok(**answer))
    for _ in range(2):
        assert played.request().url == "https://cloudcode-pa.googleapis.com/v1internal:onboardUser"
        assert played.request().json == {"tierId": tier, "metadata": {"ideType": "ANTIGRAVITY"}}
        assert played.send(ok(done=False)) == Pause(2.0)
        played.send(None)
    played.send(ok(done=True, response={"cloudaicompanionProject": {"id": "p-new"}}))
    assert grant_of(played).tokens.extras == {"project": "p-new"}


def test_antigravity_without_a_project() -> None:
    played = antigravity_with_tokens()
    with pytest.raises(LoginError, match=r"project was answered 403; set one in the config: providers\.anti"):
        played.send(Reply(403, {"error": {"status": "PERMISSION_DENIED"}}))
    played = antigravity_with_tokens()
    played.send(ok())
    with pytest.raises(LoginError, match="making a project"):
        for _ in range(9):
            played.send(ok() if isinstance(played.step, Request) else None)


def test_antigravity_falls_back_on_the_configured_project() -> None:
    played = antigravity_with_tokens(project="p-mine")
    played.send(Reply(403, {"error": {"code": 403, "status": "PERMISSION_DENIED"}}))
    grant = grant_of(played)
    assert grant.tokens.extras == {"project": "p-mine"}
    assert grant.notice and "the configured project p-mine" in grant.notice
    played = antigravity_with_tokens(project="p-mine")
    played.send(ok(cloudaicompanionProject="p-1"))
    assert grant_of(played).tokens.extras == {"project": "p-1"}


def test_antigravity_needs_a_client() -> None:
    row = LOGINS["antigravity"]
    with pytest.raises(LoginError, match="set ANTIGRAVITY_CLIENT_ID and ANTIGRAVITY_CLIENT_SECRET"):
        row.settings_for(None, {"ANTIGRAVITY_CLIENT_ID": "id"})
    configured = LoginSettings(client_id="mine", client_secret=SecretStr("s"))
    assert row.settings_for(configured, {}).client_id == "mine"
    assert (row.settings.client_id, row.settings.client_secret) == ("", None)
    assert row.opt_in and row.warning


def test_settings_override_region_and_defaults() -> None:
    configured = LoginSettings(token_url="https://mine.example/token")
    found = LOGINS["minimax-portal"].settings_for(configured, {}, "cn")
    assert found.token_url == "https://mine.example/token"
    assert found.device_url == "https://account.minimaxi.com/oauth2/device/code"
    assert found.client_id == "78257093-7e40-4613-99e0-527b14b39113"
