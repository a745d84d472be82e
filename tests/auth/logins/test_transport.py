"""The transport's requests and accepted replies, over real sockets."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Mapping

import pytest
from pydantic import SecretStr

from smart_router.auth.logins.reply import Reply
from smart_router.auth.logins.steps import Request
from smart_router.auth.logins.transport import LARGEST, Transport
from tests.testbed.answers import Answer, Fault
from tests.testbed.provider import Provider, refused_port

FORM: Mapping[str, str | SecretStr] = {"refresh_token": SecretStr("canary-refresh"), "x": "a b&c"}


async def send(request: Request, within: float = 5.0) -> Reply:
    def run() -> Reply:
        with Transport(within) as transport:
            return transport.send(request)

    return await asyncio.to_thread(run)


async def test_a_form_and_json(provider: Provider) -> None:
    provider.on(Answer(body=b'{"access_token": "canary-access"}'), always=True)
    reply = await send(Request(f"{provider.url}/token", FORM, headers={"x-request-id": "1"}))
    assert reply.secret("access_token") == SecretStr("canary-access")
    assert "canary" not in repr(reply)
    await send(Request(f"{provider.url}/code", json={"client_id": "c"}, bearer=SecretStr("canary-access")))
    await send(Request(f"{provider.url}/userinfo"))
    first, second, third = provider.requests
    assert (first.method, first.path, first.body) == (
        "POST",
        "/token",
        b"refresh_token=canary-refresh&x=a+b%26c",
    )
    assert first.headers["content-type"] == "application/x-www-form-urlencoded"
    assert first.headers["x-request-id"] == "1"
    assert second.json == {"client_id": "c"}
    assert second.headers["authorization"] == "Bearer canary-access"
    assert (third.method, third.body) == ("GET", b"")


@pytest.mark.parametrize("status", [301, 302, 303, 307, 308])
async def test_no_redirect_is_followed(provider: Provider, status: int) -> None:
    provider.on(Answer(status=status, headers={"location": f"{provider.url}/elsewhere"}))
    reply = await send(Request(f"{provider.url}/token", FORM))
    assert reply.status == status
    assert "a redirect, which is not followed" in reply.why
    assert len(provider.requests) == 1


FAILURES = [
    (Answer(fault=Fault.CLOSE_BEFORE_HEAD), "no answer (RemoteProtocolError)"),
    (Answer(body=b'{"a": 1}', fault=Fault.RESET_MID_BODY), "no answer (ReadError)"),
    (Answer(fault=Fault.SILENT_BEFORE_HEAD), "no answer (ReadTimeout)"),
    (Answer(body=b'{"a": 1}', fault=Fault.SILENT_MID_BODY), "no answer (ReadTimeout)"),
    (Answer(body=b"x" * (LARGEST + 1)), "more, or more slowly"),
    (Answer(body=b'{"a": 1}' + b" " * 20, cut=1, pause=0.1), "more, or more slowly"),
]


@pytest.mark.parametrize(("answer", "why"), FAILURES)
async def test_failures(provider: Provider, answer: Answer, why: str) -> None:
    provider.on(answer)
    began = time.monotonic()
    reply = await send(Request(f"{provider.url}/token", FORM), 0.4)
    assert reply.status == 0
    assert why in reply.why
    assert time.monotonic() - began < 2
    for request in provider.requests:
        request.release()


async def test_refused() -> None:
    with refused_port() as port:
        reply = await send(Request(f"http://127.0.0.1:{port}/token", FORM))
    assert (reply.status, reply.why) == (0, "got no answer (ConnectError)")
    assert reply.unclear


@pytest.mark.parametrize("url", ["http://", "https://[", "ftp://x.example/", "http://\x00/"])
async def test_wrong_addresses(url: str) -> None:
    assert (await send(Request(url, FORM))).status == 0


async def test_html_and_compressed_answers(provider: Provider) -> None:
    provider.on(
        Answer(headers={"content-type": "text/html"}, body=b"<html>Please sign in to the Wi-Fi</html>"),
        Answer(headers={"content-encoding": "gzip"}, body=b"\x1f\x8b not really"),
    )
    assert "HTML that is no JSON object" in (await send(Request(f"{provider.url}/token", FORM))).why
    assert "no JSON object" in (await send(Request(f"{provider.url}/token", FORM))).why
    assert provider.requests[0].headers["accept-encoding"] == "identity"
