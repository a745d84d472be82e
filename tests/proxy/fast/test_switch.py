"""The switch of the fast path: what it replaces, what it restores, and for which versions `auto` is on."""

from __future__ import annotations

import asyncio
import logging
import socket
from collections.abc import AsyncIterator
from contextlib import ExitStack
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from mitmproxy import http
from mitmproxy.addons.proxyserver import Proxyserver
from mitmproxy.master import Master
from mitmproxy.options import Options
from mitmproxy.proxy import events
from mitmproxy.proxy.layers.http import HttpLayer, HTTPMode
from mitmproxy.proxy.layers.http._http1 import Http1Server
from mitmproxy.proxy.mode_servers import ServerInstance
from mitmproxy.test import taddons

from smart_router.proxy.claims import Claims
from smart_router.proxy.fast import accept, functions, reader, switch
from smart_router.proxy.fast.http1 import FastHttp1Server
from smart_router.proxy.fast.layer import FastRoutedLayer
from smart_router.proxy.fast.streams import Shortcuts
from smart_router.proxy.fixes.http1_bounds import BoundedHttp1Server
from smart_router.proxy.install import install_routing
from smart_router.proxy.layer import RoutedLayer
from tests.conftest import StartRouter
from tests.testbed.drive import Drive, make_context
from tests.testbed.harness import ROUTER, provider_env
from tests.testbed.provider import Provider
from tests.testbed.talk import ask_body, post

TABLE = [*functions.REPLACED, *reader.REPLACED]


@pytest.fixture
async def master() -> AsyncIterator[Master]:
    yield Master(Options())
    switch.disable()


def replaced(master: Master) -> list[Any]:
    manager = master.addons
    return [vars(owner).get(name) for owner, name, _ in TABLE] + sorted(vars(manager))


async def test_all_that_is_replaced_is_restored(master: Master) -> None:
    before = replaced(master)
    for _ in range(2):
        switch.enable(master)
        switch.enable(master)
        assert [vars(owner)[name] for owner, name, _ in TABLE] == [ours for *_, ours in TABLE]
        assert "trigger_event" in vars(master.addons)
        assert FastRoutedLayer.shortcuts.run_hook is not None
        switch.disable()
        switch.disable()
        assert replaced(master) == before
        assert FastRoutedLayer.shortcuts == Shortcuts()
    assert "get" not in vars(http.Headers)  # it is inherited again


async def test_new_connections_get_the_classes_of_the_mode(master: Master) -> None:
    classes = []
    for change in (lambda: switch.enable(master), switch.disable):
        change()
        top = HttpLayer(make_context(), HTTPMode.transparent)
        install_routing(top, Claims(1_000))
        Drive(top)(events.Start())
        classes.append((type(top), type(top.connections[top.context.client])))
    assert classes == [(FastRoutedLayer, FastHttp1Server), (RoutedLayer, BoundedHttp1Server)]
    assert issubclass(BoundedHttp1Server, Http1Server)


@pytest.mark.parametrize(
    ("setting", "version", "on"),
    [
        ("auto", switch.TESTED[0], True),
        ("auto", "99.0.0", False),
        ("on", "99.0.0", True),
        ("off", switch.TESTED[0], False),
    ],
)
async def test_meaning_of_each_setting(
    setting: str,
    version: str,
    on: bool,
    master: Master,
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
) -> None:
    monkeypatch.setattr(switch.version, "VERSION", version)
    with caplog.at_level(logging.INFO):
        switch.set_to(setting, master)
    assert (switch.layer_class() is FastRoutedLayer) == on
    assert len(caplog.messages) == (setting == "auto" and not on)


def test_the_installed_mitmproxy_is_a_tested_one() -> None:
    """Run tests/contracts with a new version, then list it."""
    assert switch.version.VERSION in switch.TESTED


UNTESTED = f"""
import sys
sys.path.insert(0, {str(ROUTER.parent)!r})
from smart_router.proxy.fast import switch
switch.TESTED = ("12.0.0",)
"""


async def test_on_an_untested_mitmproxy_it_stays_off_with_one_line(
    start_router: StartRouter, provider: Provider, tmp_path: Path
) -> None:
    script = tmp_path / "script.py"
    script.write_text(UNTESTED + ROUTER.read_text("utf-8"))
    router = await start_router(env=provider_env(provider.url, "openai"), script=script)
    async with router.http() as client:
        assert (await post(client, ask_body("openai/gpt-5.4-mini", stream=False))).status == 200
    assert router.log.count("fast path is off") == 1
    assert "router_fast_path=on" in router.log


WAITING = 12


async def largest_batch(port: int, accepted: list[asyncio.Protocol]) -> int:
    """Return how many of WAITING clients are accepted in one turn of the event loop at most."""
    accepted.clear()
    sizes = []
    with ExitStack() as stack:
        for _ in range(WAITING):
            stack.enter_context(socket.create_connection(("127.0.0.1", port)))  # the kernel accepts it
        while len(accepted) < WAITING:
            before = len(accepted)
            await asyncio.sleep(0)
            sizes.append(len(accepted) - before)
    return max(sizes)


async def test_a_server_accepts_in_small_batches_until_it_is_restored() -> None:
    accepted: list[asyncio.Protocol] = []

    class Accepted(asyncio.Protocol):
        def __init__(self) -> None:
            accepted.append(self)

    server = await asyncio.get_running_loop().create_server(Accepted, "127.0.0.1", 0)
    proxyserver: Any = Proxyserver()
    with taddons.context(proxyserver):
        instance: Any = ServerInstance.make("reverse:http://x:80", proxyserver)
    instance._servers = [server]
    listening: Any = SimpleNamespace(servers=[instance])
    port = server.sockets[0].getsockname()[1]
    async with server:
        sizes = [await largest_batch(port, accepted)]
        accept.accept_in_batches(listening)
        sizes.append(await largest_batch(port, accepted))
        accept.restore()
        sizes.append(await largest_batch(port, accepted))
    assert sizes == [WAITING, accept.ACCEPT_BATCH, WAITING]
