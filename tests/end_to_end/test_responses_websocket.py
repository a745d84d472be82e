"""Responses over a WebSocket: turns, their order, bad messages, clients that leave."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import httpx
import openai
import pytest
import pytest_asyncio
from websockets.asyncio.client import ClientConnection, connect
from websockets.exceptions import ConnectionClosed, InvalidStatus

from tests.testbed.answers import Fault
from tests.testbed.chat import chat_answer, chat_error, chat_stream
from tests.testbed.harness import Router, provider_env
from tests.testbed.provider import Provider
from tests.testbed.responses_sdk import check_grammar

pytestmark = [pytest.mark.asyncio(loop_scope="module"), pytest.mark.xdist_group("responses-websocket")]

PATH = "/v1/responses"
KEY = "long-random-key-of-a-laptop"
MODEL = "deepseek/deepseek-flash"


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def router(
    shared_provider: Provider, tmp_path_factory: pytest.TempPathFactory, fast_path: str
) -> AsyncIterator[Router]:
    env = provider_env(shared_provider.url, "anthropic", "google", "deepseek", "groq")
    options = {"router_max_body": "1m", "router_fast_path": fast_path}
    folder = tmp_path_factory.mktemp("websocket") / "router"
    config = f'[clients]\nlaptop = "{KEY}"\n'
    async with Router(
        folder, env=env, config=config, upstream=shared_provider.url, options=options
    ) as router:
        yield router


@asynccontextmanager
async def socket(router: Router, path: str = PATH, **kwargs: Any) -> AsyncIterator[ClientConnection]:
    async with connect(f"ws://127.0.0.1:{router.port}{path}", max_size=1 << 24, **kwargs) as ws:
        yield ws


def create(text: str = "Hi", **fields: Any) -> str:
    return json.dumps({"type": "response.create", "model": MODEL, "input": text, "store": False, **fields})


async def turn(ws: ClientConnection) -> list[dict[str, Any]]:
    """The events of a turn, up to its last."""
    events: list[dict[str, Any]] = []
    while not events or events[-1]["type"] not in (
        "response.completed", "response.incomplete", "response.failed", "error",
    ):  # fmt: skip
        events.append(json.loads(await asyncio.wait_for(ws.recv(), 10)))
    return events


def text_of(events: list[dict[str, Any]]) -> str:
    return "".join(event["delta"] for event in events if event["type"] == "response.output_text.delta")


@pytest.mark.parametrize("model", [MODEL, "anthropic/claude-sonnet-5-5", "google/gemini-3.8-flash"])
async def test_turns_follow_each_other_on_one_connection(
    provider: Provider, router: Router, model: str
) -> None:
    async with socket(router) as ws:
        for number in range(3):
            await ws.send(create(f"Hi {number}", model=model))
            events = await turn(ws)
            check_grammar(events)
            assert text_of(events) == f"You said: Hi {number}"
    assert len(provider.requests) == 3


async def test_the_official_sdk(provider: Provider, router: Router) -> None:
    async with router.client() as client, client.responses.connect() as connection:
        await connection.response.create(model=MODEL, input="Hi")
        kinds = []
        async for event in connection:
            kinds.append(event.type)
            if event.type == "response.completed":
                assert event.response.output_text == "You said: Hi"
                break
    assert kinds[:2] == ["response.created", "response.in_progress"]


async def test_a_turn_continues_the_one_before(provider: Provider, router: Router) -> None:
    async with socket(router) as ws:
        await ws.send(create("a"))
        first = (await turn(ws))[-1]["response"]["id"]
        await ws.send(create("b", previous_response_id=first))
        last = (await turn(ws))[-1]
    assert last["type"] == "response.completed"
    sent = [(one["role"], one["content"]) for one in provider.requests[-1].json["messages"]]
    assert sent == [("user", "a"), ("assistant", "You said: a"), ("user", "b")]


async def test_codex_warms_up_without_a_provider(provider: Provider, router: Router) -> None:
    async with socket(router) as ws:
        await ws.send(create("a", generate=False))
        events = await turn(ws)
        assert [event["type"] for event in events] == ["response.created", "response.completed"]
        assert (provider.requests, events[-1]["response"]["output"]) == ([], [])
        await ws.send(create("b", previous_response_id=events[-1]["response"]["id"]))
        assert text_of(await turn(ws)) == "You said: b"
    assert [one["content"] for one in provider.requests[0].json["messages"]] == ["a", "b"]


async def test_messages_sent_ahead_wait_for_their_turn(provider: Provider, router: Router) -> None:
    async with socket(router) as ws:
        for number in range(5):
            await ws.send(create(str(number), stream_id=f"lane-{number}"))
        turns = [await turn(ws) for _ in range(5)]
    assert [text_of(events) for events in turns] == [f"You said: {number}" for number in range(5)]
    assert [{event["stream_id"] for event in events} for events in turns] == [
        {f"lane-{number}"} for number in range(5)
    ]


async def test_a_turn_fails_over(provider: Provider, router: Router) -> None:
    provider.on(chat_error(503), chat_stream(["At last."]))
    async with socket(router) as ws:
        await ws.send(create())
        assert text_of(await turn(ws)) == "At last."
    assert len(provider.requests) == 2


async def test_a_failure_is_an_event_and_the_connection_stays(provider: Provider, router: Router) -> None:
    provider.on(chat_error(400, "No.", type="invalid_request_error"))
    async with socket(router) as ws:
        await ws.send(create())
        (event,) = await turn(ws)
        assert (event["type"], event["status"], event["sequence_number"]) == ("error", 400, 0)
        assert "No." in event["error"]["message"]
        await ws.send(create())
        assert text_of(await turn(ws)) == "You said: Hi"


async def test_an_answer_that_breaks_off(provider: Provider, router: Router) -> None:
    started = chat_stream(["Hel", "lo"])
    at = started.body.index(b'"lo"')
    provider.on(started.but(fault=Fault.RESET_MID_BODY, fault_at=at, pause=0.03))
    async with socket(router) as ws:
        await ws.send(create(model="groq/openai/gpt-oss-20b"))
        events = await turn(ws)
        events += await turn(ws)
        assert [event["type"] for event in events[-2:]] == ["error", "response.failed"]
        await ws.send(create())
        assert text_of(await turn(ws)) == "You said: Hi"


BAD: list[tuple[str | bytes, str | None, int | None]] = [
    ("hello", None, 1007),
    ('{"type": "response.create", ', None, 1007),
    (b"\x00", None, 1003),
    ("[]", "type", None),
    ("{}", "type", None),
    ('{"type": "response.steer"}', "type", None),
    (create(model=5), "model", None),
    (json.dumps({"type": "response.create", "model": MODEL}), "input", None),
    (create("", tools={}), "input", None),
    (create(temperature="hot"), "temperature", None),
    (create(previous_response_id="resp_none"), "previous_response_id", None),
    (create(generate=False, tools={}), "tools", None),
]
"""A message, the field that its error names, and the code with which the connection is closed."""


@pytest.mark.parametrize(("message", "param", "code"), BAD)
async def test_bad_messages(
    provider: Provider, router: Router, message: str | bytes, param: str | None, code: int | None
) -> None:
    async with socket(router) as ws:
        await ws.send(message)
        (event,) = await turn(ws)
        assert (event["type"], event["status"], event["error"]["param"]) == ("error", 400, param)
        assert provider.requests == []
        if code is None:
            await ws.send(create())
            assert text_of(await turn(ws)) == "You said: Hi"
        else:
            with pytest.raises(ConnectionClosed) as closed:
                await ws.recv()
            assert closed.value.rcvd is not None
            assert closed.value.rcvd.code == code


async def test_too_large_messages(provider: Provider, router: Router) -> None:
    async with socket(router) as ws:
        await ws.send(create("x" * (2 << 20)))
        (event,) = await turn(ws)
        assert event["status"] == 413
        with pytest.raises(ConnectionClosed) as closed:
            await asyncio.wait_for(ws.recv(), 5)  # after 20 s the client itself gives up
        assert closed.value.rcvd is not None
        assert closed.value.rcvd.code == 1009
    assert provider.requests == []


async def test_fragments_pings_and_a_client_s_close(provider: Provider, router: Router) -> None:
    whole = create()
    async with socket(router) as ws:
        await ws.send([whole[:5], whole[5:20], whole[20:]])
        assert text_of(await turn(ws)) == "You said: Hi"
        await asyncio.wait_for(await ws.ping(), 10)
        await ws.close(1000)
        assert ws.close_code == 1000


async def test_a_client_that_leaves_ends_its_attempt(provider: Provider, router: Router) -> None:
    provider.on(chat_stream(["Hel", "lo"]).but(stepped=True))
    async with socket(router) as ws:
        await ws.send(create())
        request = await provider.wait_for_request()
        began = asyncio.get_running_loop().time()
    await request.disconnected()
    assert asyncio.get_running_loop().time() - began < 5


@pytest.mark.parametrize(
    ("path", "headers", "status"),
    [
        ("/v1/chat/completions", {}, 426),
        ("/v1/models", {}, 426),
        (PATH, {"Origin": "https://evil.example"}, 403),
    ],
)
async def test_other_handshakes_are_refused(
    router: Router, path: str, headers: dict[str, str], status: int
) -> None:
    with pytest.raises(InvalidStatus) as refused:
        async with socket(router, path, additional_headers=headers):
            pass
    assert refused.value.response.status_code == status


HANDSHAKE = {
    "connection": "Upgrade",
    "upgrade": "websocket",
    "sec-websocket-version": "13",
    "sec-websocket-key": "dGhlIHNhbXBsZSBub25jZQ==",
}


@pytest.mark.parametrize(
    ("wrong", "status"),
    [
        ({"sec-websocket-version": "8"}, 426),
        ({"sec-websocket-key": "short"}, 400),
        ({"sec-websocket-key": "!"}, 400),
    ],
)
async def test_broken_handshakes(http: httpx.AsyncClient, wrong: dict[str, str], status: int) -> None:
    answer = await http.get(PATH, headers=HANDSHAKE | wrong)
    assert answer.status_code == status
    assert answer.json()["error"]["message"]


async def test_turns_are_those_of_the_client_whose_key_opened_the_connection(
    provider: Provider, router: Router, http: httpx.AsyncClient
) -> None:
    key = {"authorization": f"Bearer {KEY}"}
    async with socket(router, additional_headers=key) as ws:
        await ws.send(create(store=True))
        id_ = (await turn(ws))[-1]["response"]["id"]
    assert (await http.get(f"{PATH}/{id_}", headers=key)).status_code == 200
    assert (await http.get(f"{PATH}/{id_}")).status_code == 404
    assert KEY not in str(provider.requests[0].headers)


async def test_a_post_beside_a_websocket(
    provider: Provider, router: Router, client: openai.AsyncOpenAI
) -> None:
    provider.on(chat_stream(["slow"]).but(stepped=True), chat_answer("quick"))
    async with socket(router) as ws:
        await ws.send(create())
        request = await provider.wait_for_request()
        answer = await client.responses.create(model=MODEL, input="Hi")
        assert answer.output_text == "quick"
        request.release(10)
        assert text_of(await turn(ws)) == "slow"
