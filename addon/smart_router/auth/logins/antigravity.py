"""antigravity: a Google account, by browser, and the Cloud Code project that its requests are made in.

Sources: CLIProxyAPI, opencode-antigravity-auth. The client's id and secret are the user's to configure.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from pydantic import SecretStr

from smart_router.auth.logins.oauth import code_login
from smart_router.auth.logins.provider import LoginProvider
from smart_router.auth.logins.reply import Reply, read_tokens
from smart_router.auth.logins.settings import LoginSettings
from smart_router.auth.logins.steps import Context, Grant, LoginError, Pause, Request, Script
from smart_router.dialects.json_values import as_objects, as_text

_SCOPES = ("cloud-platform", "userinfo.email", "userinfo.profile", "cclog", "experimentsandconfigs")
_SETTINGS = LoginSettings(
    scope=" ".join(f"https://www.googleapis.com/auth/{name}" for name in _SCOPES),
    authorize_url="https://accounts.google.com/o/oauth2/v2/auth",
    redirect_uris=tuple(f"http://localhost:{port}/oauth-callback" for port in range(51121, 51127)),
    token_url="https://oauth2.googleapis.com/token",
    userinfo_url="https://www.googleapis.com/oauth2/v2/userinfo?alt=json",
    project_url="https://cloudcode-pa.googleapis.com/v1internal",
)
_WARNING = (
    "Google's terms forbid using Antigravity through other clients. Since February 2026 it has disabled "
    "accounts for it, without notice and for good. Do not use an account that you cannot afford to lose."
)
_METADATA = {"ideType": "ANTIGRAVITY"}
_ONBOARD_TRIES, _ONBOARD_PAUSE = 5, 2.0


def browser_login(context: Context) -> Script[Grant]:
    """An authorization code through a loopback port, then the account's address and its project."""
    reply = yield from code_login(context, {"access_type": "offline", "prompt": "consent"})
    tokens = read_tokens(reply, context.now(), {})
    if tokens.refresh is None:
        raise LoginError("Google sent no refresh token: withdraw the app's access and log in again")
    user: Reply = yield Request(context.settings.userinfo_url, bearer=tokens.access)
    notice = None
    try:
        project = yield from _find_project(context.settings.project_url, tokens.access)
    except LoginError as error:
        configured = context.extras.get("project")
        if configured is None:
            raise LoginError(
                f'{error}; set one in the config: providers.antigravity.extras.project = "…"'
            ) from None
        project, notice = configured, f"{error}: requests are made in the configured project {configured}."
    return Grant(replace(tokens, extras={"project": project}), user.text("email"), notice)


def _find_project(url: str, access: SecretStr) -> Script[str]:
    """The account's project; a new one if there is none yet."""

    def request(method: str, body: Mapping[str, Any]) -> Request:
        return Request(f"{url}:{method}", json=body, bearer=access)

    reply: Reply = yield request("loadCodeAssist", {"metadata": _METADATA})
    if project := _project(reply):
        return project
    if not reply.ok:
        raise reply.refused("asking for the account's project")
    onboard = request("onboardUser", {"tierId": _tier(reply), "metadata": _METADATA})
    for attempt in range(_ONBOARD_TRIES):
        if attempt:
            yield Pause(_ONBOARD_PAUSE)
        reply = yield onboard
        if reply.field("done") is True:
            break
    if project := _project(reply.nested("response")):
        return project
    raise reply.refused("making a project for the account")


def _project(reply: Reply) -> str | None:
    """The project, which is an id or an object with an id."""
    return reply.text("cloudaicompanionProject") or reply.nested("cloudaicompanionProject").text("id")


def _tier(reply: Reply) -> str:
    """The tier for a new user."""
    for tier in as_objects(reply.field("allowedTiers")):
        if tier.get("isDefault") is True and (id_ := as_text(tier.get("id"))):
            return id_
    return reply.nested("currentTier").text("id") or "free-tier"


LOGIN = LoginProvider(
    "antigravity",
    _SETTINGS,
    browser=browser_login,
    client_env=("ANTIGRAVITY_CLIENT_ID", "ANTIGRAVITY_CLIENT_SECRET"),
    warning=_WARNING,
    opt_in=True,
)
