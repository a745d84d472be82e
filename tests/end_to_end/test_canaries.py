"""Canary secrets in a run of mitmweb appear only in requests to providers and in the store."""

from __future__ import annotations

import asyncio
import json
import sqlite3
from collections.abc import Sequence
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest
from pydantic import SecretStr
from websockets.asyncio.client import connect

from smart_router.auth.store import AuthStore
from smart_router.client_keys.database import Settings, changing
from smart_router.client_keys.limits import read_limit
from smart_router.config import load_config
from tests.conftest import StartRouter
from tests.testbed.answers import Answer
from tests.testbed.chat import chat_answer, chat_error, chat_stream
from tests.testbed.harness import provider_env
from tests.testbed.provider import Provider
from tests.testbed.record import Request
from tests.testbed.wires import messages_answer, messages_stream, speak
from tests.ui.web import Web, web_arguments

CANARY = "canary"
ENV_KEY = f"sk-{CANARY}-env-0123456789"
STORED_KEY = f"sk-{CANARY}-stored-0123456789"
CLIENT_KEY = f"sk-{CANARY}-client-0123456789"
OWN_LOGIN = f"sk-ant-oat01-{CANARY}-own-0123456789"
OWN_FIRST = '[clients.own_login]\nanthropic = "first"\n[providers.anthropic]\n'
HELLO = [{"role": "user", "content": "hello"}]


OTHER_FORMATS: list[tuple[str, dict[str, str], Any]] = [
    (path, headers, {**body, "model": "anthropic/claude-opus-4-8"})
    for path, headers, body in (
        ("/v1/messages?beta=true", {"x-api-key": CLIENT_KEY}, {"messages": HELLO, "max_tokens": 9}),
        ("/v1/messages", {"authorization": f"Bearer {CLIENT_KEY}"}, {"messages": HELLO, "max_tokens": 9}),
        (f"/v1/responses?api_key={CLIENT_KEY}", {}, {"input": "hello"}),
        (
            f"/v1beta/models/anthropic%2Fclaude-opus-4-8:generateContent?key={CLIENT_KEY}",
            {"x-goog-api-key": CLIENT_KEY},
            {"contents": [{"parts": [{"text": "hello"}]}]},
        ),
    )
]
"""Requests of the other formats, with a key wherever their clients put one."""


def fill_store(config: Path, state: Path) -> None:
    """A stored key beside those of the environment."""
    store = AuthStore({}, load_config(config, {}).providers, state)
    store.add_key("groq", "mine", SecretStr(STORED_KEY))
    store.close()


def add_client(state: Path, name: str) -> str:
    """A client of the router; its key, of which no place may have more than the beginning."""
    with changing(state) as file:
        return file.add(name, Settings(limits=(read_limit("1000 requests/day"),)), 1.0).get_secret_value()


def script(provider: Provider) -> None:
    """Answers whole and streamed, errors that quote the key, and one that every attempt meets."""
    quoting = chat_error(401, f"Incorrect API key provided: {ENV_KEY}.", "invalid_api_key")
    provider.on(quoting, chat_answer("hi"), chat_stream(["h", "i"]), quoting, path="/openai")
    provider.on(chat_error(500, f"Bearer {STORED_KEY} made us fail"), chat_answer("hi"), path="/groq")


async def ask(web: Web, url: str) -> list[str]:
    """Requests that end well and badly; their answers as text, headers included."""
    told = []
    for model in ("openai/gpt-5.4-mini", "groq/openai/gpt-oss-20b", "auto", "openai/gpt-4.1", "xai/grok-4.7"):
        for stream in (False, True):
            answer = await web.http.post(
                f"{url}/v1/chat/completions",
                json={"model": model, "messages": HELLO, "stream": stream},
                headers={"authorization": f"Bearer {CLIENT_KEY}"},
            )
            told.append(f"{answer.status_code} {answer.headers} {answer.text}")
    for path, headers, body in OTHER_FORMATS:
        answer = await web.http.post(url + path, json=body, headers=headers)
        assert answer.status_code == 200, answer.text
        told.append(f"{answer.status_code} {answer.headers} {answer.text}")
    told += await ask_by_websocket(url)
    local = [(await web.http.get(url + path)).text for path in ("/health", "/v1/models", "/router/stats")]
    return told + local


async def ask_by_websocket(url: str) -> list[str]:
    """A turn over a WebSocket; its messages."""
    shown = {"authorization": f"Bearer {CLIENT_KEY}"}
    asked = {"type": "response.create", "model": "anthropic/claude-opus-4-8", "input": "hello"}
    told: list[str] = []
    async with connect(f"ws{url.removeprefix('http')}/v1/responses", additional_headers=shown) as socket:
        await socket.send(json.dumps(asked))
        while not told or "response.completed" not in told[-1]:
            told.append(str(await asyncio.wait_for(socket.recv(), 10)))
    return told


async def ask_with_router_keys(url: str, keys: Sequence[str], web: Web) -> list[str]:
    """Requests with router keys, right, cut short and revoked, wherever clients send them; the answers."""
    told = []
    for key in keys:
        for headers in ({"authorization": f"Bearer {key}"}, {"x-api-key": key}, {"x-goog-api-key": key}):
            body = {"model": "groq/openai/gpt-oss-20b", "messages": HELLO}
            answer = await web.http.post(f"{url}/v1/chat/completions?key={key}", json=body, headers=headers)
            told.append(f"{answer.status_code} {answer.headers} {answer.text}")
        for path in ("/router/usage", "/router/clients", "/router/nothing"):
            answer = await web.http.get(f"{url}{path}?key={key}")
            told.append(f"{answer.status_code} {answer.headers} {answer.text}")
    return told


async def shown_in_mitmweb(web: Web) -> list[str]:
    """All flows as its interface shows them, with bodies in the default view."""
    flows = await web.wait_for(2, "")
    shown = [json.dumps(flows), (await web.http.get("/events")).text, (await web.http.get("/options")).text]
    shown.append((await web.http.get("/flows/dump")).content.decode("latin-1"))
    for flow in flows:
        shown += [json.dumps(await web.content(flow, message)) for message in ("request", "response")]
    return shown


def dumped(state: Path) -> list[str]:
    """All databases of the state folder but the store itself."""
    texts = []
    for file in state.glob("*.sqlite"):
        if file.name != "auth.sqlite":
            with closing(sqlite3.connect(file)) as db:
                texts.append("\n".join(db.iterdump()))
    assert texts, "the stats are missing"
    return texts


async def test_secrets_are_in_requests_and_in_the_store_alone(
    start_router: StartRouter, provider: Provider, tmp_path: Path
) -> None:
    script(provider)
    saved, har = tmp_path / "flows.mitm", tmp_path / "flows.har"
    state = tmp_path / "state"
    fill_store(tmp_path / "no-config.toml", state)
    router_keys = [add_client(state, "ann"), add_client(state, "gone")]
    with changing(state) as file:
        file.revoke("gone", 2.0)
    router_keys.append(router_keys[0][:-3])
    secrets = [CANARY, *(key[12:50] for key in router_keys)]
    env = provider_env(provider.url, "openai", "groq", "xai", "anthropic") | {"OPENAI_API_KEY": ENV_KEY}
    env |= {"SMART_ROUTER_STATE": str(state), "GROQ_API_KEY": "", "XAI_API_KEY": ""}
    arguments = web_arguments(hardump=str(har), router_audit_content="true")
    router = await start_router(env=env, args=["-w", str(saved)], **arguments)
    async with Web(router) as web:
        told = await ask(web, router.url)
        told += await ask_with_router_keys(router.url, router_keys, web)
        shown = await shown_in_mitmweb(web)
    router.stop()
    sent = [request.headers.get("authorization", "") for request in provider.requests]
    assert {f"Bearer {ENV_KEY}", f"Bearer {STORED_KEY}"} <= set(sent)
    assert not [header for header in sent if CLIENT_KEY in header or "srk-" in header]
    saves = [path.read_bytes().decode("latin-1") for path in (saved, har, *state.glob("clients*"))]
    log = [router.log]
    places = {"answers": told, "mitmweb": shown, "log": log, "files": saves, "databases": dumped(state)}
    check(places, secrets)


def check(places: dict[str, list[str]], secrets: Sequence[str] = (CANARY,)) -> None:
    for name, texts in places.items():
        assert texts, name
        assert [text for text in texts if any(secret in text for secret in secrets)] == [], name


def refuse_own_login(request: Request) -> Answer:
    """A limit whose message quotes the client's own login; an answer for any other credential."""
    if OWN_LOGIN not in request.headers.get("authorization", ""):
        return speak(request, "hi")
    message = f"The limit of Bearer {OWN_LOGIN} is reached."
    error = {"type": "error", "error": {"type": "rate_limit_error", "message": message}}
    return Answer(429, {"content-type": "application/json"}, json.dumps(error).encode())


async def test_a_tools_own_login_is_in_requests_to_its_vendor_alone(
    start_router: StartRouter, provider: Provider, tmp_path: Path
) -> None:
    """Profile `client` through the proxy: answers, a refusal that quotes it, and one by the router's key."""
    saved, har = tmp_path / "flows.mitm", tmp_path / "flows.har"
    host = f"127.0.0.1:{provider.port}"
    provider.on(messages_answer("hi"), messages_stream(["h", "i"]), refuse_own_login, path="/v1/messages")
    provider.on(refuse_own_login, path="/v1/messages", always=True)
    router = await start_router(
        modes=["regular"],
        env={"ANTHROPIC_API_KEY": "sk-ant-api03-of-the-router-0123456789"},
        config=OWN_FIRST + f'base_url = "http://{host}"\n',
        args=["-w", str(saved)],
        **web_arguments(hardump=str(har), router_audit_content="true", router_intercept=host),
    )
    told = []
    shown = {"authorization": f"Bearer {OWN_LOGIN}", "anthropic-beta": "oauth-2025-04-20"}
    async with Web(router) as web, router.proxied_http() as http:
        for stream in (False, True, False):
            body = {"model": "claude-haiku-5-5", "max_tokens": 9, "messages": HELLO, "stream": stream}
            answer = await http.post(f"http://{host}/v1/messages", json=body, headers=shown)
            assert answer.status_code == 200, answer.text
            told.append(f"{answer.headers} {answer.text}")
        in_mitmweb = await shown_in_mitmweb(web)
    router.stop()
    sent = [OWN_LOGIN in request.headers.get("authorization", "") for request in provider.requests]
    assert sent == [True, True, True, False]
    saves = [path.read_bytes().decode("latin-1") for path in (saved, har)]
    stored = [
        file.read_bytes().decode("latin-1") for file in router.state_folder.rglob("*") if file.is_file()
    ]
    check({"answers": told, "mitmweb": in_mitmweb, "log": [router.log], "files": saves, "state": stored})


@pytest.mark.parametrize("http2", [False, True], ids=["HTTP/1.1", "HTTP/2"])
async def test_proxy_debug_shows_no_secret(start_router: StartRouter, tmp_path: Path, http2: bool) -> None:
    """Nor the bytes of HTTP/2, in which keys are compressed but not encrypted."""
    state = tmp_path / "state"
    fill_store(tmp_path / "no-config.toml", state)
    async with Provider(tls=True) as provider:
        env = provider_env(provider.url, "openai", "groq") | {"OPENAI_API_KEY": ENV_KEY, "GROQ_API_KEY": ""}
        options = {"proxy_debug": "true", "termlog_verbosity": "debug", "router_log_connections": "true"}
        router = await start_router(
            env=env | {"SMART_ROUTER_STATE": str(state)}, options=options, upstream=provider.url
        )
        async with router.http(http2=http2) as http:
            for model in ("openai/gpt-5.4-mini", "groq/openai/gpt-oss-20b"):
                for stream in (False, True):
                    answer = await http.post(
                        "/v1/chat/completions",
                        json={"model": model, "messages": HELLO, "stream": stream},
                        headers={"authorization": f"Bearer {CLIENT_KEY}", "x-api-key": CLIENT_KEY},
                    )
                    assert answer.status_code == 200, answer.text
            await http.get(f"/v1/other?key={CLIENT_KEY}")
        sent = {request.headers.get("authorization") for request in provider.requests}
        assert {f"Bearer {ENV_KEY}", f"Bearer {STORED_KEY}"} <= sent
    router.stop()
    assert "SendData(server, b'***')" in router.log
    assert "DataReceived(client, b'***')" in router.log
    if http2:
        assert "(b'authorization', b'***')" in router.log
    assert CANARY not in router.log


async def test_words_equal_to_a_key_stay_in_answers(start_router: StartRouter, provider: Provider) -> None:
    """Servers of one's own often have keys like these."""
    router = await start_router(env=provider_env(provider.url, "openai") | {"OPENAI_API_KEY": "ordinary"})
    text = "An ordinary answer."
    provider.on(chat_answer(text), chat_stream([text]))
    async with router.http() as http:
        for stream in (False, True):
            body = {"model": "openai/gpt-5.4-mini", "messages": HELLO, "stream": stream}
            answer = await http.post("/v1/chat/completions", json=body)
            assert text in answer.text


async def test_header_of_any_bytes_is_passed_on_unchanged(
    start_router: StartRouter, provider: Provider
) -> None:
    router = await start_router(env=provider_env(provider.url, "openrouter"))
    async with router.http() as http:
        answer = await http.post(
            "/v1/chat/completions",
            json={"model": "openrouter/some/model", "messages": HELLO},
            headers=[(b"x-title", b"caf\xe9")],
        )
    assert answer.status_code == 200, answer.text
    assert provider.requests[0].headers["x-title"].encode("latin-1") == b"caf\xe9"
