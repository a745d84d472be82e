"""Runs a login flow: sends its requests, listens for the browser, waits for the user."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Protocol

from pydantic import SecretStr

from smart_router.auth.logins.loopback import listen
from smart_router.auth.logins.oauth import expired
from smart_router.auth.logins.reply import Reply
from smart_router.auth.logins.settings import safe_url
from smart_router.auth.logins.steps import (
    Browse,
    Grant,
    LoginError,
    LoginPrompt,
    Pause,
    Request,
    Script,
    Step,
)

BROWSER_LIMIT = 5 * 60.0
"""Seconds that the user has for a login in the browser."""

TICK = 1.0
"""Seconds between two updates of the countdown."""


class Screen(Protocol):
    """Shows a login's progress to the user."""

    def show(self, url: str, code: str | None) -> None:
        """Ask the user to open `url` and, if there is a code, to confirm it there."""
        ...

    def waiting(self, seconds: float) -> None:
        """Show how many seconds the user has left; called about once a second."""
        ...


def run_login(
    script: Script[Grant],
    send: Callable[[Request], Reply],
    screen: Screen,
    *,
    clock: Callable[[], float] = time.monotonic,
    sleep: Callable[[float], None] = time.sleep,
) -> Grant:
    """Log in. Raises LoginError."""
    runner = _Runner(send, screen, clock, sleep)
    result: Any = None
    while True:
        try:
            step = script.send(result)
        except StopIteration as end:
            grant: Grant = end.value
            return grant
        result = runner.carry_out(step)


@dataclass
class _Runner:
    send: Callable[[Request], Reply]
    screen: Screen
    clock: Callable[[], float]
    sleep: Callable[[float], None]
    deadline: float | None = None

    def carry_out(self, step: Step) -> object:
        """The step's result."""
        match step:
            case Request():
                return self.send(step)
            case Browse():
                return self._browse(step)
            case LoginPrompt():
                self._prompt(step)
            case Pause(seconds):
                self._pause(seconds)
        return None

    def _browse(self, step: Browse) -> tuple[str, SecretStr]:
        with listen(step.redirect_uris, step.state) as loopback:
            self.screen.show(step.page(loopback.redirect_uri), None)
            deadline = self.clock() + BROWSER_LIMIT
            while (left := deadline - self.clock()) > 0:
                self.screen.waiting(left)
                outcome = loopback.outcome(min(TICK, left))
                if isinstance(outcome, LoginError):
                    raise outcome
                if outcome is not None:
                    return loopback.redirect_uri, outcome
        raise LoginError(f"the browser did not come back within {BROWSER_LIMIT / 60:g} minutes")

    def _prompt(self, step: LoginPrompt) -> None:
        try:
            safe_url(step.url)
        except ValueError as error:
            raise LoginError(f"the address to open {error}") from None
        self.deadline = self.clock() + step.expires_in
        self.screen.show(step.url, step.code)

    def _pause(self, seconds: float) -> None:
        until = self.clock() + seconds
        if self.deadline is not None and until > self.deadline:
            raise expired()
        while (left := until - self.clock()) > 0:
            if self.deadline is not None:
                self.screen.waiting(self.deadline - self.clock())
            self.sleep(min(TICK, left))
