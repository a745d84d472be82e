"""A named model: only other profiles of its provider are tried."""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterable

import pytest
import pytest_asyncio

from tests.end_to_end.triggers import STATUSES, TRIGGERS, Case, cases, plain_alone
from tests.testbed.chat import chat_answer, chat_error, chat_stream
from tests.testbed.examples import FULL, PROFILE
from tests.testbed.harness import Router, provider_env
from tests.testbed.talk import Clients, clients_of, providers_config, talk
from tests.testbed.upstreams import UNREACHABLE, Upstreams

pytestmark = pytest.mark.asyncio(loop_scope="module")

TWO_KEYS = {"PLAIN_KEY": "first-key", "PLAIN_KEY_2": "second-key"}
CASES = [
    case
    for case in cases(TRIGGERS, plain_alone)
    if case.client == "h1" and case.trigger.name != "empty_answer"
]


def in_both_forms(name: str, some: Iterable[object]) -> pytest.MarkDecorator:
    """Run each streamed and whole, with the clients in turn; with both with the profile `full`."""
    rows = [
        pytest.param(one, stream, client, id=f"{one}-{'stream' if stream else 'whole'}-{client}")
        for number, one in enumerate(some)
        for stream in (True, False)
        for client in ("h1", "h2")
        if PROFILE == FULL or (client == "h2") == ((number % 2 == 1) == stream)
    ]
    return pytest.mark.parametrize((name, "stream", "client"), rows)


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def upstreams(fast_path: str) -> AsyncIterator[Upstreams]:
    async with Upstreams() as upstreams:
        yield upstreams


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def clients(
    upstreams: Upstreams, tmp_path_factory: pytest.TempPathFactory, fast_path: str
) -> AsyncIterator[Clients]:
    """`plain` has two profiles, `single` (at the same address) and the unreachable ones have one."""
    urls = {**upstreams.urls, "single": f"{upstreams.providers['plain'].url}/single/v1"}
    config = providers_config(urls, plain="PLAIN_KEY")
    env = {**TWO_KEYS, **provider_env(upstreams.providers["plain"].url, "openai", "groq")}
    folder = tmp_path_factory.mktemp("explicit") / "router"
    options = {"router_fast_path": fast_path, "router_max_attempts": "2"}
    async with (
        Router(folder, config=config, env=env, options=options) as router,
        clients_of(router) as clients,
    ):
        yield clients


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.id)
async def test_the_other_profile_answers(case: Case, upstreams: Upstreams, clients: Clients) -> None:
    good = chat_stream(["Ne", "xt."]) if case.stream else chat_answer("Next.")
    upstreams.providers["plain"].on(case.answer, good, path="/plain/", model=case.id)
    reply = await talk(clients["h1"], f"plain/{case.id}", stream=case.stream)
    assert (reply.status, reply.text, reply.router["attempts"]) == (200, "Next.", "2")
    assert reply.router["profile"] == "plain:env2"
    asked = [(one.path.split("/")[1], one.headers["authorization"]) for one in upstreams.requests(case.id)]
    assert asked == [("plain", "Bearer first-key"), ("plain", "Bearer second-key")]


@in_both_forms("status", STATUSES)
async def test_without_another_profile_it_is_tried_again_and_then_the_error_arrives(
    status: int, stream: bool, client: str, upstreams: Upstreams, clients: Clients
) -> None:
    model = f"m{status}-{stream}-{client}"
    upstreams.providers["plain"].on(chat_error(status, "Sorry."), always=True, path="/single/", model=model)
    reply = await talk(clients[client], f"single/{model}", stream=stream)
    assert (reply.status, reply.headers["content-type"]) == (status, "application/json")
    assert reply.headers["x-should-retry"] == "false"
    assert reply.error.keys() == {"message", "type", "param", "code", "attempts"}
    assert reply.error["message"].endswith("The last said: Sorry.")
    told = [(attempt["provider"], attempt["model"], attempt["status"]) for attempt in reply.error["attempts"]]
    assert told == [("single", model, status)] * 2
    assert reply.router["attempts"] == "2"
    assert len(upstreams.requests(model)) == 2


@pytest.mark.parametrize("stream", [True, False], ids=["stream", "whole"])
async def test_one_fault_of_the_only_candidate_is_not_noticed(
    stream: bool, upstreams: Upstreams, clients: Clients
) -> None:
    model = f"once-{stream}"
    good = chat_stream(["Go", "od."]) if stream else chat_answer("Good.")
    upstreams.providers["plain"].on(chat_error(500), good, path="/single/", model=model)
    reply = await talk(clients["h1"], f"single/{model}", stream=stream)
    assert (reply.status, reply.text, reply.router["attempts"]) == (200, "Good.", "2")
    first, second = upstreams.requests(model)
    assert second.at - first.at < 1


@in_both_forms("provider", ["refused", *UNREACHABLE])
async def test_an_unreachable_provider_is_a_502(
    provider: str, stream: bool, client: str, upstreams: Upstreams, clients: Clients
) -> None:
    model = f"m-{stream}-{client}"
    reply = await talk(clients[client], f"{provider}/{model}", stream=stream)
    assert (reply.status, reply.error["code"]) == (502, "upstream_server")
    assert f"The last said: {provider}/{model}: " in reply.error["message"]
    assert reply.headers["x-should-retry"] == "false"
    assert upstreams.requests(model) == []


async def test_two_profiles_both_failing(upstreams: Upstreams, clients: Clients) -> None:
    upstreams.providers["plain"].on(chat_error(503), chat_error(500), path="/plain/", model="both")
    reply = await talk(clients["h1"], "plain/both", stream=False)
    assert (reply.status, reply.headers["x-should-retry"]) == (500, "false")
    tried = [(attempt["profile"], attempt["status"]) for attempt in reply.error["attempts"]]
    assert tried == [("plain:env", 503), ("plain:env2", 500)]


@pytest.mark.parametrize("stream", [True, False], ids=["stream", "whole"])
async def test_an_empty_answer_is_an_answer(upstreams: Upstreams, clients: Clients, stream: bool) -> None:
    model = f"empty-{stream}"
    empty = chat_stream([]) if stream else chat_answer("")
    upstreams.providers["plain"].on(empty, path="/plain/", model=model)
    reply = await talk(clients["h1"], f"plain/{model}", stream=stream)
    assert (reply.status, reply.text, reply.finish_reason) == (200, "", "stop")
    assert len(upstreams.requests(model)) == 1


async def test_a_broken_stream_is_not_continued_elsewhere(upstreams: Upstreams, clients: Clients) -> None:
    broken = chat_stream(["a"], done=False)
    upstreams.providers["plain"].on(broken, path="/plain/", model="broken")
    reply = await talk(clients["h1"], "plain/broken", stream=True)
    assert (reply.status, reply.text, reply.done, reply.finish_reason) == (200, "a", False, None)
    assert reply.error["message"]
    assert len(upstreams.requests("broken")) == 1
