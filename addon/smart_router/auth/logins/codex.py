"""openai-codex: a ChatGPT account, by browser or with OpenAI's own form of a device code.

Sources: the Codex CLI, CLIProxyAPI, opencode-openai-codex-auth.
"""

from __future__ import annotations

import re
from collections.abc import Mapping

from pydantic import SecretStr

from smart_router.auth.logins.oauth import Verdict, code_login, exchange_code, poll
from smart_router.auth.logins.provider import LoginProvider
from smart_router.auth.logins.reply import Reply, claims, read_tokens, seconds
from smart_router.auth.logins.settings import LoginSettings
from smart_router.auth.logins.steps import Context, Grant, LoginError, LoginPrompt, Request, Script
from smart_router.dialects.json_values import as_object

ORIGINATOR = "codex_cli_rs"
"""The client's name as sent: the backend knows its clients by name."""

_SETTINGS = LoginSettings(
    client_id="app_EMoamEEZ73f0CkXaXp7hrann",
    scope="openid profile email offline_access",
    authorize_url="https://auth.openai.com/oauth/authorize",
    redirect_uris=("http://localhost:1455/auth/callback",),
    token_url="https://auth.openai.com/oauth/token",
    device_url="https://auth.openai.com/api/accounts/deviceauth/usercode",
    device_token_url="https://auth.openai.com/api/accounts/deviceauth/token",
    verification_url="https://auth.openai.com/codex/device",
    device_redirect_uri="https://auth.openai.com/deviceauth/callback",
)
_AUTHORIZE = {
    "id_token_add_organizations": "true",
    "codex_cli_simplified_flow": "true",
    "originator": ORIGINATOR,
}
_CLAIM = "https://api.openai.com/auth"
_DEVICE_LIMIT = 15 * 60.0
_ACCOUNT = re.compile(r"[\w-]{1,128}", re.ASCII)  # it goes into a header


def browser_login(context: Context) -> Script[Grant]:
    """An authorization code through a fixed loopback port."""
    return _grant((yield from code_login(context, _AUTHORIZE)), context)


def device_login(context: Context) -> Script[Grant]:
    """A code that the user confirms anywhere; the answer has an authorization code and its verifier."""
    settings = context.settings
    reply: Reply = yield Request(settings.device_url, json={"client_id": settings.client_id})
    device_id, user_code = reply.text("device_auth_id"), reply.text("user_code", "usercode")
    if not reply.ok or not device_id or not user_code:
        raise reply.refused("asking for a code")
    yield LoginPrompt(settings.verification_url, user_code, _DEVICE_LIMIT)
    question = Request(settings.device_token_url, json={"device_auth_id": device_id, "user_code": user_code})
    reply = yield from poll(question, seconds(reply.field("interval"), 5), _judge)
    code, verifier = reply.secret("authorization_code"), reply.secret("code_verifier")
    if not code or not verifier:
        raise LoginError("the confirmed login came without its authorization code")
    return _grant((yield exchange_code(settings, settings.device_redirect_uri, code, verifier)), context)


def account_of(*tokens: SecretStr | None) -> str | None:
    """The ChatGPT account of an id or access token."""
    found = (as_object(claims(token).get(_CLAIM)).get("chatgpt_account_id") for token in tokens)
    return next((one for one in found if isinstance(one, str) and _ACCOUNT.fullmatch(one)), None)


def _judge(reply: Reply) -> Verdict:
    if reply.ok:
        return "granted"
    if reply.status in (403, 404):
        return "pending"
    if reply.unclear:
        return "unclear"
    raise reply.refused("asking whether the code is confirmed")


def _grant(reply: Reply, context: Context) -> Grant:
    tokens = read_tokens(reply, context.now(), _extras(reply))
    if "account_id" not in tokens.extras:
        raise LoginError("the login names no ChatGPT account, which the service requires")
    email = claims(reply.secret("id_token")).get("email")
    return Grant(tokens, email if isinstance(email, str) else None)


def _extras(reply: Reply) -> Mapping[str, str]:
    account = account_of(reply.secret("id_token"), reply.secret("access_token"))
    return {"account_id": account} if account else {}


LOGIN = LoginProvider(
    "openai-codex",
    _SETTINGS,
    browser=browser_login,
    device=device_login,
    read_extras=_extras,
    lead=5 * 24 * 3600.0,  # of about ten days
)
