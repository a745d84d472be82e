"""Config and script change again and again under load: no stream breaks, no request sees half of either."""

from __future__ import annotations

import asyncio
import os
import shutil
import time
from collections import Counter
from pathlib import Path

import pytest

from tests.conftest import StartRouter
from tests.testbed.chat import chat_stream
from tests.testbed.client_formats import FORMATS, ask
from tests.testbed.harness import ROUTER, START_LIMIT, Router
from tests.testbed.provider import Provider
from tests.testbed.talk import chains_config, providers_config

PIECES = ["one ", "two ", "three"]
CLIENTS = 4
SETS = {name: (f"{name}-a", f"{name}-b") for name in ("red", "blue")}
"""Each config has two providers of one colour behind one virtual model: half of it would mix them."""


def config(url: str, colour: str, spoiled: bool = False) -> str:
    """A whole config, or the first half of one, as an editor leaves it that does not write at once."""
    names = SETS[colour]
    providers = providers_config({name: f"{url}/{name}/v1" for name in names})
    text = chains_config({"painted": [f"{name}/m-{colour}" for name in names]}) + providers
    return text[: len(text) // 2] + "\n[routing" if spoiled else text


async def load(router: Router, over: asyncio.Event, seen: Counter[str]) -> None:
    """Streams, one after the other, each of which must be whole."""
    async with router.http() as http:
        while not over.is_set():
            got = await ask(http, FORMATS["chat"], "painted", "Hi", stream=True)
            assert (got.status, got.text, got.finished, got.error) == (200, "".join(PIECES), True, None)
            seen[got.headers["x-router-model"]] += 1


async def reload_config(router: Router, provider: Provider, times: int) -> None:
    """Every fifth time it is spoiled first."""
    for number in range(times):
        colour = ("red", "blue")[number % 2]
        if number % 5 == 0:
            router.config_file.write_text(config(provider.url, colour, spoiled=True))
            await asyncio.to_thread(until_logged, router, NOT_RELOADED, number // 5 + 1)
        router.config_file.write_text(config(provider.url, colour))
        await asyncio.to_thread(until_logged, router, "config reloaded", number + 1)


NOT_RELOADED = "the config was not reloaded"


def until_logged(router: Router, text: str, times: int) -> None:
    give_up = time.monotonic() + START_LIMIT
    while router.log.count(text) < times:
        assert time.monotonic() < give_up, (text, times)
        time.sleep(0.05)


async def reload_script(router: Router, script: Path, times: int) -> None:
    later = time.time()
    for number in range(times):
        later += 10
        os.utime(script, (later, later))
        await asyncio.to_thread(until_logged, router, f"Loading script {script}", number + 2)


@pytest.mark.parametrize(
    ("configs", "scripts"), [(4, 2), pytest.param(100, 100, marks=pytest.mark.slow, id="100 of each")]
)
async def test_reloads_under_load(
    start_router: StartRouter, provider: Provider, tmp_path: Path, configs: int, scripts: int
) -> None:
    script = tmp_path / "addon" / "router.py"
    script.parent.mkdir()
    shutil.copy(ROUTER, script)
    provider.script.default = lambda request: chat_stream(PIECES, pause=0.02)
    router = await start_router(script=script, config=config(provider.url, "red"), listen_host=None)
    over, seen = asyncio.Event(), Counter[str]()
    async with asyncio.TaskGroup() as group:
        for _ in range(CLIENTS):
            group.create_task(load(router, over, seen))
        await asyncio.gather(reload_config(router, provider, configs), reload_script(router, script, scripts))
        over.set()
    assert {name.rpartition("/")[2] for name in seen} == {"m-red", "m-blue"}
    for request in provider.requests:
        colour = request.path.split("/")[1].partition("-")[0]
        assert request.model == f"m-{colour}"
