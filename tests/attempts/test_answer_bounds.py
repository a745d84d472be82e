"""Providers' answers: read in every content coding, and bounded in memory, packed and unpacked."""

from __future__ import annotations

import functools
import gzip
import sys
import zlib
from collections.abc import AsyncIterator, Callable

import brotli
import pytest
import pytest_asyncio

from smart_router.attempts.limits import MAX_ERROR_BODY
from tests.testbed.answers import Answer, Framing
from tests.testbed.chat import chat_answer, chat_stream
from tests.testbed.harness import Router
from tests.testbed.provider import Provider
from tests.testbed.talk import Clients, chains_config, clients_of, providers_config, talk

if sys.version_info >= (3, 14):
    from compression import zstd
else:
    from backports import zstd

pytestmark = pytest.mark.asyncio(loop_scope="module")

LIMIT = 1 << 18
"""Bytes of an answer that the router holds in memory."""

PACK: dict[str, Callable[[bytes], bytes]] = {
    "gzip": gzip.compress,
    "deflate": zlib.compress,
    "br": functools.partial(brotli.compress, quality=5),
    "zstd": zstd.compress,
}
BOTH = pytest.mark.parametrize("client", ["h1", "h2"])
FORMS = pytest.mark.parametrize("form", ["stream", "whole"])
CODINGS = pytest.mark.parametrize("coding", PACK)


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def clients(
    fast_path: str, shared_provider: Provider, tmp_path_factory: pytest.TempPathFactory
) -> AsyncIterator[Clients]:
    """Two providers `p1` and `p2`, asked in this order for the model `two`."""
    urls = {name: f"{shared_provider.url}/{name}/v1" for name in ("p1", "p2")}
    config = chains_config({"two": ["p1/m", "p2/m"]}) + providers_config(urls)
    options = {"router_max_answer": "256k", "router_fast_path": fast_path}
    folder = tmp_path_factory.mktemp("bounds") / "router"
    async with Router(folder, config=config, options=options) as router, clients_of(router) as clients:
        yield clients
        assert "crashed" not in router.log and "Traceback" not in router.log


def good(form: str, text: str = "Good.") -> Answer:
    return chat_stream([text]) if form == "stream" else chat_answer(text)


def packed(answer: Answer, coding: str) -> Answer:
    body = PACK[coding](b"".join(answer.chunks("m")))
    return answer.but(body=body, cut=7, headers={**answer.headers, "content-encoding": coding})


@BOTH
@FORMS
@CODINGS
async def test_compressed_answer_is_read(
    provider: Provider, clients: Clients, client: str, form: str, coding: str
) -> None:
    provider.on(packed(good(form, "Hello there."), coding))
    reply = await talk(clients[client], "p1/m", stream=form == "stream")
    assert (reply.status, reply.text, reply.finish_reason) == (200, "Hello there.", "stop")


SPACES = b" " * (3 * LIMIT)
JSON = {"content-type": "application/json"}
EVENTS = {"content-type": "text/event-stream"}
COMMENT = b": " + b"x" * 120 + b"\n\n"


@functools.cache
def bomb(coding: str) -> bytes:
    return PACK[coding](SPACES * 10)


def whole_bomb(coding: str) -> Answer:
    return Answer(headers={**JSON, "content-encoding": coding}, body=bomb(coding))


def stream_bomb(coding: str) -> Answer:
    body = bomb(coding) + b" " * LIMIT
    return Answer(headers={**EVENTS, "content-encoding": coding}, body=body, cut=LIMIT // 8)


STATED = Answer(headers=JSON, body=SPACES)
TOO_LARGE: dict[str, Callable[[], Answer]] = {
    "stated": lambda: STATED,
    "chunked": lambda: STATED.but(framing=Framing.CHUNKED, cut=LIMIT // 4),
    "until closed": lambda: STATED.but(framing=Framing.CLOSE),
    **{f"{coding} bomb": functools.partial(whole_bomb, coding) for coding in PACK},
    "stream without content": lambda: Answer(
        headers=EVENTS, body=COMMENT * (3 * LIMIT // len(COMMENT)), cut=LIMIT // 8
    ),
    **{f"{coding} stream bomb": functools.partial(stream_bomb, coding) for coding in PACK},
}


@FORMS
@pytest.mark.parametrize("answer", TOO_LARGE.values(), ids=TOO_LARGE)
async def test_answer_over_the_limit_fails_over(
    provider: Provider, clients: Clients, answer: Callable[[], Answer], form: str
) -> None:
    provider.on(answer())
    provider.on(good(form))
    reply = await talk(clients["h1"], "two", stream=form == "stream")
    assert (reply.status, reply.text) == (200, "Good.")
    assert sorted(request.path.split("/")[1] for request in provider.requests) == ["p1", "p2"]


FAILS_IN_MID_EVENT: dict[str, Answer] = {
    "an error event": Answer(
        headers=EVENTS,
        body=b'data: {"error": {"message": "Bad luck.", "code": 500}}\n\n' + b": x\n\n" * 200,
        framing=Framing.CHUNKED,
        cut=40,
    ),
    "too large": Answer(headers=EVENTS, body=COMMENT * 2_500, framing=Framing.CHUNKED, cut=9000),
}


@BOTH
@FORMS
@pytest.mark.parametrize("answer", FAILS_IN_MID_EVENT.values(), ids=FAILS_IN_MID_EVENT)
async def test_stream_that_fails_within_its_own_data_fails_over(
    provider: Provider, clients: Clients, answer: Answer, client: str, form: str
) -> None:
    """More data and the end follow in the same read; the fixture checks that mitmproxy has not crashed."""
    for _ in range(3):
        provider.on(answer)
        provider.on(good(form))
        reply = await talk(clients[client], "two", stream=form == "stream")
        assert (reply.status, reply.text) == (200, "Good.")
        provider.script.rules.clear()


async def test_error_names_the_option(provider: Provider, clients: Clients) -> None:
    provider.on(STATED, always=True)
    reply = await talk(clients["h1"], "p1/m", stream=False)
    assert (reply.status, reply.error["code"]) == (502, "answer_too_large")
    assert "router_max_answer" in reply.error["message"]
    assert len(provider.requests) == 1  # another attempt's answer would be as large
    provider.script.rules.clear()
    provider.on(chat_answer("Still here."))
    assert (await talk(clients["h1"], "p1/m", stream=False)).text == "Still here."  # nothing was cooled


LONG = b'{"error": {"message": "Bad luck."}}' + b" " * (2 * MAX_ERROR_BODY)


@functools.cache
def long_packed() -> bytes:
    return gzip.compress(LONG * 4, 1)


PLAIN_ERROR = Answer(status=400, headers=JSON, body=LONG)
LONG_ERRORS = {
    "plain": lambda: PLAIN_ERROR.but(framing=Framing.CHUNKED, cut=LIMIT // 4),
    "stated": lambda: PLAIN_ERROR,
    "packed": lambda: PLAIN_ERROR.but(headers={**JSON, "content-encoding": "gzip"}, body=long_packed()),
}


@BOTH
@pytest.mark.parametrize("answer", LONG_ERRORS.values(), ids=LONG_ERRORS)
async def test_long_error_body_is_truncated(
    provider: Provider, clients: Clients, client: str, answer: Callable[[], Answer]
) -> None:
    provider.on(answer())
    reply = await talk(clients[client], "p1/m", stream=False)
    assert reply.status == 400
    assert len(reply.body) < 10_000
