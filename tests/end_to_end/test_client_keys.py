"""Clients with keys: who they are, what they may use, and what they are told at their limits."""

from __future__ import annotations

import asyncio
import json
import time
from collections.abc import AsyncIterator, Mapping
from typing import Any

import httpx
import pytest
import pytest_asyncio
from websockets.asyncio.client import connect

from smart_router.client_keys.database import Settings, changing
from smart_router.client_keys.keys import make_key
from tests.end_to_end.client_keys import CHAT, HELLO, add_client, ask, bearer, limits_of, until, used
from tests.testbed.chat import chat_answer, chat_stream
from tests.testbed.harness import Router, provider_env
from tests.testbed.provider import Provider

pytestmark = pytest.mark.asyncio(loop_scope="module")

MODEL = "openai/gpt-5.4"
COST = (11 * 1.0 + 7 * 10.0) / 1e6
"""USD of an answer of the scripted provider: 11 tokens in, 7 out."""

CONFIG = """
[prices."openai/gpt-5.4"]
input = 1.0
output = 10.0
[prices."openai/gpt-5.4-mini"]
input = 0.1
output = 1.0
"""


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def router(
    shared_provider: Provider, tmp_path_factory: pytest.TempPathFactory
) -> AsyncIterator[Router]:
    env = provider_env(shared_provider.url, "openai", "groq")
    async with Router(tmp_path_factory.mktemp("keys") / "router", env=env, config=CONFIG) as router:
        yield router


CLIENTS: Mapping[str, Settings] = {
    "parallel": Settings(limits=limits_of("7 requests/hour")),
    "bob": Settings(tag="team"),
    "cid": Settings(tag="team"),
    "formats": Settings(limits=limits_of("1 request/day")),
    "socket": Settings(limits=limits_of("1 request/day")),
    "money": Settings(limits=limits_of("0.02 USD/day", "1M tokens/total")),
    "spender": Settings(limits=limits_of("0.1 USD/day")),
    "open": Settings(limits=limits_of("1000 tokens/day")),
    "leaver": Settings(limits=limits_of("1 USD/day", "1M tokens/day", "9 requests/day")),
    "nothing": Settings(limits=limits_of("1 USD/day", "5 requests/day")),
    "warned": Settings(limits=limits_of("5 requests/day", "1 USD/total")),
    "frugal": Settings(limits=limits_of("1 USD/day"), on_limit="eco"),
    "picky": Settings(models=("auto", "groq/*")),
    "user": Settings(),
    "boss": Settings(admin=True),
    "priced": Settings(limits=limits_of("1 USD/day")),
}
"""The clients of the tests below, each of one test."""


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def keys(router: Router, http: httpx.AsyncClient) -> Mapping[str, str]:
    """The keys of these clients, which the router knows."""
    with changing(router.state_folder) as file:
        file.set_tag("team", limits_of("5 requests/day"))
        added = {name: file.add(name, settings, time.time()) for name, settings in CLIENTS.items()}
    keys = {name: key.get_secret_value() for name, key in added.items()}
    await asyncio.gather(*(until(http, key, 200) for key in keys.values()))
    return keys


async def test_keys_count_within_a_second_and_end_with_a_reason(
    router: Router, http: httpx.AsyncClient
) -> None:
    began = time.monotonic()
    key = await add_client(router, "ann")
    assert time.monotonic() - began < 1.5
    with changing(router.state_folder) as file:
        file.change("ann", Settings(expires=time.time() - 1))
    answer = await until(http, key, 401)
    assert answer.json()["error"]["code"] == "key_expired"
    with changing(router.state_folder) as file:
        file.revoke("ann", time.time())
        began = time.monotonic()
    while answer.json()["error"]["code"] != "key_revoked":
        assert time.monotonic() - began < 1.5
        await asyncio.sleep(0.02)
        answer = await http.get("/router/usage", headers=bearer(key))
    refused = await ask(http, make_key(0)[0].get_secret_value())
    assert (refused.status_code, refused.json()["error"]["code"]) == (401, "invalid_api_key")
    assert (await ask(http, "sk-any-other-text")).status_code == 200  # as ever, on this machine


async def test_parallel_requests_get_exactly_the_limit(
    keys: Mapping[str, str], http: httpx.AsyncClient, provider: Provider
) -> None:
    key = keys["parallel"]
    answers = await asyncio.gather(*(ask(http, key) for _ in range(30)))
    assert sorted(one.status_code for one in answers) == [200] * 7 + [429] * 23
    assert len(provider.requests) == 7


async def test_clients_of_a_tag_share_its_limit(keys: Mapping[str, str], http: httpx.AsyncClient) -> None:
    answers = await asyncio.gather(*(ask(http, keys[name]) for name in ("bob", "cid") for _ in range(8)))
    assert [one.status_code for one in answers].count(200) == 5
    refused = next(one for one in answers if one.status_code == 429)
    assert "5 requests/day of the tag team" in refused.json()["error"]["message"]


FORMATS: list[tuple[str, dict[str, Any], list[str], Any]] = [
    (CHAT, {"messages": HELLO}, ["error", "type"], "rate_limit_error"),
    ("/v1/messages", {"messages": HELLO, "max_tokens": 9}, ["error", "type"], "rate_limit_error"),
    ("/v1/responses", {"input": "Hello"}, ["error", "code"], "limit_reached"),
    ("/v1/embeddings", {"input": "Hello"}, ["error", "code"], "limit_reached"),
    (
        f"/v1beta/models/{MODEL.replace('/', '%2F')}:generateContent",
        {"contents": [{"parts": [{"text": "Hello"}]}]},
        ["error", "status"],
        "RESOURCE_EXHAUSTED",
    ),
]


async def test_every_format_is_told_which_limit_and_when_it_ends(
    router: Router, keys: Mapping[str, str], http: httpx.AsyncClient
) -> None:
    key = keys["formats"]
    assert (await ask(http, key)).status_code == 200
    for path, body, place, expected in FORMATS:
        answer = await http.post(path, json={"model": MODEL, **body}, headers=bearer(key))
        assert answer.status_code == 429, path
        told = answer.json()
        for name in place:
            told = told[name]
        assert told == expected
        message = answer.json()["error"]["message"]
        assert "1 requests/day" in message and "T00:00:00Z" in message
        assert 0 < int(answer.headers["retry-after"]) <= 86_400
        assert answer.headers["x-should-retry"] == "false"
        assert answer.headers["x-router-limit"] == "1 requests/day"


async def test_turns_of_a_websocket_are_limited(router: Router, keys: Mapping[str, str]) -> None:
    key = keys["socket"]
    asked = json.dumps({"type": "response.create", "model": MODEL, "input": "Hello"})
    url = f"ws{router.url.removeprefix('http')}/v1/responses"
    async with connect(url, additional_headers=bearer(key)) as socket, asyncio.timeout(10):
        await socket.send(asked)
        while "response.completed" not in str(await socket.recv()):
            pass
        await socket.send(asked)
        told = json.loads(await socket.recv())
    assert (told["type"], told["status"], told["code"]) == ("error", 429, "limit_reached")


async def test_money_is_settled_by_what_was_used(
    router: Router, keys: Mapping[str, str], http: httpx.AsyncClient, provider: Provider
) -> None:
    key = keys["money"]
    for number in range(1, 4):
        assert (await ask(http, key, max_tokens=1000)).status_code == 200
        assert await used(http, key) == pytest.approx([number * COST, number * 18])
    whole = await ask(http, key, max_tokens=2000)  # which may cost 0.02 USD and more
    assert whole.status_code == 429
    assert "0.019757 USD are left" in whole.json()["error"]["message"]
    assert whole.json()["error"]["limit"]["left"] == pytest.approx(0.02 - 3 * COST)
    assert (await ask(http, key, max_tokens=1000)).status_code == 200
    told = (await http.get("/router/usage", headers=bearer(key))).json()
    assert told["last_day"] == {"requests": 5, "input": 44, "output": 28, "cost": pytest.approx(4 * COST)}


async def test_money_is_never_exceeded_by_parallel_requests(
    keys: Mapping[str, str], http: httpx.AsyncClient, provider: Provider
) -> None:
    usage = {"prompt_tokens": 100, "completion_tokens": 1000, "total_tokens": 1100}
    provider.on(chat_answer(usage=usage), always=True)
    key = keys["spender"]
    cost, codes = (100 * 1.0 + 1000 * 10.0) / 1e6, []
    for _ in range(4):
        asked = (
            ask(http, key, max_tokens=1000, messages=[{"role": "user", "content": "a" * 400}])
            for _ in range(10)
        )
        codes += [one.status_code for one in await asyncio.gather(*asked)]
    assert codes.count(200) == int(0.1 / cost) == 9
    assert await used(http, key) == pytest.approx([9 * cost])


async def test_request_without_a_longest_answer_takes_what_is_left(
    keys: Mapping[str, str], http: httpx.AsyncClient, provider: Provider
) -> None:
    key = keys["open"]
    for number in range(1, 4):
        assert (await ask(http, key)).status_code == 200
        assert await used(http, key) == [number * 18]


async def test_stream_that_its_client_leaves_is_settled(
    router: Router, keys: Mapping[str, str], http: httpx.AsyncClient, provider: Provider
) -> None:
    provider.on(chat_stream(["abcd" * 10, "b"], stepped=True))
    key = keys["leaver"]
    body = {"model": MODEL, "messages": HELLO, "stream": True, "max_tokens": 5000}

    async def begin() -> list[float]:
        request = await provider.wait_for_request()
        reserved = await used(http, key)
        request.release(2)
        return reserved

    beginning = asyncio.create_task(begin())
    async with router.http() as other, other.stream("POST", CHAT, json=body, headers=bearer(key)) as answer:
        reserved = await beginning
        assert await anext(answer.aiter_lines())
    async with asyncio.timeout(10):
        while (settled := await used(http, key)) == reserved:  # noqa: ASYNC110  # nobody tells
            await asyncio.sleep(0.02)
    assert reserved[0] == pytest.approx(0.05, rel=0.01) and reserved[1] > 5000
    assert settled == pytest.approx([(1 * 1.0 + 10 * 10.0) / 1e6, 11, 1], rel=0.2)


async def test_refused_request_holds_nothing(keys: Mapping[str, str], http: httpx.AsyncClient) -> None:
    key = keys["nothing"]
    assert (await ask(http, key, "openai/none-such")).status_code == 404
    assert await used(http, key) == [0, 0]


async def test_clients_are_warned_from_80_percent_on(
    router: Router, keys: Mapping[str, str], http: httpx.AsyncClient
) -> None:
    key = keys["warned"]
    warnings = [(await ask(http, key)).headers.get("x-router-limit-warning", "") for _ in range(5)]
    assert [one[:5].strip() for one in warnings] == ["", "", "", "80% o", "100%"]
    assert "5 requests/day" in warnings[3] and "starts anew at" in warnings[3]


async def test_auto_goes_cheaper_when_the_money_is_nearly_spent(
    router: Router, keys: Mapping[str, str], http: httpx.AsyncClient
) -> None:
    key = keys["frugal"]
    answers = await asyncio.gather(*(ask(http, key, "auto") for _ in range(9)))
    assert not [one for one in answers if "auto:eco" in one.headers["x-router-why"]]
    (spent,) = await used(http, key)
    with changing(router.state_folder) as file:
        file.change("frugal", Settings(limits=limits_of(f"{spent * 1.2:.9f} USD/day")))
    async with asyncio.timeout(5):
        while (await http.get("/router/usage", headers=bearer(key))).json()["limits"][0]["amount"] == 1:  # noqa: ASYNC110
            await asyncio.sleep(0.02)
    later = await ask(http, key, "auto", max_tokens=1)
    assert later.status_code == 200, later.text
    assert "auto:eco" in later.headers["x-router-why"]


async def test_only_allowed_models_are_listed_named_and_chosen(
    router: Router, keys: Mapping[str, str], http: httpx.AsyncClient
) -> None:
    key = keys["picky"]
    listed = [one["id"] for one in (await http.get("/v1/models", headers=bearer(key))).json()["data"]]
    assert listed[0] == "auto" and len(listed) > 1
    assert all(one == "auto" or one.startswith("groq/") for one in listed)
    for path, body, place, _ in FORMATS:
        answer = await http.post(path, json={"model": MODEL, **body}, headers=bearer(key))
        assert answer.status_code == 403, path
        assert place[0] in answer.json()
        assert "auto, groq/*" in answer.json()["error"]["message"]
    assert (await ask(http, key, "auto:eco")).status_code == 403
    for _ in range(3):
        chosen = await ask(http, key, "auto")
        assert chosen.headers["x-router-provider"] == "groq"
    assert (await ask(http, key, listed[1])).status_code == 200


ADMIN_VIEWS = ("/router/stats", "/router/running", "/router/clients", "/metrics")


async def test_views_of_all_clients_need_an_admin_or_this_machine(
    router: Router, keys: Mapping[str, str], http: httpx.AsyncClient
) -> None:
    user, admin = keys["user"], keys["boss"]
    for path in ADMIN_VIEWS:
        codes = [
            (await http.get(path, headers=shown)).status_code for shown in (bearer(user), bearer(admin), {})
        ]
        assert codes == [403, 200, 200], path
    assert (await http.get("/health", headers=bearer(user))).json().keys() == {"status"}
    everybody = (await http.get("/router/clients")).json()["clients"]
    assert {"user", "boss"} <= {one["name"] for one in everybody}
    nobody = await http.get("/router/usage")
    assert (nobody.status_code, nobody.json()["error"]["type"]) == (401, "authentication_error")
    own = (await http.get("/router/usage", headers=bearer(user))).json()
    assert (own["name"], own["admin"], own["limits"]) == ("user", False, [])


async def test_model_without_a_price_is_refused_where_money_counts(
    keys: Mapping[str, str], http: httpx.AsyncClient
) -> None:
    key = keys["priced"]
    answer = await http.post(
        "/v1/images/generations", json={"model": "openai/gpt-image-9", "prompt": "x"}, headers=bearer(key)
    )
    assert (answer.status_code, answer.json()["error"]["code"]) == (403, "no_price")
    assert '[prices."openai/gpt-image-9"]' in answer.json()["error"]["message"]
