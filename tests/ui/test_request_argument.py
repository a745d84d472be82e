"""mitmweb: naming a request in commands by its id; comments, markers and columns."""

from __future__ import annotations

import asyncio
import json
import re
from collections.abc import AsyncIterator

import pytest
import pytest_asyncio

from tests.conftest import StartRouter
from tests.testbed.answers import Fault
from tests.testbed.chat import chat_answer, chat_error
from tests.testbed.harness import Router, provider_env
from tests.testbed.provider import Provider
from tests.testbed.talk import Reply, ask_body, chains_config, post
from tests.ui.web import Web, web_arguments

pytestmark = [pytest.mark.asyncio(loop_scope="module"), pytest.mark.xdist_group("naming_requests")]

CHAIN = ["openai/gpt-4.1", "groq/openai/gpt-oss-20b"]


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def router(
    shared_provider: Provider, tmp_path_factory: pytest.TempPathFactory
) -> AsyncIterator[Router]:
    async with Router(
        tmp_path_factory.mktemp("naming") / "router",
        **web_arguments(),
        env=provider_env(shared_provider.url, "openai", "groq"),
        config=chains_config({"chain": CHAIN}),
    ) as router:
        yield router


@pytest_asyncio.fixture(loop_scope="module")
async def web(router: Router) -> AsyncIterator[Web]:
    async with Web(router) as web:
        yield web


async def ask(router: Router, model: str = "chain") -> Reply:
    async with router.http() as http:
        return await post(http, ask_body(model, stream=False, text="Hi"))


async def refusal(web: Web, name: str, *arguments: str) -> str:
    """Return the error of a command."""
    answer = await web.http.post(f"/commands/{name}", json={"arguments": list(arguments)})
    return str(answer.json()["error"])


async def test_request_is_named_by_its_id(router: Router, web: Web, provider: Provider) -> None:
    provider.on(chat_error(500), chat_error(500), path="/openai")
    replies = []
    for _ in range(2):
        replies.append(await ask(router))
        await web.command("router.cooldown.clear")
    for reply in replies:
        id_ = reply.router["request-id"]
        client = await web.client_of(reply)
        attempt = (await web.wait_for(1, f"^attempt 1: .*{id_}$"))[0]
        for spec in (id_, id_[:9], f"~comment {id_}", f"~meta {id_}", f"@{attempt['id']}"):
            explained = dict(await web.command("router.explain", spec))
            assert explained["then"].endswith(f"; {id_}"), spec
        assert client["comment"].startswith("answered by groq/openai/gpt-oss-20b after 2 attempts, SIMPLE")
    await web.command("router.replay", replies[0].router["request-id"], CHAIN[1])
    [copy] = await web.wait_for(1, "explicit → groq/openai/gpt-oss-20b")
    await web.wait_for_text(copy, "response", "Hi")
    cause = await web.command("router.explain", replies[0].router["request-id"])
    assert [row[1][:26] for row in cause if row[1].startswith("attempt 1: ")] == [
        "attempt 1: openai/gpt-4.1 "
    ]


@pytest.mark.parametrize("command", ["router.explain", "router.replay"])
async def test_ambiguous_argument_is_refused_with_advice(
    router: Router, web: Web, provider: Provider, command: str
) -> None:
    await ask(router)
    await ask(router)
    sent = len(provider.requests)
    more = CHAIN[1:] if command == "router.replay" else []
    assert "type the request's id in place of @focus" in await refusal(web, command, "@focus", *more)
    assert re.search(
        r"\d+ requests match 'completions': type the id of one",
        await refusal(web, command, "completions", *more),
    )
    assert "no routed request matches 'feedfeed'" in await refusal(web, command, "feedfeed", *more)
    assert len(provider.requests) == sent


async def test_refused_request_is_marked_with_the_reason(router: Router, web: Web) -> None:
    reply = await ask(router, "no-such-model")
    client = await web.client_of(reply)
    assert reply.status == 404 and client["marked"] == "⛔"
    assert client["comment"].startswith("refused: 404 model_not_found: ")
    assert "no-such-model" in await refusal(web, "router.explain", reply.router["request-id"])


async def test_comment_of_running_request_says_what_it_waits_for(
    router: Router, web: Web, provider: Provider
) -> None:
    provider.on(chat_answer().but(fault=Fault.SILENT_BEFORE_HEAD), path="/openai")
    asking = asyncio.create_task(ask(router))
    request = await provider.wait_for_request()
    decided = r"^SIMPLE → openai/gpt-4\.1, \$[\d.]+ estimated; "
    waiting = r"waiting for openai since \d\d:\d\d:\d\d, \d+ s silent, gives up at 300 s; .*"
    [client] = await web.wait_for(1, decided + waiting)
    id_ = client["comment"].rpartition("; ")[2]
    head, row = await web.command("router.running")
    shown = dict(zip(head, row, strict=True))
    assert (shown["id"], shown["candidate"], shown["attempt"]) == (id_, CHAIN[0], "1")
    assert shown["now"].startswith("waiting for openai since ")
    request.release()
    assert (await asking).router["request-id"] == id_
    await web.wait_for(1, rf"^SIMPLE → openai/gpt-4\.1, \$[\d.]+.*; \d+\+\d+ tokens in .*{id_}$")
    assert await web.command("router.running") == [head]


async def test_event_log_shows_aligned_tables(router: Router, web: Web) -> None:
    await web.command("router.profiles")
    events = json.dumps((await web.http.get("/events")).json())
    assert re.search(r"profile +state +why +cooled for\\ngroq:env +usable|\\nopenai:env +usable", events)


async def test_comments_are_listed(web: Web) -> None:
    options = (await web.http.get("/options")).json()
    columns = ["tls", "icon", "path", "method", "status", "size", "time", "comment"]
    assert options["web_columns"]["value"] == columns


async def test_columns_set_by_the_user_are_kept(start_router: StartRouter) -> None:
    router = await start_router(
        **web_arguments(), args=["--set", "web_columns=path", "--set", "web_columns=time"]
    )
    async with Web(router) as web:
        assert (await web.http.get("/options")).json()["web_columns"]["value"] == ["path", "time"]
