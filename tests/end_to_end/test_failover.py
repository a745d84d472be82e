"""If the first candidate fails in any way before content, the next one answers."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Mapping
from contextlib import AsyncExitStack
from pathlib import Path

import pytest
import pytest_asyncio

from tests.end_to_end.triggers import SILENCES, TRIGGERS, Case, cases, in_turn
from tests.testbed.chat import chat_answer, chat_stream
from tests.testbed.harness import Router
from tests.testbed.talk import Clients, Reply, chains_config, clients_of, providers_config, talk
from tests.testbed.upstreams import UNREACHABLE, Upstreams

pytestmark = pytest.mark.asyncio(loop_scope="module")

# without the fast path each trigger has one upstream, in turn: the fast path is tested with all of them
CASES = {"on": list(cases(TRIGGERS)), "off": list(cases(TRIGGERS, in_turn))}
SILENT = {"on": list(cases(SILENCES)), "off": list(cases(SILENCES, in_turn))}


def in_both_modes(table: Mapping[str, list[Case]]) -> pytest.MarkDecorator:
    """Run the cases of each mode in a router with that mode."""
    rows = [pytest.param(mode, case, id=f"{mode}-{case.id}") for mode, some in table.items() for case in some]
    return pytest.mark.parametrize(("mode", "case"), rows)


SHORT_LIMITS = {"router_first_byte_timeout": "0.8", "router_silence_timeout": "0.8"}
"""For the silent: a whole answer may take five times as long."""


# Both modes have their routers side by side: pytest mixes the tests of the modes; each change was a start.


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def upstreams() -> AsyncIterator[dict[str, Upstreams]]:
    async with Upstreams() as on, Upstreams() as off:
        yield {"on": on, "off": off}


def router(folder: Path, upstreams: Upstreams, some: list[Case], mode: str, **options: str) -> Router:
    chains = {case.id: [f"{case.upstream}/{case.id}", f"next/{case.id}"] for case in some}
    config = chains_config(chains) + providers_config(upstreams.urls)
    return Router(folder / mode, config=config, options={**options, "router_fast_path": mode})


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def clients(
    upstreams: dict[str, Upstreams], tmp_path_factory: pytest.TempPathFactory
) -> AsyncIterator[dict[str, Clients]]:
    folder = tmp_path_factory.mktemp("failover")
    async with AsyncExitStack() as stack:
        started = {}
        for mode, some in CASES.items():
            serving = await stack.enter_async_context(router(folder, upstreams[mode], some, mode))
            started[mode] = await stack.enter_async_context(clients_of(serving))
        yield started


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def silences(
    upstreams: dict[str, Upstreams], tmp_path_factory: pytest.TempPathFactory
) -> AsyncIterator[dict[tuple[str, str], asyncio.Task[Reply]]]:
    """All silent cases of a mode at once, by mode and id: each takes as long as its time limit.

    Over HTTP/2 they share a connection, but for those whose silence begins within a frame: what is sent after
    half a frame is garbage, and would end the others too.
    """
    folder = tmp_path_factory.mktemp("silences")
    async with AsyncExitStack() as stack:
        replies: dict[tuple[str, str], asyncio.Task[Reply]] = {}
        for mode, some in SILENT.items():
            silent = router(folder, upstreams[mode], some, mode, **SHORT_LIMITS)
            await stack.enter_async_context(silent)
            shared = await stack.enter_async_context(clients_of(silent))
            for case in some:
                clients = await stack.enter_async_context(clients_of(silent)) if case.stalls else shared
                replies[mode, case.id] = asyncio.create_task(run(case, upstreams[mode], clients))
            await asyncio.wait(replies.values())
        yield replies


async def run(case: Case, upstreams: Upstreams, clients: Clients) -> Reply:
    """Script both candidates, and ask."""
    if provider := upstreams.providers.get(case.upstream):
        provider.on(case.answer, path=f"/{case.upstream}/", model=case.id)
    good = chat_stream(["Ne", "xt."]) if case.stream else chat_answer("Next.")
    upstreams.providers["plain"].on(good, path="/next/", model=case.id)
    return await talk(clients[case.client], case.id, stream=case.stream)


def check(case: Case, upstreams: Upstreams, reply: Reply) -> None:
    """The second candidate's answer and nothing of the first one's, each asked once, in order."""
    assert (reply.status, reply.broken, reply.streamed) == (200, False, case.stream)
    assert (reply.text, reply.finish_reason) == ("Next.", "stop")
    assert reply.done == case.stream
    assert {choice["index"] for choice in reply.choices} == {0}
    told = {name: reply.router[name] for name in ("attempts", "provider", "model")}
    assert told == {"attempts": "2", "provider": "next", "model": case.id}
    assert "retry-after" not in reply.headers
    unreachable = case.upstream in ("refused", *UNREACHABLE)
    expected = ["next"] if unreachable else [case.upstream, "next"]
    assert [request.path.split("/")[1] for request in upstreams.requests(case.id)] == expected


@in_both_modes(CASES)
async def test_the_next_candidate_answers(
    mode: str, case: Case, upstreams: dict[str, Upstreams], clients: dict[str, Clients]
) -> None:
    check(case, upstreams[mode], await run(case, upstreams[mode], clients[mode]))


@in_both_modes(SILENT)
async def test_the_next_candidate_answers_after_silence(
    mode: str,
    case: Case,
    upstreams: dict[str, Upstreams],
    silences: dict[tuple[str, str], asyncio.Task[Reply]],
) -> None:
    check(case, upstreams[mode], await silences[mode, case.id])
