"""An exception in all background work at once: clients get answers, /health tells, and nothing is lost."""

from __future__ import annotations

import asyncio
import re
import time
from collections.abc import AsyncIterator
from pathlib import Path

import httpx
import pytest
import pytest_asyncio

import smart_router
from smart_router.cluster.sealing import new_key
from smart_router.cluster.settings import KEY, URL
from smart_router.lifecycle import STEPS as REPEATED
from smart_router.stats.database import reading
from tests.faults.sabotage import Sabotage
from tests.testbed.answers import Answer
from tests.testbed.chat import chat_error
from tests.testbed.client_formats import FORMATS, ask
from tests.testbed.harness import Router, provider_env
from tests.testbed.provider import Provider
from tests.testbed.record import Request
from tests.testbed.talk import ask_body, post
from tests.testbed.wires import speak

pytestmark = pytest.mark.asyncio(loop_scope="module")

STEPS = {
    # threads
    "stats": "stats.writer:RecordWriter._write_batch",
    "auth-store": "auth.storage.writer:StoreWriter._write",
    "clients": "client_keys.book:ClientBook._look",
    "lessons": "attempts.lessons:Lessons._write",
    "cluster-replica": "cluster.replica:Replica._step",
    "cluster-link": "cluster.link:Link._away",
    "cluster-recall": "cluster.recall:Recall._next_jobs",
    # steps of the event loop
    "config": "runtime:Runtime.reload",
    "logins": "auth.refresh:Refresher.refresh_due",
    "trouble": "local_trouble:Troubles.look",
    "lessons-file": "attempts.lessons:Lessons.look",
    "threads": "background:revive",
    "readers": "proxy.fixes.slow_readers:SlowReaders.look",
    "memory": "lifecycle:return_freed_memory",
    "watch-requests": "ui.progress:Watch.look",
    "live-page": "live.watcher:Watcher._look",
}
"""All background work of a router, and a function that it calls again and again."""

ELSEWHERE = {
    "auth-keyring": "tests/auth/storage/test_keyring_trouble.py",  # with a keyring
    "report": "tests/workers/test_serve.py",  # in a worker
}
THREADS = list(STEPS)[:7]
REFUSAL = "Unsupported parameter: 'top_p' is not supported with this model."
PATIENCE = 30.0
PACE = 0.3
"""Seconds between two looks at /health."""


async def test_the_table_has_all_background_work() -> None:
    package = Path(smart_router.__file__).parent
    text = "".join(path.read_text() for path in package.rglob("*.py"))
    found = set(re.findall(r"\b(?:BackgroundThread|BackgroundWriter|RepeatedStep)\(\s*\"([\w-]+)\"", text))
    assert found | {name for name, _, _ in REPEATED} == STEPS.keys() | ELSEWHERE.keys()


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def router(
    shared_provider: Provider, tmp_path_factory: pytest.TempPathFactory
) -> AsyncIterator[tuple[Router, Sabotage]]:
    """A machine of a cluster whose database cannot be reached."""
    folder = tmp_path_factory.mktemp("background")
    sabotage = Sabotage(folder / "sabotage", {name: f"smart_router.{at}" for name, at in STEPS.items()})
    env = provider_env(shared_provider.url, "openai")
    env |= {URL: "postgresql://127.0.0.1:1/none", KEY: new_key()}
    async with sabotage.router(folder / "router", env=env, config="[cluster]\n") as router:
        yield router, sabotage


async def until(http: httpx.AsyncClient, names: list[str], **fields: str) -> list[str]:
    """Wait until /health says this of all of them, while clients ask; return its troubles."""
    give_up = time.monotonic() + PATIENCE
    while True:
        health = (await http.get("/health")).json()
        found = {one["name"]: one for one in health["background"]}
        others = [name for name in names if not fields.items() <= found.get(name, {}).items()]
        if not others:
            return list(health["trouble"])
        assert time.monotonic() < give_up, [found.get(name, name) for name in others]
        await answered(http)
        await asyncio.sleep(PACE)


asked: list[str] = []


async def answered(http: httpx.AsyncClient) -> None:
    """Every client gets its answer."""
    for name, format_ in FORMATS.items():
        for stream in (False, True):
            got = await ask(http, format_, "auto", f"Request {len(asked)}", stream=stream)
            assert (got.status, got.text, got.finished) == (200, "Hello.", True), (name, got)
            asked.append(got.headers["x-router-request-id"])


def speaks(request: Request) -> Answer:
    if "top_p" in request.json:
        return chat_error(400, REFUSAL, "unsupported_parameter")
    return speak(request, "Hello.")


@pytest.mark.parametrize("error", ["RuntimeError", "SystemExit"])
async def test_all_background_work_fails_and_goes_on_again(
    router: tuple[Router, Sabotage], error: str, provider: Provider
) -> None:
    router_, sabotage = router
    provider.script.default = speaks
    # SystemExit in the event loop would rightly end the process
    names = THREADS if error == "SystemExit" else list(STEPS)
    async with router_.http() as http, http.stream("GET", "/router/events"):
        with sabotage.raising(names, error):
            refused = ask_body(f"openai/gpt-4.9-{error.lower()}", stream=False, top_p=0.5)
            assert (await post(http, refused)).status == 200
            assert await until(http, names, error=f"{error}: sabotage")
        assert await until(http, names, state="running") == []
    recorded: set[str] = set()
    async with asyncio.timeout(PATIENCE):
        while not set(asked) <= recorded:
            with reading(router_.state_folder) as db:
                recorded = {id_ for (id_,) in db.execute("SELECT request_id FROM decisions")}
            await asyncio.sleep(0.05)
    assert f"gpt-4.9-{error.lower()}" in (router_.state_folder / "lessons.json").read_text()
