"""`/router/events` of a real mitmdump: what a page is told while requests run, and who may watch."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator, Callable
from datetime import datetime
from pathlib import Path
from typing import Any

import httpx
import pytest
import pytest_asyncio

from smart_router.live.page import FILES, HEADERS
from tests.live.reading import Page
from tests.testbed.chat import chat_answer, chat_error, chat_stream
from tests.testbed.harness import Router, provider_env
from tests.testbed.provider import Provider
from tests.testbed.talk import ask_body, post

pytestmark = [pytest.mark.asyncio(loop_scope="module"), pytest.mark.xdist_group("live")]

MODEL = "openai/gpt-4.1"
PATIENCE = 15.0


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def router(
    shared_provider: Provider, tmp_path_factory: pytest.TempPathFactory, fast_path: str
) -> AsyncIterator[Router]:
    async with Router(
        tmp_path_factory.mktemp("live") / "router",
        env=provider_env(shared_provider.url, "openai"),
        options={"router_fast_path": fast_path},
    ) as router:
        yield router


class Watching:
    """A page that follows the events."""

    def __init__(self, answer: httpx.Response) -> None:
        self.answer = answer
        self.page = Page()
        self._data = answer.aiter_raw()

    async def until(self, holds: Callable[[dict[str, Any]], Any], within: float = PATIENCE) -> Any:
        """Read until something holds of the state; return it."""
        async with asyncio.timeout(within):
            while not (found := self.page.state and holds(self.page.state)):
                self.page.take(await anext(self._data))
        return found


@contextlib.asynccontextmanager
async def watching(router: Router, last: str = "", **how: bool) -> AsyncIterator[Watching]:
    async with (
        router.http(**how) as http,
        http.stream("GET", "/router/events", headers={"last-event-id": last} if last else {}) as answer,
    ):
        assert answer.status_code == 200
        yield Watching(answer)


def ended(state: dict[str, Any], number: int) -> bool:
    return bool(state["figures"]["total"]["requests"] >= number)


@pytest.mark.parametrize("http2", [False, True])
async def test_a_request_is_seen_while_it_streams_and_when_it_has_ended(
    router: Router, provider: Provider, http2: bool
) -> None:
    provider.on(chat_stream(["word " * 8] * 3, stepped=True))
    async with watching(router, http2=http2, tls=http2) as seen, router.http() as http:
        assert seen.answer.headers["content-type"] == "text/event-stream"
        before = len(await seen.until(lambda state: [*state["recent"], "none"]))
        asking = asyncio.create_task(post(http, ask_body(MODEL, stream=True)))
        request = await provider.wait_for_request()
        request.release(3)  # the role, and two pieces
        row = await seen.until(
            lambda state: next((one for one in state["running"].values() if one["tokens"] >= 20), None)
        )
        assert (row["phase"], row["candidate"], row["attempt"]) == ("streaming", MODEL, 1)
        assert (row["tokens"], row["why"]) == (20, f"asked for {MODEL}")
        assert row["content_since"] >= row["started"]
        request.release(9)
        assert (await asking).status == 200
        state = await seen.until(
            lambda state: len(state["recent"]) == before and not state["running"] and state
        )
    recent = state["recent"][0]
    assert (recent["id"], recent["asked"], recent["failure"]) == (row["id"], MODEL, None)
    assert seen.page.names[0] == "snapshot" and set(seen.page.names[1:]) == {"change"}


async def test_figures_are_those_of_the_stats(router: Router, provider: Provider) -> None:
    provider.on(chat_answer(), chat_error(401))
    async with watching(router) as seen, router.http() as http:
        before = (await seen.until(lambda state: state.get("figures")))["total"]["requests"]
        for status in (200, 401):
            assert (await post(http, ask_body(MODEL, stream=False))).status == status
        figures = await seen.until(lambda state: ended(state, before + 2) and state["figures"])
        stats = (await http.get("/router/stats", params={"since": as_text(figures["since"])})).json()
        total = await seen.until(lambda state: state["total"] == stats["total"] and state["total"])
    for told in (figures, stats):
        del told["until"]
    assert {**stats, "more": {}} == figures and total["errors"] >= 1
    [profile] = seen.page.state["providers"]["openai"]["profiles"]
    assert (profile["state"], profile["why"]) == ("cooled", "auth (401)")
    assert profile["since"] < profile["until"]


def as_text(unix: float) -> str:
    """A time as `--since` takes it."""
    return datetime.fromtimestamp(unix).astimezone().isoformat()


async def test_a_page_that_comes_back_goes_on(router: Router, provider: Provider) -> None:
    async with watching(router) as seen:
        await seen.until(lambda state: state)
    async with watching(router, seen.page.last) as again, router.http() as http:
        await http.get("/v1/nothing-of-the-kind")  # its refusal is recorded, and the day's figures made anew
        again.page.state = seen.page.state
        await again.until(lambda state: again.page.names)
    assert again.page.names[0] == "change"


async def test_head_and_other_methods(router: Router) -> None:
    async with router.http() as http:
        head = await http.head("/router/events")
        assert (head.status_code, head.headers["content-type"]) == (200, "text/event-stream")
        assert (await http.post("/router/events")).status_code == 405
        assert (await http.post("/router")).status_code == 405
        assert (await http.get("/router/page/nothing.js")).status_code == 404


async def test_the_page_and_its_files_have_a_strict_policy(router: Router) -> None:
    async with router.http() as http:
        page = await http.get("/router")
        assert page.headers["content-type"] == "text/html; charset=utf-8"
        answers = [page]
        for name, file in FILES.items():
            answers.append(await http.get(f"/router/page/{name}"))
            assert (answers[-1].text, answers[-1].headers["content-type"]) == (file.read(), file.content_type)
    for answer in answers:
        assert answer.status_code == 200
        assert {name: answer.headers[name] for name in HEADERS} == HEADERS


@pytest.mark.parametrize("path", ["/router", "/router/events", "/router/page/page.js"])
@pytest.mark.parametrize(
    "headers",
    [
        {"host": "rebound.example"},
        {"origin": "http://evil.example"},
        {"sec-fetch-site": "cross-site"},
        {"host": "rebound.example", "sec-fetch-site": "same-origin", "origin": "http://rebound.example"},
    ],
)
async def test_other_web_pages_get_nothing(router: Router, path: str, headers: dict[str, str]) -> None:
    async with router.http() as http:
        assert (await http.get(path, headers=headers)).status_code == 403


async def test_events_end_when_the_router_does(tmp_path: Path, fast_path: str) -> None:
    router = Router(tmp_path / "router", options={"router_fast_path": fast_path})
    async with router, watching(router) as seen:
        await seen.until(lambda state: state)
        await asyncio.to_thread(router.stop)
        with pytest.raises((httpx.HTTPError, StopAsyncIteration)):
            await seen.until(lambda state: False)
