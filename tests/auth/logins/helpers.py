"""Helpers for tests of logins: a clock without waits, a user, random texts that are known."""

from __future__ import annotations

import base64
import itertools
import json
import secrets
from collections.abc import Callable, Mapping
from typing import Any

from smart_router.auth.logins.reply import Reply
from smart_router.auth.logins.run import run_login
from smart_router.auth.logins.settings import LoginSettings
from smart_router.auth.logins.steps import Context, Flow, Grant, Request, Script, Step
from smart_router.auth.logins.transport import Transport

NOW = 1_800_000_000.0


class Time:
    """A clock that stands still until someone sleeps."""

    def __init__(self) -> None:
        self.now = NOW
        self.slept: list[float] = []

    def clock(self) -> float:
        return self.now

    def sleep(self, seconds: float) -> None:
        self.slept.append(seconds)
        self.now += seconds


class User:
    """Sees the steps that are shown, and acts on them."""

    def __init__(self, act: Callable[[str, str | None], object] = lambda url, code: None) -> None:
        self.shown: list[tuple[str, str | None]] = []
        self.left: list[float] = []
        self._act = act

    def show(self, url: str, code: str | None) -> None:
        self.shown.append((url, code))
        self._act(url, code)

    def waiting(self, seconds: float) -> None:
        self.left.append(seconds)


def context(settings: LoginSettings, **extras: str) -> Context:
    """It is NOW, and random texts are `random-1`, `random-2` …"""
    numbers = itertools.count(1)
    return Context(settings, lambda: NOW, lambda size: f"random-{next(numbers)}", extras)


def log_in(
    flow: Flow,
    settings: LoginSettings,
    user: User,
    *,
    timeout: float = 5.0,
) -> Grant:
    """Log in over real sockets, with a clock that sleeps advance without waits."""
    time = Time()
    script = flow(Context(settings, time.clock, secrets.token_urlsafe))
    with Transport(timeout) as transport:
        return run_login(script, transport.send, user, clock=time.clock, sleep=time.sleep)


class Played[T]:
    """A script run step by step: `step` is the present one, `result` the script's result."""

    def __init__(self, script: Script[T]) -> None:
        self._script = script
        self.result: T | None = None
        self.step: Step | None = None
        self.send(None)

    def send(self, result: object) -> Step | None:
        """Send the result of the present step; return the next one."""
        try:
            self.step = self._script.send(result)
        except StopIteration as end:
            self.result, self.step = end.value, None
        return self.step

    def request(self) -> Request:
        """Return the present step, which must be a request."""
        assert isinstance(self.step, Request)
        return self.step


def ok(**fields: object) -> Reply:
    return Reply(200, fields)


def revealed(fields: Mapping[str, Any] | None) -> dict[str, Any]:
    """A form with its secrets."""
    values = fields or {}
    return {name: getattr(value, "get_secret_value", lambda v=value: v)() for name, value in values.items()}


def jwt(**claims: object) -> str:
    """Return a token with these claims."""
    middle = base64.urlsafe_b64encode(json.dumps(claims).encode()).rstrip(b"=").decode()
    return f"eyJhbGciOiJub25lIn0.{middle}.c2ln"


ACCOUNT = {"https://api.openai.com/auth": {"chatgpt_account_id": "acc-1"}}
