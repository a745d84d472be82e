"""Clients of a forward proxy reach neither its own ports nor link-local addresses, however written."""

from __future__ import annotations

import asyncio
import contextlib
import socket
from collections.abc import AsyncIterator

import pytest
import pytest_asyncio

from tests.testbed.harness import Router
from tests.testbed.provider import Provider
from tests.ui.web import Web, web_arguments

pytestmark = pytest.mark.asyncio(loop_scope="module")

LINK_LOCAL = (
    "169.254.169.254", "169.254.1.1", "2852039166", "0xa9fea9fe", "0251.0376.0251.0376", "169.16689662",
    "[fe80::1]", "[fe80::1%25lo]", "[::ffff:169.254.169.254]",
)  # fmt: skip
OWN = (
    "127.0.0.1", "localhost", "LOCALHOST.", "127.0.0.2", "127.1", "2130706433", "[::1]", "[::ffff:127.0.0.1]",
    socket.gethostname(),
)  # fmt: skip
WAYS = pytest.mark.parametrize("tunnel", [False, True], ids=["plain", "CONNECT"])


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def router(
    shared_provider: Provider, tmp_path_factory: pytest.TempPathFactory
) -> AsyncIterator[Router]:
    """mitmweb as a forward proxy, on every address of this machine."""
    web = web_arguments()
    web["options"] |= {"router_connect_timeout": "1"}
    folder = tmp_path_factory.mktemp("forward") / "router"
    async with Router(folder, modes=["regular"], listen_host="0.0.0.0", **web) as router:
        yield router


async def status(router: Router, host: str, port: int, *, tunnel: bool) -> tuple[int, bytes]:
    """Return the status and the bytes of the proxy's answer to a GET of a page there."""
    reader, writer = await asyncio.open_connection("127.0.0.1", router.port)
    head = f"HTTP/1.1\r\nHost: {host}:{port}\r\n"
    async with asyncio.timeout(10):
        with contextlib.closing(writer):
            opened = b" 200 "
            if tunnel:
                writer.write(f"CONNECT {host}:{port} {head}\r\n".encode())
                opened = await reader.readuntil(b"\r\n\r\n")
            if b" 200 " in opened:
                target = "/page" if tunnel else f"http://{host}:{port}/page"
                writer.write(f"GET {target} {head}Connection: close\r\n\r\n".encode())
                opened = b""
            got = opened + await reader.read()
    return int(got.split(b" ")[1]), got


@WAYS
@pytest.mark.parametrize("host", LINK_LOCAL)
async def test_link_local_addresses(router: Router, host: str, tunnel: bool) -> None:
    code, got = await status(router, host, 80, tunnel=tunnel)
    assert code == 400 or (code == 502 and b"does not connect to link-local" in got), got


@WAYS
@pytest.mark.parametrize("host", OWN)
async def test_own_ports(router: Router, host: str, tunnel: bool) -> None:
    async with Web(router) as web:
        mitmweb = int(web.url.rpartition(":")[2])
    for port in (router.port, mitmweb):
        code, got = await status(router, host, port, tunnel=tunnel)
        assert code in (400, 502), got
        assert b"not connect to itself" in got or code == 400 or host == socket.gethostname(), got


@WAYS
async def test_other_ports_of_this_machine_are_reached(
    router: Router, provider: Provider, tunnel: bool
) -> None:
    code, got = await status(router, "127.0.0.1", provider.port, tunnel=tunnel)
    assert (code, b"Nothing is scripted" in got) == (404, True)
