"""If the first candidate fails in any way before content, the next one answers."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Mapping
from contextlib import AsyncExitStack

import pytest
import pytest_asyncio

from tests.end_to_end.triggers import SILENCES, TRIGGERS, Case, cases
from tests.testbed.chat import chat_answer, chat_stream
from tests.testbed.harness import Router
from tests.testbed.talk import Clients, Reply, chains_config, clients_of, providers_config, talk
from tests.testbed.upstreams import UNREACHABLE, Upstreams

pytestmark = pytest.mark.asyncio(loop_scope="module")

# without the fast path each trigger has one upstream, in turn: the fast path is tested with all of them
CASES = {"on": list(cases(TRIGGERS)), "off": list(cases(TRIGGERS, every_upstream=False))}
SILENT = {"on": list(cases(SILENCES)), "off": list(cases(SILENCES, every_upstream=False))}


def in_both_modes(table: Mapping[str, list[Case]]) -> pytest.MarkDecorator:
    """Run the cases of each mode in a router with that mode."""
    rows = [pytest.param(mode, case, id=f"{mode}-{case.id}") for mode, some in table.items() for case in some]
    return pytest.mark.parametrize(("fast_path", "case"), rows, scope="module")


SHORT_LIMITS = {"router_first_byte_timeout": "0.4", "router_silence_timeout": "0.4"}
"""For the silent: a whole answer may take five times as long."""


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def upstreams(fast_path: str) -> AsyncIterator[Upstreams]:
    async with Upstreams() as upstreams:
        yield upstreams


def config(upstreams: Upstreams, some: list[Case]) -> str:
    chains = {case.id: [f"{case.upstream}/{case.id}", f"next/{case.id}"] for case in some}
    return chains_config(chains) + providers_config(upstreams.urls)


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def clients(
    upstreams: Upstreams, tmp_path_factory: pytest.TempPathFactory, fast_path: str
) -> AsyncIterator[Clients]:
    folder = tmp_path_factory.mktemp("failover") / "router"
    made_of = config(upstreams, CASES[fast_path])
    async with (
        Router(folder, config=made_of, options={"router_fast_path": fast_path}) as router,
        clients_of(router) as clients,
    ):
        yield clients


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def silences(
    upstreams: Upstreams, tmp_path_factory: pytest.TempPathFactory, fast_path: str
) -> AsyncIterator[dict[str, asyncio.Task[Reply]]]:
    """All silent cases at once: each takes as long as its time limit.

    Over HTTP/2 they share a connection, but for those whose silence begins within a frame: what is sent after
    half a frame is garbage, and would end the others too.
    """
    folder = tmp_path_factory.mktemp("silences") / "router"
    options = {**SHORT_LIMITS, "router_fast_path": fast_path}
    async with (
        Router(folder, config=config(upstreams, SILENT[fast_path]), options=options) as router,
        clients_of(router) as shared,
        AsyncExitStack() as stack,
    ):
        replies: dict[str, asyncio.Task[Reply]] = {}
        for case in SILENT[fast_path]:
            clients = await stack.enter_async_context(clients_of(router)) if case.stalls else shared
            replies[case.id] = asyncio.create_task(run(case, upstreams, clients))
        yield replies
        await asyncio.gather(*replies.values(), return_exceptions=True)


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
async def test_the_next_candidate_answers(case: Case, upstreams: Upstreams, clients: Clients) -> None:
    check(case, upstreams, await run(case, upstreams, clients))


@in_both_modes(SILENT)
async def test_the_next_candidate_answers_after_silence(
    case: Case, upstreams: Upstreams, silences: dict[str, asyncio.Task[Reply]]
) -> None:
    check(case, upstreams, await silences[case.id])
