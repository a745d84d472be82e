"""Every request ends once, whatever raises: none stays in the list of running ones, its reservation is
settled, and it is recorded or counted as lost."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from dataclasses import dataclass, field
from typing import Any

import httpx
import pytest
import pytest_asyncio

from smart_router.stats.database import reading
from tests.end_to_end.client_keys import add_client, bearer
from tests.faults.sabotage import Sabotage
from tests.testbed.answers import Answer, Fault
from tests.testbed.chat import chat_error, chat_stream
from tests.testbed.client_formats import FORMATS, Got, ask
from tests.testbed.harness import Router, provider_env
from tests.testbed.provider import Provider
from tests.testbed.spoiling import complete, planned, with_line_ends
from tests.testbed.talk import CHAT, ask_body
from tests.testbed.wires import speak

pytestmark = pytest.mark.asyncio(loop_scope="module")

AT_THE_END = {
    "response": "smart_router.addon:SmartRouter.response",
    "error": "smart_router.addon:SmartRouter.error",
    "request_record": "smart_router.recording:request_record",
    "show_body": "smart_router.ui.flow_marks:show_body",
    "mark_pending": "smart_router.ui.flow_marks:mark_pending",
    "finish": "smart_router.ui.flow_marks:finish",
    "log_line": "smart_router.ui.comments:log_line",
}
"""The hooks at a request's end, and functions that they call."""

WITHIN = {
    "head": "smart_router.attempts.attempt:Attempt.head",
    "feed": "smart_router.attempts.attempt:Attempt.feed",
    "take": "smart_router.attempts.answer:Answer.take",
    "captured": "smart_router.attempts.captured_body:CapturedBody.add",
    "stream_bytes": "smart_router.attempts.answer:Answer.stream_bytes",
    "whole_response": "smart_router.attempts.answer:Answer.whole_response",
    "succeeded": "smart_router.attempts.exchange:Exchange.succeeded",
    "failed": "smart_router.attempts.exchange:Exchange.failed",
}
"""Functions that the layers call while they handle an answer, without any hook."""

ONLY = {"take": (True,), "captured": (True,), "stream_bytes": (True,), "whole_response": (False,)}
"""Functions that are called for streams only (True), or for whole answers only (False)."""

MODEL = "openai/gpt-5.4-mini"
NATIVE = {
    "chat": MODEL,
    "messages": "anthropic/claude-haiku-4-5",
    "responses": MODEL,
    "gemini": "google/gemini-2.5-flash",
}
"""For each client format the model of a vendor whose own format it is."""

LOSES = ("request_record",)
"""Functions without which there is no record."""

TOKENS = 18
"""Tokens of one answer of the scripted provider."""


@dataclass
class Stage:
    """A router, a client of it that has limits, and the counts after its last request."""

    router: Router
    sabotage: Sabotage
    key: str
    counts: dict[str, int] = field(default_factory=dict)


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def stage(
    shared_provider: Provider, fast_path: str, tmp_path_factory: pytest.TempPathFactory
) -> AsyncIterator[Stage]:
    folder = tmp_path_factory.mktemp("ends")
    sabotage = Sabotage(folder / "sabotage", AT_THE_END | WITHIN)
    shared_provider.script.default = lambda request: speak(request, "one two three")
    env = provider_env(shared_provider.url, "openai", "anthropic", "google")
    options = {"router_fast_path": fast_path}
    async with sabotage.router(folder / "router", env=env, options=options) as router:
        yield Stage(
            router, sabotage, await add_client(router, "ann", "1000 requests/day", "9999999 tokens/day")
        )


async def until_ended(http: httpx.AsyncClient) -> None:
    """Wait until no request is running."""
    async with asyncio.timeout(5):
        while (await http.get("/router/running")).json()["running"]:  # noqa: ASYNC110  # nobody tells
            await asyncio.sleep(0.02)


async def counts(http: httpx.AsyncClient, stage: Stage) -> dict[str, int]:
    """Return the used amounts of the client's limits, the numbers of recorded and lost requests, and the
    number of attempts whose failure is held against the provider."""
    limits = (await http.get("/router/usage", headers=bearer(stage.key))).json()["limits"]
    stats = (await http.get("/router/stats")).json()
    with reading(stage.router.state_folder) as db:
        rows = db.execute("SELECT failure = 'server' FROM attempts WHERE failure IS NOT NULL").fetchall()
    return {
        "requests": limits[0]["used"],
        "tokens": limits[1]["used"],
        "recorded": stats["total"]["requests"],
        "lost": stats["lost_records"],
        "blamed": sum(blamed for (blamed,) in rows),
    }


async def gained(stage: Stage, bug: str | None, ask_one: Any) -> tuple[Any, dict[str, int]]:
    """Return a client's answer while the bug is active, if there is one, and the increase of the counts."""
    async with stage.router.http() as http:
        before = stage.counts or await counts(http, stage)
        with stage.sabotage.raising([bug] if bug else []):
            got = await ask_one()
            await until_ended(http)
        stage.counts = await counts(http, stage)
    return got, {name: count - before[name] for name, count in stage.counts.items()}


@pytest.mark.parametrize("stream", [False, True], ids=["whole", "stream"])
@pytest.mark.parametrize("bug", AT_THE_END)
async def test_a_bug_at_the_end_leaves_nothing_behind(
    bug: str, stream: bool, stage: Stage, provider: Provider
) -> None:
    async def one() -> Got:
        async with stage.router.http() as http:
            return await ask(http, FORMATS["chat"], MODEL, "Hi", stream=stream, **bearer(stage.key))

    got, more = await gained(stage, bug, one)
    assert (got.status, got.finished, got.broken) == (200, True, False)
    assert more["blamed"] == 0
    assert (more["requests"], more["recorded"] + more["lost"]) == (1, 1)
    if bug in LOSES:
        assert (more["lost"], more["tokens"] >= TOKENS) == (1, True)
    else:
        assert (more["lost"], more["tokens"]) == (0, TOKENS)


@pytest.mark.parametrize("bug", AT_THE_END)
async def test_a_client_that_leaves_leaves_nothing_behind(bug: str, stage: Stage, provider: Provider) -> None:
    async def one() -> None:
        provider.on(chat_stream(["a"] * 100, pause=0.05))
        async with stage.router.http() as http:
            body = ask_body(MODEL, stream=True)
            async with http.stream("POST", CHAT, json=body, headers=bearer(stage.key)) as answer:
                await anext(answer.aiter_raw())

    _, more = await gained(stage, bug, one)
    assert more["blamed"] == 0
    assert (more["requests"], more["recorded"] + more["lost"], more["lost"]) == (1, 1, bug in LOSES)


@pytest.mark.parametrize(
    ("bug", "stream"), [(bug, stream) for bug in WITHIN for stream in ONLY.get(bug, (False, True))]
)
async def test_a_bug_in_the_midst_of_an_answer_ends_it_with_an_error(
    bug: str, stream: bool, stage: Stage, provider: Provider
) -> None:
    """In its client's format, and held against no provider."""
    if bug == "failed":
        provider.on(chat_error(500), always=True)

    async def all_formats() -> list[Got]:
        async with stage.router.http() as http, asyncio.timeout(20), asyncio.TaskGroup() as group:
            asked = [
                group.create_task(ask(http, one, MODEL, "Hi", stream=stream, **bearer(stage.key)))
                for one in FORMATS.values()
            ]
        return [one.result() for one in asked]

    answers, more = await gained(stage, bug, all_formats)
    for got in answers:
        assert (got.error is not None, got.broken, got.malformed) == (True, False, "")
        assert got.status == 500 or (stream and got.status == 200)
    assert (more["recorded"], more["lost"], more["blamed"]) == (len(FORMATS), 0, 0)


@pytest.mark.parametrize("fault", [Fault.RESET_MID_BODY, Fault.CLOSE_MID_BODY, Fault.CLOSE_MID_CHUNK])
async def test_a_stream_whose_connection_breaks_once_all_of_it_came_ends_well(
    fault: Fault, stage: Stage, provider: Provider
) -> None:
    """In each vendor's own format, and chat, which has a mark after its last finish reason."""
    provider.on(lambda asked: complete(fault)(planned(asked, "one two three four")), always=True)

    async def all_formats() -> list[Got]:
        async with stage.router.http() as http:
            return [
                await ask(http, FORMATS[name], model, "Hi", stream=True, **bearer(stage.key))
                for name, model in NATIVE.items()
            ]

    answers, more = await gained(stage, None, all_formats)
    for got in answers:
        assert (got.text, got.finished, got.error, got.broken) == ("one two three four", True, None, False)
    assert (more["recorded"], more["lost"], more["blamed"]) == (len(NATIVE), 0, 0)


@pytest.mark.parametrize("name", ["messages", "responses"])
async def test_a_line_end_that_comes_in_two_parts_is_whole_at_the_end_of_a_native_stream(
    name: str, stage: Stage, provider: Provider
) -> None:
    sent: list[bytes] = []

    def play(asked: Any) -> Answer:
        right = with_line_ends(b"\r\n")(planned(asked, "one two three four"))
        body = b"".join(right.chunks(asked.model))
        sent.append(body)
        return right.but(body=body, cut=(len(body) - 1,), pause=0.05)

    provider.on(play, always=True)

    async def one() -> httpx.Response:
        format_ = FORMATS[name]
        path, body = format_.path(NATIVE[name], True), format_.body(NATIVE[name], "Hi", True)
        async with stage.router.http() as http:
            return await http.post(path, json=body, headers=bearer(stage.key))

    answer, _ = await gained(stage, None, one)
    assert answer.content == sent[0]
