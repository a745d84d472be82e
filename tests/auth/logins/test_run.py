from __future__ import annotations

import pytest
from pydantic import SecretStr

from smart_router.auth.logins import run
from smart_router.auth.logins.reply import Reply
from smart_router.auth.logins.run import run_login
from smart_router.auth.logins.steps import (
    Browse,
    Grant,
    LoginError,
    LoginPrompt,
    Pause,
    Request,
    Script,
)
from smart_router.auth.profiles import GrantedTokens
from tests.auth.logins.helpers import NOW, Time, User

GRANT = Grant(GrantedTokens(SecretStr("a"), None, NOW, None))


def never(request: Request) -> Reply:
    raise AssertionError("nothing is to be sent")


def test_a_countdown_until_the_code_expires() -> None:
    def script() -> Script[Grant]:
        yield LoginPrompt("https://a.example/device", "CODE", 10)
        while True:
            yield Pause(4)

    time, user = Time(), User()
    with pytest.raises(LoginError, match="has expired"):
        run_login(script(), never, user, clock=time.clock, sleep=time.sleep)
    assert user.shown == [("https://a.example/device", "CODE")]
    assert user.left == [10, 9, 8, 7, 6, 5, 4, 3]
    assert time.now == NOW + 8


@pytest.mark.parametrize("url", ["http://a.example/device", "file:///etc/passwd", "javascript:alert(1)", ""])
def test_only_safe_addresses_are_opened(url: str) -> None:
    def script() -> Script[Grant]:
        yield LoginPrompt(url, "CODE", 10)
        return GRANT

    user = User()
    with pytest.raises(LoginError, match="must be an https URL"):
        run_login(script(), never, user)
    assert user.shown == []


def test_a_browser_that_never_comes_back(monkeypatch: pytest.MonkeyPatch) -> None:
    def script() -> Script[Grant]:
        yield Browse(("http://localhost:0/callback",), lambda uri: f"https://a.example/?to={uri}", "state")
        return GRANT

    monkeypatch.setattr(run, "BROWSER_LIMIT", 0.05)
    user = User()
    with pytest.raises(LoginError, match="did not come back"):
        run_login(script(), never, user)
    assert user.left


def test_a_pause_without_a_prompt() -> None:
    def script() -> Script[Grant]:
        yield Pause(2)
        return GRANT

    time = Time()
    assert run_login(script(), never, User(), clock=time.clock, sleep=time.sleep) == GRANT
    assert time.now == NOW + 2
