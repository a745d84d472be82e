"""minimax-portal: MiniMax' coding plan, with a device code of its own kind: no device_code, but PKCE and a
state that must come back, and the status is in the body of an HTTP 200.

Sources: OpenClaw's minimax extension, MiniMax' own CLI.
"""

from __future__ import annotations

from smart_router.auth.logins import oauth
from smart_router.auth.logins.provider import LoginProvider, Region, with_path
from smart_router.auth.logins.reply import Reply, read_tokens, seconds, unix_time
from smart_router.auth.logins.settings import LoginSettings
from smart_router.auth.logins.steps import Context, Grant, LoginError, LoginPrompt, Request, Script

_SETTINGS = LoginSettings(
    client_id="78257093-7e40-4613-99e0-527b14b39113",
    scope="group_id profile model.completion",
    device_grant="urn:ietf:params:oauth:grant-type:user_code",
)
_MILLISECONDS = 100
"""An interval of at least this is in milliseconds: no vendor has clients wait for minutes."""

_extras = with_path("/anthropic")


def device_login(context: Context) -> Script[Grant]:
    """A code that the user confirms anywhere."""
    settings, pkce, state = context.settings, oauth.new_pkce(context.random), context.random(16)
    reply: Reply = yield Request(
        settings.device_url, {"response_type": "code", **oauth.pkce_form(settings, pkce), "state": state}
    )
    user_code, url = reply.text("user_code"), reply.text("verification_uri")
    if not reply.ok or not user_code or not url:
        raise reply.refused("asking for a code")
    if reply.field("state") != state:
        raise LoginError("the answer belongs to another login (its state is not ours): start again")
    now = context.now()
    expires_at = unix_time(reply.field("expired_in"), now) or now + 600
    if expires_at <= now:
        raise oauth.expired()
    yield LoginPrompt(url, user_code, expires_at - now)
    question = oauth.device_question(settings, pkce, {"user_code": user_code})
    stated = seconds(reply.field("interval"), 2000)
    interval = stated / 1000 if stated >= _MILLISECONDS else stated
    reply = yield from oauth.poll(question, interval, _judge)
    return Grant(read_tokens(reply, context.now(), _extras(reply)), notice=reply.text("notification_message"))


def _judge(reply: Reply) -> oauth.Verdict:
    if not reply.ok:
        return oauth.judge_device_poll(reply)
    status = reply.field("status")
    if status == "error":
        raise LoginError("the login was denied, or its code has expired")
    return "granted" if status == "success" else "pending"


def _region(name: str, domain: str) -> Region:
    account, api = f"https://account.{domain}/oauth2", f"https://api.{domain}"
    return Region(
        LoginSettings(device_url=f"{account}/device/code", token_url=f"{account}/token"),
        LoginSettings(device_url=f"{api}/oauth/code", token_url=f"{api}/oauth/token"),
        {"region": name, "resource_url": f"{api}/anthropic"},
    )


LOGIN = LoginProvider(
    "minimax-portal",
    _SETTINGS,
    device=device_login,
    regions={"global": _region("global", "minimax.io"), "cn": _region("cn", "minimaxi.com")},
    read_extras=_extras,
    lead=900.0,  # of some hours
)
