"""mitmweb: pausing, editing, killing and replaying attempts; commands; transcripts; the limit on flows."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator
from itertools import count
from typing import Any

import pytest
import pytest_asyncio

from tests.conftest import StartRouter
from tests.testbed.answers import Fault
from tests.testbed.chat import chat_answer, chat_error, chat_stream
from tests.testbed.harness import Router, provider_env
from tests.testbed.provider import Provider
from tests.testbed.talk import Reply, ask_body, chains_config, post
from tests.ui.web import Web, web_arguments

pytestmark = [pytest.mark.asyncio(loop_scope="module"), pytest.mark.usefixtures("shared_provider")]

CHAIN = ["openai/gpt-5.4-mini", "groq/openai/gpt-oss-20b"]
INTERCEPT = r"~q & ~meta tier.*SIMPLE"


def arguments(provider: Provider, options: dict[str, str] | None = None, **env: str) -> dict[str, Any]:
    return {
        **web_arguments(**(options or {})),
        "env": provider_env(provider.url, "openai", "groq") | env,
        "config": chains_config({"chain": CHAIN}),
    }


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def router(
    shared_provider: Provider, tmp_path_factory: pytest.TempPathFactory
) -> AsyncIterator[Router]:
    async with Router(tmp_path_factory.mktemp("web") / "router", **arguments(shared_provider)) as router:
        yield router


@pytest_asyncio.fixture(loop_scope="module")
async def web(router: Router) -> AsyncIterator[Web]:
    """The pages of the module's router, which has no flows, pauses nothing, and has no key cooled."""
    async with Web(router) as web:
        await web.set_options(intercept="")
        await web.command("router.cooldown.clear")
        (await web.http.post("/clear")).raise_for_status()
        yield web


NUMBERS = count(1)


async def ask(router: Router, model: str = "chain", *, stream: bool = False) -> Reply:
    """Begin a conversation."""
    async with router.http() as http:
        return await post(http, ask_body(model, stream=stream, text=f"Hi {next(NUMBERS)}"))


class TestPaused:
    """`intercept` pauses attempts before they are sent."""

    async def paused(self, web: Web) -> dict[str, Any]:
        flows = await web.wait_for(1, "^attempt 1: ", intercepted=True)
        assert [flow["intercepted"] for flow in await web.flows()].count(True) == 1, "only the attempt waits"
        return flows[0]

    @pytest.mark.parametrize("stream", [False, True], ids=["whole", "stream"])
    async def test_edit_is_sent(self, router: Router, web: Web, provider: Provider, stream: bool) -> None:
        await web.set_options(intercept=INTERCEPT)
        asking = asyncio.create_task(ask(router, stream=stream))
        attempt = await self.paused(web)
        assert not provider.requests
        body = json.loads((await web.http.get(f"/flows/{attempt['id']}/request/content.data")).content)
        body["messages"][0]["content"] = "Changed by hand."
        await web.edit(attempt, content=json.dumps(body))
        await web.do(attempt, "resume")
        reply = await asking
        assert reply.status == 200 and reply.text == "You said: Changed by hand."
        assert provider.requests[0].headers["authorization"] == "Bearer key-openai"

    async def test_edited_host_gets_no_key(self, router: Router, web: Web, provider: Provider) -> None:
        await web.set_options(intercept=INTERCEPT)
        async with Provider() as elsewhere:
            asking = asyncio.create_task(ask(router))
            attempt = await self.paused(web)
            await web.edit(attempt, port=elsewhere.port)
            await web.do(attempt, "resume")
            assert (await asking).status == 200
            assert "authorization" not in elsewhere.requests[0].headers

    async def test_kill_fails_over(self, router: Router, web: Web, provider: Provider) -> None:
        await web.set_options(intercept=f"{INTERCEPT} & ~meta router_attempt:.1")
        asking = asyncio.create_task(ask(router))
        await web.do(await self.paused(web), "kill")
        reply = await asking
        assert reply.status == 200
        assert (reply.router["provider"], reply.router["attempts"]) == ("groq", "2")
        assert [request.path.split("/")[1] for request in provider.requests] == ["groq"]

    async def test_kill_ends_request_for_explicit_model(
        self, start_router: StartRouter, provider: Provider
    ) -> None:
        more = {"OPENAI_API_KEY_2": "second-key"}
        options = {"intercept": "~q & ~meta router_attempt"}
        router = await start_router(**arguments(provider, options, **more))
        async with Web(router) as web:
            asking = asyncio.create_task(ask(router, CHAIN[0]))
            await web.do(await self.paused(web), "kill")
            reply = await asking
        assert reply.status == 502 and "killed" in reply.error["message"]
        assert not provider.requests


async def test_kill_of_running_attempt_fails_over(router: Router, web: Web, provider: Provider) -> None:
    provider.on(chat_answer().but(fault=Fault.SILENT_BEFORE_HEAD), path="/openai")
    asking = asyncio.create_task(ask(router))
    await provider.wait_for_request()
    [attempt] = await web.wait_for(1, "^attempt 1: ")
    await web.do(attempt, "kill")
    reply = await asking
    assert (reply.status, reply.router["provider"]) == (200, "groq")


async def test_replays(router: Router, web: Web, provider: Provider) -> None:
    """A replayed client flow is routed again, an attempt gets its credential, and the model can be
    changed."""
    reply = await ask(router)
    client = await web.client_of(reply)
    [attempt] = await web.wait_for(1, "^attempt 1: ")

    provider.on(chat_error(429), path="/openai")
    await web.do(client, "replay")
    await web.wait_for(1, r"groq/openai/gpt-oss-20b \(answered")
    assert [request.path.split("/")[1] for request in provider.requests] == ["openai", "openai", "groq"]

    provider.on(chat_answer("Once more."), path="/openai")
    await web.do(attempt, "replay")
    await provider.wait_for_request(4)
    assert provider.requests[3].headers["authorization"] == "Bearer key-openai"
    assert provider.requests[3].body == provider.requests[0].body

    provider.on(chat_answer("Another's."), path="/groq")
    await web.command("router.replay", f"@{attempt['id']}", CHAIN[1])
    [copy] = await web.wait_for(1, "asked for groq")
    await web.wait_for_text(copy, "response", "Another's.")
    assert provider.requests[4].headers["authorization"] == "Bearer key-groq"
    assert copy["id"] != client["id"]
    saved = (await web.http.get("/flows/dump")).content
    assert b"key-openai" not in saved and b"key-groq" not in saved


async def test_commands(start_router: StartRouter, provider: Provider) -> None:
    provider.on(chat_error(429, headers={"retry-after": "60"}), path="/openai")
    router = await start_router(**arguments(provider))
    async with Web(router) as web:
        reply = await ask(router)
        client = await web.client_of(reply)
        explained = dict(await web.command("router.explain", f"@{client['id']}"))
        assert "rate_limit" in explained["then"] and explained["1."] == CHAIN[0]

        head, *profiles = await web.command("router.profiles")
        assert head[0] == "profile" and {row[0].split()[0] for row in profiles} == {"openai:env", "groq:env"}
        assert any("cooled" in row for row in profiles)
        await web.command("router.cooldown.clear")
        assert not any("cooled" in row for row in (await web.command("router.profiles"))[1:])

        assert CHAIN[0] in await web.command("router.models")
        router.config_file.write_text(chains_config({"other": CHAIN}))
        assert str(router.config_file) in await web.command("router.reload")
        assert "other" in await web.command("router.models")
        available = (await web.http.get("/commands")).json()
        assert available["router.replay"]["signature_help"] == "router.replay flow model"


async def test_transcripts(router: Router, web: Web, provider: Provider) -> None:
    provider.on(chat_stream(["Good ", "morning."], reasoning=["Is it morning?"]))
    reply = await ask(router, stream=True)
    flows = await web.wait_for(2, reply.router["request-id"])
    for flow in flows:
        shown = await web.content(flow, "response")
        assert shown["view_name"] == "Transcript"
        assert "│ Is it morning?\nGood morning." in shown["text"]
        assert "Hi" in (await web.content(flow, "request"))["text"]
        raw = await web.content(flow, "response", "raw")
        assert raw["text"].startswith("data: {")


async def test_old_flows_are_removed(start_router: StartRouter, provider: Provider) -> None:
    router = await start_router(**arguments(provider, {"router_keep_flows": "6"}))
    async with Web(router) as web:
        await ask(router)
        [first, *_] = await web.flows()
        await web.command("flow.mark", f"@{first['id']}", ":star:")
        for _ in range(10):
            await ask(router)
        flows = await web.flows()
        assert 6 <= len(flows) <= 8
        assert first["id"] in [flow["id"] for flow in flows], "what the user marked stays"


async def test_options_show_their_help(start_router: StartRouter, provider: Provider) -> None:
    router = await start_router(**arguments(provider))
    async with Web(router) as web:
        options = (await web.http.get("/options")).json()
        ours = {name: option for name, option in options.items() if name.startswith("router_")}
        assert len(ours) > 10 and all(option["help"] for option in ours.values())
        await web.set_options(router_max_attempts=1)
        provider.on(chat_error(429), path="/openai")
        assert (await ask(router)).status == 429
