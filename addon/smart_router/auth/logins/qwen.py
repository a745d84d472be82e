"""qwen-portal: Qwen's free accounts, which the vendor ended in April 2026: RFC 8628 device code and PKCE.

Source: qwen-code.
"""

from __future__ import annotations

from smart_router.auth.logins import oauth
from smart_router.auth.logins.provider import LoginProvider, with_path
from smart_router.auth.logins.reply import Reply, read_tokens, seconds
from smart_router.auth.logins.settings import LoginSettings
from smart_router.auth.logins.steps import Context, Grant, LoginPrompt, Request, Script

_SETTINGS = LoginSettings(
    client_id="f0304373b74a44d2b584a3fb70ca9e56",
    scope="openid profile email model.completion",
    device_url="https://chat.qwen.ai/api/v1/oauth2/device/code",
    token_url="https://chat.qwen.ai/api/v1/oauth2/token",
)
_WARNING = (
    "Qwen ended its free logins on 15 April 2026: logging in may still work, but requests are refused. "
    "Use qwen-dashscope with a DASHSCOPE_API_KEY instead."
)
_extras = with_path("/v1")


def device_login(context: Context) -> Script[Grant]:
    """A code that the user confirms anywhere."""
    settings, pkce = context.settings, oauth.new_pkce(context.random)
    reply: Reply = yield Request(
        settings.device_url, oauth.pkce_form(settings, pkce), headers={"x-request-id": context.random(16)}
    )
    device_code, user_code = reply.secret("device_code"), reply.text("user_code")
    url = reply.text("verification_uri_complete", "verification_uri")
    if not reply.ok or not device_code or not user_code or not url:
        raise reply.refused("asking for a code")
    yield LoginPrompt(url, user_code, seconds(reply.field("expires_in"), 900))
    question = oauth.device_question(settings, pkce, {"device_code": device_code})
    reply = yield from oauth.poll(
        question, seconds(reply.field("interval"), 2), _judge, slower=lambda interval: min(interval * 1.5, 10)
    )
    return Grant(read_tokens(reply, context.now(), _extras(reply)))


def _judge(reply: Reply) -> oauth.Verdict:
    if reply.status == 401:
        raise oauth.expired()
    return oauth.judge_device_poll(reply)


LOGIN = LoginProvider(
    "qwen-portal",
    _SETTINGS,
    device=device_login,
    read_extras=_extras,
    dead_statuses=frozenset({400}),
    warning=_WARNING,
)
