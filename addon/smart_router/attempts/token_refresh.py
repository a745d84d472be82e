"""The next step of an exchange, with a valid access token."""

from __future__ import annotations

import time
from collections.abc import Coroutine
from typing import Any

from smart_router.attempts.attempt import Attempt
from smart_router.attempts.exchange import Exchange, Step
from smart_router.attempts.steps import select_step
from smart_router.auth.logins.steps import LoginError
from smart_router.auth.profiles import auth_headers
from smart_router.errors import UpstreamError

_TRY_AGAIN = 30.0
"""Seconds before another attempt to use a login whose token could not be refreshed."""


def next_step(exchange: Exchange) -> Step | Coroutine[Any, Any, Step]:
    """Return the next step of an exchange. A login whose token is about to end, or was refused, gets a new
    one before the attempt begins, which is to be waited for; if there is none to be had, that attempt has
    failed.
    """
    step = select_step(exchange, time.monotonic())
    return _with_fresh_token(exchange, step) if isinstance(step, Attempt) and step.of_login else step


async def _with_fresh_token(exchange: Exchange, step: Step) -> Step:
    while isinstance(step, Attempt):
        error = await _refresh_token(exchange, step)
        if error is None:
            break
        step.close(time.monotonic())
        exchange.failed(error, time.monotonic())
        step = select_step(exchange, time.monotonic())
    return step


async def _refresh_token(exchange: Exchange, attempt: Attempt) -> UpstreamError | None:
    refresher, id_ = exchange.services.refresher, attempt.profile_id
    profile = exchange.services.auth.find(id_)
    if refresher is None or profile is None or profile.login is None:
        return None
    refused = exchange.refused_tokens.get(id_) == attempt.credential
    try:
        profile = await refresher.usable(profile, refused=refused)
    except LoginError as error:
        exchange.refused_tokens.setdefault(id_, attempt.credential)  # another refresh would fail as well
        why = f"{attempt.candidate}: {error}"
        return UpstreamError(
            "auth", "profile", 502, why, type="server_error", code="login_failed", retry_after=_TRY_AGAIN
        )
    attempt.credential = auth_headers(attempt.provider, profile)
    attempt.extend(time.monotonic())
    return None
