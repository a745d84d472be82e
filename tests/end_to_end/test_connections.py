"""Connections to clients and providers: reuse, odd endings, and no leaks."""

from __future__ import annotations

import asyncio
import json
import time
from collections.abc import AsyncIterator

import pytest
import pytest_asyncio

from tests.end_to_end import inspect_addon
from tests.testbed.answers import Answer, Fault, Framing
from tests.testbed.chat import chat_answer, chat_error, chat_stream
from tests.testbed.harness import Router
from tests.testbed.provider import Provider, refused_port
from tests.testbed.talk import CHAT, Clients, ask_body, chains_config, clients_of, providers_config, talk
from tests.testbed.upstreams import WORKING, Upstreams

pytestmark = pytest.mark.asyncio(loop_scope="module")

FORMS = pytest.mark.parametrize("form", ["stream", "whole"])
BOTH = pytest.mark.parametrize("client", ["h1", "h2"])
EACH = pytest.mark.parametrize("upstream", WORKING)

STREAM = chat_stream(["Hel", "lo."])
WHOLE = chat_answer("Hello.")
ENDLESS = (named := chat_stream(["Hel", "lo."], model="m")).but(
    fault=Fault.SILENT_MID_BODY, fault_at=len(named.body)
)
"""Sends `[DONE]` and keeps the response open."""

ROUNDS = 8
"""More than the connections and timers that one client connection may have left."""


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def upstreams() -> AsyncIterator[Upstreams]:
    async with Upstreams() as upstreams:
        yield upstreams


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def router(upstreams: Upstreams, tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Router]:
    """The chain `fail-N` has `plain` first and `next` second; `late` is a provider that refuses at first."""
    with refused_port() as port:
        urls = {**upstreams.urls, "late": f"http://127.0.0.1:{port}/v1"}
    chains = {
        f"fail-{number}": [f"plain/fail-{number}", f"next/fail-{number}"] for number in range(2 * ROUNDS)
    }
    chains["late-h1"], chains["late-h2"] = ["late/m-h1", "next/m-h1"], ["late/m-h2", "next/m-h2"]
    config = chains_config(chains) + providers_config(urls)
    folder = tmp_path_factory.mktemp("connections") / "router"
    args = ["-s", str(inspect_addon.__file__)]
    options = {"router_max_attempts": "2"}  # those that fail everywhere pause once, not for two seconds
    async with Router(folder, config=config, args=args, options=options) as router:
        router.late_port = port  # type: ignore[attr-defined]
        yield router


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def clients(router: Router) -> AsyncIterator[Clients]:
    async with clients_of(router) as clients:
        yield clients


@BOTH
async def test_a_provider_that_refused_is_dialled_again(
    router: Router, clients: Clients, client: str
) -> None:
    reply = await talk(clients[client], f"late-{client}", stream=False)
    assert (reply.status, reply.router["provider"]) == (200, "next")
    async with Provider(port=router.late_port) as late:  # type: ignore[attr-defined]
        reply = await talk(clients[client], f"late/other-{client}", stream=False)
        assert (reply.status, reply.router["provider"]) == (200, "late")
        assert len(late.requests) == 1


@EACH
async def test_parallel_streams_run_all_at_once(
    upstream: str, upstreams: Upstreams, clients: Clients
) -> None:
    provider, model = upstreams.providers[upstream], f"parallel-{upstream}"
    provider.on(chat_stream(["a", "b"], stepped=True), model=model, always=True)
    before = len(provider.requests)
    asked = [
        asyncio.create_task(talk(clients["h2"], f"{upstream}/{model}", stream=True, text=f"Hello {number}"))
        for number in range(20)
    ]
    await provider.wait_for_request(before + 20)
    for request in provider.requests[before:]:
        request.release(10)
    replies = await asyncio.gather(*asked)
    assert [(reply.status, reply.text, reply.done) for reply in replies] == [(200, "ab", True)] * 20


@BOTH
@EACH
async def test_a_response_that_never_ends_after_done(
    upstream: str, client: str, upstreams: Upstreams, clients: Clients
) -> None:
    model = f"endless-{upstream}-{client}"
    upstreams.providers[upstream].on(ENDLESS, STREAM, model=model)
    for limit in (1.8, 0.9):
        started = time.monotonic()
        reply = await talk(clients[client], f"{upstream}/{model}", stream=True)
        assert time.monotonic() - started < limit
        assert (reply.text, reply.done, reply.finish_reason) == ("Hello.", True, "stop")
    first, second = upstreams.requests(model)
    assert await first.disconnected()
    assert second.gone_at is None


ODDITIES: dict[str, tuple[Answer, Answer]] = {
    "trailers": (STREAM.but(trailers={"x-late": "1"}), WHOLE.but(trailers={"x-late": "1"})),
    "until_closed": (STREAM.but(framing=Framing.CLOSE), WHOLE.but(framing=Framing.CLOSE)),
    "drip": (STREAM.but(fault=Fault.DRIP), WHOLE.but(fault=Fault.DRIP)),
    "with_length": (STREAM.but(framing=Framing.LENGTH), WHOLE.but(cut=7)),
    "seven_bytes_each": (STREAM.but(cut=7), WHOLE.but(cut=7, framing=Framing.LENGTH)),
}


@FORMS
@BOTH
@EACH
@pytest.mark.parametrize("name", ODDITIES)
async def test_odd_but_complete_answers(
    name: str, upstream: str, client: str, form: str, upstreams: Upstreams, clients: Clients
) -> None:
    model = f"{name}-{upstream}-{client}-{form}"
    answer = ODDITIES[name][form == "whole"]
    upstreams.providers[upstream].on(answer, STREAM if form == "stream" else WHOLE, model=model)
    for _ in range(2):  # the second shows that the connection still works, or was given up
        reply = await asyncio.wait_for(
            talk(clients[client], f"{upstream}/{model}", stream=form == "stream"), timeout=5
        )
        assert (reply.status, reply.text, reply.finish_reason) == (200, "Hello.", "stop")
    assert len(upstreams.requests(model)) == 2


@BOTH
@pytest.mark.parametrize("upstream", ["plain", "tls"])
@pytest.mark.parametrize("fault", [Fault.SHORT_BODY, Fault.LONG_BODY], ids=["short", "long"])
async def test_a_body_of_another_length_than_stated(
    fault: Fault, upstream: str, client: str, upstreams: Upstreams, clients: Clients
) -> None:
    """A stream is complete with `[DONE]`, or all choices' ends; a whole answer is not to be trusted."""
    provider, name = upstreams.providers[upstream], f"{fault.name}-{upstream}-{client}"
    provider.on(STREAM.but(fault=fault), STREAM, model=f"{name}-stream")
    provider.on(WHOLE.but(fault=fault), WHOLE, model=f"{name}-whole")
    for _ in range(2):
        reply = await talk(clients[client], f"{upstream}/{name}-stream", stream=True)
        assert (reply.status, reply.text, reply.finish_reason) == (200, "Hello.", "stop")
    reply = await talk(clients[client], f"{upstream}/{name}-whole", stream=False)
    assert (reply.status, reply.text, reply.headers["x-router-attempts"]) == (200, "Hello.", "2")


@FORMS
async def test_a_client_of_http_1_0(form: str, router: Router, upstreams: Upstreams) -> None:
    body = json.dumps(ask_body(f"plain/old-{form}", stream=form == "stream")).encode()
    reader, writer = await asyncio.open_connection("127.0.0.1", router.port)
    writer.write(b"POST %b HTTP/1.0\r\nContent-Length: %d\r\n\r\n%b" % (CHAT.encode(), len(body), body))
    head, _, rest = (await asyncio.wait_for(reader.read(), 5)).partition(b"\r\n\r\n")
    writer.close()
    assert head.startswith(b"HTTP/1.1 200 OK")
    assert b"chunked" not in head
    assert b"You said:" in rest or b"You" in rest
    if form == "stream":
        assert rest.endswith(b"data: [DONE]\n\n")
    else:
        assert json.loads(rest)["choices"][0]["finish_reason"] == "stop"


@FORMS
async def test_connection_close_is_kept(form: str, router: Router) -> None:
    body = json.dumps(ask_body(f"plain/close-{form}", stream=form == "stream")).encode()
    reader, writer = await asyncio.open_connection("127.0.0.1", router.port)
    head = b"POST %b HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\nContent-Length: %d\r\n\r\n"
    writer.write(head % (CHAT.encode(), len(body)) + body)
    got = await asyncio.wait_for(reader.read(), 5)
    writer.close()
    assert got.startswith(b"HTTP/1.1 200 OK")
    assert got.endswith(b"\r\n0\r\n\r\n" if form == "stream" else b"}")


@BOTH
async def test_nothing_is_kept_of_ended_requests_of_one_connection(
    client: str, router: Router, upstreams: Upstreams
) -> None:
    """Many requests of every outcome over one client connection, and then a look inside."""
    plain = upstreams.providers["plain"]
    for number in range(2 * ROUNDS):
        failure = chat_error(500) if number % 2 else STREAM.but(fault=Fault.RESET_AFTER_HEAD)
        plain.on(failure, path="/plain/", model=f"fail-{number}")
    plain.on(ENDLESS, model=f"held-{client}")
    async with router.http(http2=client == "h2") as http:
        begin = ROUNDS if client == "h1" else 0
        for number in range(begin, begin + ROUNDS):
            assert (await talk(http, f"fail-{number}", stream=bool(number % 3))).status == 200
            for upstream in (*WORKING, "refused", "garbage"):
                reply = await talk(http, f"{upstream}/many-{number}-{client}", stream=bool(number % 3))
                assert reply.status == (200 if upstream in WORKING else 502)
        await talk(http, f"plain/held-{client}", stream=True)
        held = (await http.get("/inspect")).json()
    # itself, the attempts' client, three working providers and the one that failed last
    assert held["connections"] <= 6
    assert held["streams"] == 1  # the one that asks
    assert held["command_sources"] <= held["timers"] + 3  # its hook, and HTTP/2's keep-alive pings
    assert held["timers"] <= 4
    assert held["wakeups"] <= held["timers"] + 3
    assert {held[name] for name in ("waiting", "running", "attempts")} == {0}
    assert held["claims"] == 0
