"""The bodies of refused requests are dropped, whenever they arrive."""

from __future__ import annotations

import pytest
from mitmproxy import http
from mitmproxy.connection import ConnectionState
from mitmproxy.proxy import commands, events
from mitmproxy.proxy.layers.http import HttpLayer, HTTPMode

from smart_router.attempts.client_limits import FREE_BODY
from smart_router.errors import ClientError
from smart_router.proxy.claims import Claims
from smart_router.proxy.install import install_routing
from tests.testbed.drive import Drive, make_context

HEAD = b"POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 20\r\n\r\n"


@pytest.mark.parametrize("pieces", [[HEAD, b"{}"], [HEAD + b"{}"], [HEAD + b"{}", b"{}", b"{}"]])
def test_the_body_of_a_request_that_is_refused_by_its_head_is_dropped(pieces: list[bytes]) -> None:
    claims = Claims(1_000)
    bodies = []

    def refuse(flow: http.HTTPFlow) -> None:
        claims.add(flow).refusal = ClientError(401, "no key")

    def answer(flow: http.HTTPFlow) -> None:
        bodies.append(flow.request.raw_content)
        flow.response = http.Response.make(401, b"no", {"connection": "close"})

    top = HttpLayer(make_context(), HTTPMode.transparent)
    install_routing(top, claims)
    drive = Drive(top, {"requestheaders": refuse, "request": answer})
    drive(events.Start())
    for piece in pieces:
        drive(events.DataReceived(top.context.client, piece))
    assert drive.sent(top.context.client).startswith(b"HTTP/1.1 401")
    assert bodies == [b""]
    assert [command.half_close for command in drive.all(commands.CloseTcpConnection)] == [True]


def test_the_body_of_a_client_that_left_is_freed_and_counts_no_longer() -> None:
    claims = Claims(1 << 20)
    top = HttpLayer(make_context(), HTTPMode.transparent)
    install_routing(top, claims)
    drive = Drive(top, {"requestheaders": claims.add})
    drive(events.Start())
    client = top.context.client
    drive(events.DataReceived(client, b"POST / HTTP/1.1\r\nhost: h\r\ncontent-length: 900000\r\n\r\n"))
    (stream,) = top.streams.values()
    drive(events.DataReceived(client, bytes(2 * FREE_BODY)))
    assert (len(stream.request_body_buf), claims.uploads.held) == (2 * FREE_BODY, FREE_BODY)
    client.state = ConnectionState.CLOSED
    drive(events.ConnectionClosed(client))
    assert (claims.uploads.held, len(stream.request_body_buf)) == (0, 0)
