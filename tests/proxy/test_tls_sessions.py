"""A provider's TLS session is taken up again by the next connection, of whatever client."""

from __future__ import annotations

import ssl
from contextlib import suppress
from pathlib import Path

import pytest
from mitmproxy.connection import Server
from mitmproxy.tls import TlsData
from OpenSSL import SSL

from smart_router.proxy.tls_sessions import TlsSessions
from tests.testbed.chat import chat_answer
from tests.testbed.drive import make_context
from tests.testbed.harness import Router
from tests.testbed.provider import Provider
from tests.testbed.talk import chains_config, providers_config, talk
from tests.testbed.tls import server_context

FAR = server_context([])


@pytest.mark.parametrize("alpn", [["http/1.1"], ["h2", "http/1.1"]], ids=["h1", "h2"])
async def test_the_second_connection_takes_up_the_session_of_the_first(
    alpn: list[str], tmp_path: Path
) -> None:
    async with Provider(tls=True, alpn=alpn) as provider:
        provider.script.default = chat_answer("Hello.")
        config = chains_config({"one": ["p/m"]}) + providers_config({"p": f"{provider.url}/v1"})
        async with (
            Router(tmp_path / "router", config=config) as router,
            router.http(http2="h2" in alpn) as first,
            router.http(http2="h2" in alpn) as second,
        ):
            for client in (first, second):
                assert (await talk(client, "one", stream=False)).text == "Hello."
            connections = sorted(provider.connections, key=lambda one: one.number)
            ssl_objects = [one.transport.get_extra_info("ssl_object") for one in connections]
            assert [one.session_reused for one in ssl_objects] == [False, True]


def connect(sessions: TlsSessions, server: Server, context: SSL.Context) -> bool:
    """A handshake with a server in this process, and its first answer; whether a session was taken up."""
    arriving, leaving = ssl.MemoryBIO(), ssl.MemoryBIO()
    near, far = SSL.Connection(context), FAR.wrap_bio(arriving, leaving, server_side=True)
    near.set_connect_state()
    sessions.offer(TlsData(server, make_context(), near))
    for _ in range(2):
        with suppress(SSL.WantReadError):
            near.do_handshake()
        arriving.write(near.bio_read(65535))
        with suppress(ssl.SSLWantReadError):
            far.do_handshake()
        near.bio_write(leaving.read())
    far.write(b"answer")
    near.bio_write(leaving.read())
    assert near.recv(65535) == b"answer"
    sessions.keep(server)
    near.shutdown()  # OpenSSL gives up the session of a connection that just disappears
    return bool(far.session_reused)


def test_a_session_is_for_its_own_server_and_rules() -> None:
    sessions = TlsSessions(most=2)
    checked, unchecked = SSL.Context(SSL.TLS_CLIENT_METHOD), SSL.Context(SSL.TLS_CLIENT_METHOD)
    one, two = Server(address=("one", 443)), Server(address=("two", 443))
    assert [connect(sessions, one.copy(), unchecked) for _ in range(3)] == [False, True, True]
    assert not connect(sessions, one, checked)
    assert len(sessions) == 2
    assert not connect(sessions, two, unchecked)
    assert len(sessions) == 2
    assert not connect(sessions, one.copy(), unchecked)  # the oldest was forgotten


def test_connection_without_an_answer_leaves_no_session() -> None:
    sessions = TlsSessions()
    server = Server(address=("provider.example", 443))
    sessions.offer(TlsData(server, make_context(), SSL.Connection(SSL.Context(SSL.TLS_CLIENT_METHOD))))
    sessions.keep(server)
    sessions.keep(server)
    assert len(sessions) == 0


def test_plain_connections_and_clients_are_passed_over() -> None:
    sessions = TlsSessions()
    context = make_context()
    sessions.offer(TlsData(context.client, context, SSL.Connection(SSL.Context(SSL.TLS_CLIENT_METHOD))))
    sessions.offer(TlsData(context.server, context))
    sessions.keep(context.server)
    assert len(sessions) == 0
