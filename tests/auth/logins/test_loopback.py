from __future__ import annotations

import socket
from collections.abc import Iterator
from urllib.parse import urlsplit

import httpx
import pytest
from pydantic import SecretStr

from smart_router.auth.logins.loopback import Loopback, listen, read_callback
from smart_router.auth.logins.steps import LoginError
from tests.testbed.harness import NO_TLS

CALLBACKS = [
    ("/callback?code=c&state=s", SecretStr("c")),
    ("/callback?state=s&code=c%2Bd&scope=x", SecretStr("c+d")),
    ("/callback?error=access_denied&state=s", "the login was denied"),
    ("/callback?error=server_error&state=s", "without a code"),
    ("/callback?state=s", "without a code"),
    ("/callback?code=c&state=another", None),
    ("/callback?code=c", None),
    ("/callback?code=c&state=", None),
    ("/callback?code=c&state=%C3%A9", None),
    ("/elsewhere?code=c&state=s", None),
    ("/callback", None),
    ("//evil.example/callback?code=c&state=s", None),
    ("//[?code=c&state=s", None),
]


@pytest.mark.parametrize(("target", "expected"), CALLBACKS)
def test_what_a_visit_brings(target: str, expected: SecretStr | str | None) -> None:
    outcome = read_callback(target, "/callback", "s")
    if isinstance(expected, str):
        assert isinstance(outcome, LoginError)
        assert expected in str(outcome)
    else:
        assert outcome == expected


@pytest.fixture
def loopback() -> Iterator[Loopback]:
    with listen(["http://localhost:0/callback"], "s") as loopback:
        yield loopback


def test_only_the_right_visit_ends_the_wait(loopback: Loopback, capfd: pytest.CaptureFixture[str]) -> None:
    url = loopback.redirect_uri
    with socket.create_connection(("127.0.0.1", urlsplit(url).port or 0)):  # a browser that only looks ahead
        assert httpx.get(f"{url}?code=canary&state=<script>", verify=NO_TLS).status_code == 400
        assert httpx.post(url, verify=NO_TLS).status_code == 501
        assert loopback.outcome(0) is None
        page = httpx.get(f"{url}?code=canary&state=s", verify=NO_TLS)
    assert page.status_code == 200
    assert "close this page" in page.text
    assert "canary" not in page.text
    assert loopback.outcome(0) == SecretStr("canary")
    assert "canary" not in "".join(capfd.readouterr())


def test_the_first_free_port_is_taken() -> None:
    with listen(["http://localhost:0/callback"], "s") as first:
        taken = first.redirect_uri
        with listen([taken, "http://localhost:0/callback"], "s") as second:
            assert second.redirect_uri != taken
        port = urlsplit(taken).port
        with pytest.raises(LoginError, match=f"port {port} is in use"), listen([taken], "s"):
            pass
    with listen([taken], "s") as again:
        assert again.redirect_uri == taken
