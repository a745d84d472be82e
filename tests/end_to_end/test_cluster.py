"""Routers with state folders of their own as machines of a cluster, and a real PostgreSQL."""

from __future__ import annotations

import asyncio
import contextlib
import os
import time
from collections.abc import AsyncIterator, Callable, Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest
import pytest_asyncio

from smart_router.client_keys.database import Settings, changing
from smart_router.cluster.sealing import new_key
from smart_router.cluster.settings import KEY, URL
from tests.cluster.test_link import AWAYS
from tests.end_to_end.test_conversations import CHAT, HARD, TOOLS, asked, kimi, looked, turn
from tests.testbed.chat import chat_answer, chat_error
from tests.testbed.harness import Router, provider_env
from tests.testbed.postgres import FragilePostgres
from tests.testbed.provider import Provider

pytestmark = pytest.mark.asyncio(loop_scope="module")

PATIENCE = 30.0
LOOPS = int(os.environ.get("SMART_ROUTER_LOOPS", "5"))
PACE = 0.1
"""Seconds between a client's requests while the database is away."""
TRIES = 1 if "SMART_ROUTER_LOOPS" in os.environ else 2
"""Machines of which one must know a conversation: a lookup has 50 ms, which a busy machine may not have."""
KIMI = "openrouter/moonshotai/kimi-k2-thinking"
SECRET = new_key()
ASK: dict[str, Any] = {"model": "openai/gpt-5.4", "messages": [{"role": "user", "content": "Hi"}]}


BREAKS: dict[str, tuple[Callable[[FragilePostgres], None], Callable[[FragilePostgres], None]]] = {
    **AWAYS,
    "cut off": (FragilePostgres.cut_off, FragilePostgres.reconnect),
    "its disk full": (FragilePostgres.fill_disk, FragilePostgres.free_disk),
}
_MODELS = ["gpt-4.1-nano", "gpt-4o", "gpt-4o-mini", "gpt-5-mini", "gpt-5-nano"]
MISSING = dict(zip(BREAKS, _MODELS, strict=True))
"""A model that the provider does not have, for each of these tests."""


@pytest.fixture(scope="module")
def postgres() -> Iterator[FragilePostgres]:
    with FragilePostgres() as server:
        yield server


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def routers(
    tmp_path_factory: pytest.TempPathFactory, postgres: FragilePostgres, shared_provider: Provider
) -> AsyncIterator[list[Router]]:
    """Three machines of one cluster."""
    folder = tmp_path_factory.mktemp("cluster")
    url = postgres.new_database()
    routers = [started(folder / f"machine-{number}", url, shared_provider) for number in range(3)]
    await asyncio.gather(*(asyncio.to_thread(one.start) for one in routers))
    yield routers
    for one in routers:
        await asyncio.to_thread(one.stop)


def started(folder: Path, url: str, provider: Provider, config: str = "", *, max_wait: str = "0") -> Router:
    env = {**provider_env(provider.url, "openai", "openrouter"), URL: url, KEY: SECRET}
    options = {"router_max_wait": max_wait}
    config += f'[cluster]\nname = "{folder.name}"\nconfig = true\n'
    return Router(folder, env=env, options=options, config=config)


async def health(http: httpx.AsyncClient) -> dict[str, Any]:
    answer: dict[str, Any] = (await http.get("/health")).json()
    return answer


async def until(router: Router, holds: Callable[[dict[str, Any]], object]) -> dict[str, Any]:
    """Wait until /health is so: machines tell each other of a change within a second."""
    async with asyncio.timeout(PATIENCE), router.http() as http:
        while not holds(found := await health(http)):  # noqa: ASYNC110  # nobody tells
            await asyncio.sleep(0.1)
    return found


async def ask(router: Router, body: dict[str, Any] = ASK) -> int:
    async with router.http() as http:
        return (await http.post("/v1/chat/completions", json=body)).status_code


async def stats(router: Router) -> dict[str, Any]:
    async with router.http() as http:
        answer: dict[str, Any] = (await http.get("/router/stats")).json()
    return answer


async def test_health_tells_of_all_machines(routers: list[Router]) -> None:
    found = await until(routers[0], lambda health: len(health["machines"]) == 3)
    assert found["cluster"] == "ok"
    assert {one["name"] for one in found["machines"]} == {"machine-0", "machine-1", "machine-2"}
    assert {one["state"] for one in found["machines"]} == {"ok"}


async def test_a_model_that_one_machine_was_refused_is_asked_for_by_none(
    routers: list[Router], provider: Provider
) -> None:
    provider.on(chat_error(404, "There is no such model.", "model_not_found"))
    provider.on(chat_answer(), always=True)
    missing = {**ASK, "model": "openai/gpt-4.1-mini"}
    assert await ask(routers[0], missing) == 404
    for one in routers[1:]:
        await until(one, lambda health: health["providers"]["openai"]["cooled_models"])
        assert await ask(one, missing) >= 400
    assert len(provider.requests) == 1


async def test_a_key_that_is_revoked_on_one_machine_is_refused_by_all(
    routers: list[Router], provider: Provider
) -> None:
    provider.on(chat_answer(), always=True)
    with changing(routers[0].state_folder) as file:
        shown = {"x-api-key": file.add("laptop", Settings(), time.time()).get_secret_value()}

    async def is_answered(one: Router, status: int) -> None:
        async with asyncio.timeout(PATIENCE), one.http() as http:
            while (await http.post(CHAT, json=ASK, headers=shown)).status_code != status:  # noqa: ASYNC110
                await asyncio.sleep(0.05)

    for one in routers:
        await is_answered(one, 200)
    with changing(routers[1].state_folder) as file:
        file.revoke("laptop", time.time())
    began = time.monotonic()
    await asyncio.gather(*(is_answered(one, 401) for one in routers))
    print(f"refused everywhere after {time.monotonic() - began:.2f} s")


async def test_the_config_that_is_edited_on_one_machine_is_that_of_all_and_a_bad_one_of_none(
    routers: list[Router], provider: Provider
) -> None:
    provider.on(chat_answer(), always=True)
    named = {**ASK, "model": "my-model"}
    alias = '[models.aliases]\n"my-model" = "openai/gpt-5.4"\n'
    edited = routers[1].config_file
    before = (await until(routers[1], lambda health: health["config_version"]))["config_version"]
    edited.write_text(alias + edited.read_text())
    for one in routers:
        found = await until(one, lambda health: health["config_version"] == before + 1)
        await until(one, lambda health: {m["config_version"] for m in health["machines"]} == {before + 1})
        async with asyncio.timeout(PATIENCE):
            while await ask(one, named) != 200:  # noqa: ASYNC110  # nobody tells
                await asyncio.sleep(0.05)
        assert found["config_error"] is None
    good = routers[0].config_file.read_text()
    routers[0].config_file.write_text(f"nonsense\n{good}")
    await until(routers[0], lambda health: health["config"]["error"])
    for one in routers:
        assert await ask(one, named) == 200
        async with one.http() as http:
            assert (await health(http))["config_version"] == before + 1
    assert routers[2].config_file.read_text().startswith(alias)
    routers[0].config_file.write_text(good)
    await until(routers[0], lambda health: not health["config"]["error"])


async def test_reports_and_metrics_of_each_machine_tell_of_all(
    routers: list[Router], provider: Provider
) -> None:
    provider.on(chat_answer(), always=True)
    for one in routers:
        assert await ask(one) == 200
        await stats(one)  # which sends its records
    report = await stats(routers[0])
    assert {one["name"] for one in report["machines"]} == {"machine-0", "machine-1", "machine-2"}
    assert report["total"]["requests"] == sum(one["requests"] for one in report["machines"]) >= 3
    await until(routers[1], lambda health: all(one["requests"] for one in health["machines"]))
    async with routers[1].http() as http:
        metrics = (await http.get("/metrics")).text
    assert 'smart_router_machine_requests_total{machine="machine-2"}' in metrics
    assert 'smart_router_machine_up{machine="machine-0"} 1.0' in metrics


async def test_tool_loops_whose_turns_go_to_other_machines_keep_model_and_reasoning(
    routers: list[Router], provider: Provider
) -> None:
    provider.on(kimi, path="/openrouter", always=True)
    provider.on(chat_answer(), always=True)
    loop = {"model": KIMI, "tools": TOOLS}
    lost = 0
    async with contextlib.AsyncExitStack() as stack:
        clients = [await stack.enter_async_context(one.http()) for one in routers]
        for number in range(LOOPS):
            first, *others = clients[number % 3 :] + clients[: number % 3]
            text = f"What is the weather of day {number}?"
            answer = await turn(first, asked(text), **loop)
            id_ = answer.json()["choices"][0]["message"]["tool_calls"][0]["id"]
            await turn(first, asked(f"{HARD} {number}"), model="auto")
            hard = provider.requests[-1].json["model"]
            told = [*asked(f"{HARD} {number}"), {"role": "assistant", "content": "Done."}, *asked("Thanks!")]
            reasons = stays = False
            for other in others[:TRIES]:
                await turn(other, looked(text, id_), **loop)
                reasons |= bool(provider.requests[-1].json["messages"][1].get("reasoning_details"))
                await turn(other, told, model="auto")
                stays |= provider.requests[-1].json["model"] == hard
            lost += (not reasons) + (not stays)
    assert lost == 0, f"{lost} of {2 * LOOPS} turns"


@pytest.mark.parametrize("how", BREAKS)
async def test_no_request_fails_while_the_database_is_away_and_nothing_is_lost(
    routers: list[Router], postgres: FragilePostgres, provider: Provider, how: str
) -> None:
    if how not in AWAYS and not postgres.breakable:
        pytest.skip("needs root, namespaces and iptables")
    missing = MISSING[how]
    unknown = chat_error(404, "There is no such model.", "model_not_found")
    provider.on(lambda request: unknown if request.json["model"] == missing else chat_answer(), always=True)
    leave, come_back = BREAKS[how]
    for one in routers:
        await until(one, lambda health: health["cluster"] == "ok")
        await stats(one)  # which sends its records
    before = (await stats(routers[0]))["total"]["requests"]
    lines = [(one.log.count("is away"), one.log.count("is back")) for one in routers]
    answers: list[int] = []

    async def load(one: Router) -> None:
        async with one.http() as http:
            while not healed.is_set():
                answers.append((await http.post(CHAT, json=ASK)).status_code)
                await asyncio.sleep(PACE)  # as fast as it can, it takes the CPU from the machines

    healed = asyncio.Event()
    loads = [asyncio.create_task(load(one)) for one in routers]
    try:
        await asyncio.to_thread(leave, postgres)
        for one in routers:
            await until(one, lambda health: health["cluster"].startswith("away since"))
        assert await ask(routers[0], {**ASK, "model": f"openai/{missing}"}) == 404
    finally:
        await asyncio.to_thread(come_back, postgres)
        try:
            for one in routers:
                await until(one, lambda health: health["cluster"] == "ok")
        finally:
            healed.set()
            await asyncio.gather(*loads)
    assert set(answers) == {200}
    for one in routers:
        await until(one, lambda health: missing in str(health["providers"]["openai"]["cooled_models"]))
        await stats(one)
    report = await stats(routers[0])
    assert report["machines"] and report["total"]["requests"] == before + len(answers) + 1
    counted = [(one.log.count("is away"), one.log.count("is back")) for one in routers]
    assert counted == [(away + 1, back + 1) for away, back in lines]


@pytest.mark.usefixtures("shared_provider")
async def test_a_fresh_start_without_the_database_serves(tmp_path: Path, provider: Provider) -> None:
    provider.on(chat_answer(), always=True)
    router = started(tmp_path / "alone", "postgresql://router@127.0.0.1:1/none", provider)
    async with router:
        assert await ask(router) == 200
        found = await until(router, lambda health: health["cluster"].startswith("away since 20"))
        assert found["status"] == "ok"
    assert router.log.count("the database is away") == 1


@pytest.mark.usefixtures("shared_provider")
async def test_a_machine_without_the_client_library_says_what_to_install(
    tmp_path: Path, provider: Provider
) -> None:
    missing = tmp_path / "missing.py"
    missing.write_text("import sys; sys.modules['psycopg'] = None")
    router = started(tmp_path / "bare", "postgresql://router@127.0.0.1:1/none", provider)
    router._command += ["-s", str(missing)]
    router.launch()
    try:
        await asyncio.to_thread(router.wait_for_log, r"cluster: needs the database's client: pip install")
    finally:
        router._end()
