"""Where a router listens, read from the kernel, and mitmproxy's own options that the user chose."""

from __future__ import annotations

import ipaddress
import os
import signal
import socket
from contextlib import ExitStack
from pathlib import Path

import pytest
from mitmproxy.proxy.mode_specs import ProxyMode
from mitmproxy.test.tflow import tclient_conn

from smart_router.listening import came_from_elsewhere, is_loopback
from tests.conftest import StartRouter
from tests.fakes.provider import Provider
from tests.harness import provider_env

ADDRESSES = [
    ("127.0.0.1", True),
    ("127.255.0.1", True),
    ("::1", True),
    ("::1%lo", True),
    ("::ffff:127.0.0.1", True),
    ("0.0.0.0", False),
    ("::", False),
    ("192.168.1.1", False),
    ("::ffff:192.168.1.1", False),
    ("fe80::1%eth0", False),
    ("localhost", False),
    ("", False),
]


@pytest.mark.parametrize(("host", "expected"), ADDRESSES)
def test_loopback(host: str, expected: bool) -> None:
    assert is_loopback(host) == expected


# mode, the client's address, whether it is turned away while the sockets are still open to all
COMERS = [
    ("reverse:http://h", "127.0.0.1", False),
    ("reverse:http://h", "192.0.2.9", True),
    ("regular", "192.0.2.9", True),
    ("socks5", "::ffff:192.0.2.9", True),
    ("upstream:http://h", "::1", False),
    ("reverse:http://h@0.0.0.0:80", "192.0.2.9", False),
    ("transparent", "192.0.2.9", False),
    ("wireguard", "192.0.2.9", False),
]


@pytest.mark.parametrize(("mode", "peer", "expected"), COMERS)
def test_who_came_from_elsewhere(mode: str, peer: str, expected: bool) -> None:
    client = tclient_conn()
    client.proxy_mode = ProxyMode.parse(mode)
    client.peername = (peer, 5000)
    assert came_from_elsewhere(client) == expected


def listening(port: int) -> set[str]:
    """The addresses at which something listens on a TCP port, as the kernel tells them."""
    found = set()
    for table in (Path("/proc/net/tcp"), Path("/proc/net/tcp6")):
        if not table.exists():
            pytest.skip("the kernel's table of sockets is not here")
        for line in table.read_text().splitlines()[1:]:
            local, state = line.split()[1], line.split()[3]
            address, _, number = local.partition(":")
            if int(number, 16) == port and state == "0A":
                words = [bytes.fromhex(address[at : at + 8])[::-1] for at in range(0, len(address), 8)]
                found.add(str(ipaddress.ip_address(b"".join(words))))
    return found


ASK = {"model": "auto", "messages": [{"role": "user", "content": "Hi"}]}
OPTIONS = """
import logging
from mitmproxy import ctx

def running():
    logging.info("strategy %s", ctx.options.connection_strategy)
"""


@pytest.mark.xdist_group("listening")
async def test_by_default_on_loopback_and_lazily(
    start_router: StartRouter, provider: Provider, tmp_path: Path
) -> None:
    (tmp_path / "options.py").write_text(OPTIONS)
    router = await start_router(
        listen_host=None,
        env=provider_env(provider.url, "openai"),
        args=["-s", str(tmp_path / "options.py")],
    )
    router.wait_for_log("strategy lazy")
    router.wait_for_log(r"listening at 127\.0\.0\.1:\d+ only")
    assert listening(router.port) == {"127.0.0.1"}
    async with router.http() as http:
        assert (await http.post("/v1/chat/completions", json=ASK)).status_code == 200


@pytest.mark.xdist_group("listening")
async def test_what_the_user_chose_is_kept(start_router: StartRouter, tmp_path: Path) -> None:
    (tmp_path / "options.py").write_text(OPTIONS)
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    own_mode = ["--mode", f"reverse:http://127.0.0.1:1@0.0.0.0:{port}"]
    router = await start_router(
        listen_host="127.0.0.2",
        options={"connection_strategy": "eager"},
        args=["-s", str(tmp_path / "options.py"), *own_mode],
    )
    router.wait_for_log("strategy eager")
    assert listening(router.port) == {"127.0.0.2"}
    assert listening(port) == {"0.0.0.0"}


@pytest.mark.xdist_group("listening")
async def test_everywhere_when_asked_for(start_router: StartRouter) -> None:
    router = await start_router(listen_host="0.0.0.0")
    assert listening(router.port) == {"0.0.0.0"}


@pytest.mark.parametrize("host", [None, "127.0.0.1"], ids=["moved", "chosen"])
async def test_many_clients_may_wait_while_the_router_is_busy(
    start_router: StartRouter, host: str | None
) -> None:
    """In asyncio's own queue there is room for 100; then the kernel lets nobody connect."""
    router = await start_router(listen_host=host)
    async with router.http() as http:
        await http.get("/health")  # the sockets are settled by then
        os.kill(router.process.pid, signal.SIGSTOP)
        try:
            with ExitStack() as stack:
                for _ in range(300):
                    client = stack.enter_context(socket.socket())
                    client.setsockopt(socket.IPPROTO_TCP, socket.TCP_SYNCNT, 1)
                    client.connect(("127.0.0.1", router.port))
        finally:
            os.kill(router.process.pid, signal.SIGCONT)
        assert (await http.get("/router/stats")).status_code == 200
