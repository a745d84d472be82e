"""Addresses at which a router listens, read from the kernel, and mitmproxy options that the user chose."""

from __future__ import annotations

import ipaddress
import os
import signal
import socket
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from pathlib import Path
from threading import Event

import pytest

from smart_router.addresses import is_loopback
from tests.conftest import StartRouter
from tests.testbed.harness import Router, provider_env
from tests.testbed.provider import Provider

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


def listening(port: int, protocol: str = "tcp") -> set[str]:
    """The addresses at which something listens on a port, as the kernel tells them."""
    found = set()
    for table in (Path(f"/proc/net/{protocol}"), Path(f"/proc/net/{protocol}6")):
        if not table.exists():
            pytest.skip("the kernel's table of sockets is not here")
        for line in table.read_text().splitlines()[1:]:
            local, state = line.split()[1], line.split()[3]
            address, _, number = local.partition(":")
            if int(number, 16) == port and state == LISTENING[protocol]:
                words = [bytes.fromhex(address[at : at + 8])[::-1] for at in range(0, len(address), 8)]
                found.add(str(ipaddress.ip_address(b"".join(words))))
    return found


LISTENING = {"tcp": "0A", "udp": "07"}
"""A socket's state in the kernel's table."""

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
    assert listening(router.port) == {"127.0.0.1"}
    async with router.http() as http:
        assert (await http.post("/v1/chat/completions", json=ASK)).status_code == 200


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def watch(router: Router, port: int) -> set[str]:
    """Start a router; the addresses at which it listened at any moment until it said that it serves."""
    seen: set[str] = set()
    done = Event()

    def look() -> None:
        while not done.wait(0.001):
            seen.update(*(listening(port, protocol) for protocol in LISTENING))

    with ThreadPoolExecutor(1) as pool:
        looking = pool.submit(look)
        try:
            router.start()
        finally:
            done.set()
        looking.result()
    return seen


@pytest.mark.xdist_group("listening")
@pytest.mark.parametrize("mode", ["reverse:https://127.0.0.1:1", "regular"])
def test_it_never_listens_beyond_loopback_even_while_it_starts(mode: str, tmp_path: Path) -> None:
    """With https, mitmproxy listens for QUIC, too."""
    port = free_port()
    router = Router(tmp_path / "router", modes=[mode], listen_host=None, args=["--listen-port", str(port)])
    try:
        assert watch(router, port) == {"127.0.0.1"}
        assert router.log.count("listening at") == 1
    finally:
        router.stop()


@pytest.mark.xdist_group("listening")
async def test_users_choice_is_kept(start_router: StartRouter, tmp_path: Path) -> None:
    (tmp_path / "options.py").write_text(OPTIONS)
    port = free_port()
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
async def test_listens_on_all_addresses_if_asked(start_router: StartRouter) -> None:
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
