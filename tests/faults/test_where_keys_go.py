"""The key of a provider is seen by that provider's host alone, whatever a client puts in its requests."""

from __future__ import annotations

import asyncio
import json
import re
import socket
import time
from collections.abc import AsyncIterator, Iterator
from contextlib import AsyncExitStack
from typing import Any, NamedTuple

import pytest
import pytest_asyncio
from hypothesis import given, settings
from hypothesis import strategies as st

from smart_router.api.endpoints import ROWS
from smart_router.dialects.anthropic.client_schema import MESSAGES_REQUEST
from smart_router.dialects.gemini.client_schema import GENERATE_REQUEST
from smart_router.dialects.openai_chat.client_schema import CHAT_REQUEST
from smart_router.dialects.openai_responses.client_schema import RESPONSES_REQUEST
from tests.conftest import renewed
from tests.testbed.answers import Answer
from tests.testbed.examples import examples
from tests.testbed.harness import Router, provider_env
from tests.testbed.provider import Provider
from tests.testbed.wires import speak

pytestmark = pytest.mark.asyncio(loop_scope="module")

IDS = ("openai", "anthropic", "google", "groq")
MODELS = (
    "openai/gpt-5.4-mini", "anthropic/claude-haiku-5-5", "google/gemini-3.8-flash", "groq/openai/gpt-oss-20b",
    "auto",
)  # fmt: skip
CLIENT_KEY = "sk-of-the-client"
PATIENCE = 20.0
ENDLESS = {"/router/events"}
"""Streams that end when their client does."""
ONCE = {"router_max_attempts": "2"}


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def hosts() -> AsyncIterator[dict[str, Provider]]:
    """A host for each provider, one of an attacker, and the reverse mode's target."""
    async with AsyncExitStack() as stack:
        hosts = {name: await stack.enter_async_context(Provider()) for name in (*IDS, "attacker", "target")}
        for host in hosts.values():
            host.script.default = lambda request: speak(request, "Hello.")
        yield hosts


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def router(
    hosts: dict[str, Provider], tmp_path_factory: pytest.TempPathFactory
) -> AsyncIterator[Router]:
    env = {name: value for id_ in IDS for name, value in provider_env(hosts[id_].url, id_).items()}
    folder = tmp_path_factory.mktemp("keys") / "router"
    async with Router(folder, env=env, upstream=hosts["target"].url, options=ONCE) as router:
        yield router


# what a client controls


def _names(schema: Any) -> Iterator[str]:
    """The names of all fields of a JSON schema."""
    if isinstance(schema, dict):
        yield from schema.get("properties", {})
        for inner in schema.values():
            yield from _names(inner)
    elif isinstance(schema, list):
        for inner in schema:
            yield from _names(inner)


SCHEMAS = (CHAT_REQUEST, MESSAGES_REQUEST, RESPONSES_REQUEST, GENERATE_REQUEST)
FIELDS = sorted({name for schema in SCHEMAS for name in _names(schema.json_schema())})
MADE_UP = (
    "base_url", "api_base", "api_key", "endpoint", "host", "proxy", "url", "x_router", "provider", "models",
    "server_url", "headers", "extra_headers", "resource_url", "azure_endpoint",
)  # fmt: skip
HEADERS = (
    "host", "forwarded", "x-forwarded-host", "x-forwarded-for", "x-forwarded-proto", "x-original-url",
    "x-rewrite-url", "x-base-url", "x-api-base", "x-router-provider", "x-router-model", "origin", "referer",
    "authorization", "x-api-key", "x-goog-api-key", "api-key", "openai-organization", "anthropic-beta",
    "http-referer", "x-title", "x-session-id", "proxy-authorization", "x-goog-user-project", "via",
)  # fmt: skip
PATHS = [
    *sorted({path for row in ROWS for path in row.paths} - ENDLESS),
    "/any",
    "//{attacker}/v1/chat/completions",
]


class Sent(NamedTuple):
    """A request, with `{attacker}` where the attacker's host and port go."""

    method: str
    target: str
    headers: list[tuple[str, str]]
    body: Any


SPELLINGS = st.sampled_from(
    ("http://{attacker}", "http://{attacker}/v1", "{attacker}", "//{attacker}", "user@{attacker}",
     "http://{attacker}#openai", "openai@{attacker}/x", "x\tX-A: {attacker}", "/../../{attacker}")
)  # fmt: skip


def _places(value: Any, path: tuple[Any, ...] = ()) -> list[tuple[Any, ...]]:
    items = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    return [path, *(place for key, inner in items for place in _places(inner, (*path, key)))]


def _put(value: Any, path: tuple[Any, ...], by: Any) -> Any:
    if not path:
        return by
    copy = value.copy()
    copy[path[0]] = _put(value[path[0]], path[1:], by)
    return copy


def _body(model: str) -> dict[str, Any]:
    """A body that each format takes its own fields from."""
    text = [{"role": "user", "content": "Hi"}]
    contents = [{"role": "user", "parts": [{"text": "Hi"}]}]
    tool = {"type": "function", "function": {"name": "f", "parameters": {"type": "object"}}}
    return {
        "model": model,
        "messages": text,
        "input": "Hi",
        "contents": contents,
        "max_tokens": 9,
        "tools": [tool],
    }


@st.composite
def requests(draw: st.DrawFn) -> Sent:
    """A request with the attacker's host in one or more of its fields."""
    model = draw(st.sampled_from(MODELS) | SPELLINGS | SPELLINGS.map("openai/{}".format))
    path = (
        draw(st.sampled_from(PATHS)).replace("{model}", model.replace("/", "%2F")).replace("{id}", "resp_1")
    )
    path = re.sub(r"[^!-~]", "%09", path)
    query = draw(
        st.sampled_from(("", "?key={attacker}", "?alt=sse&base_url=http://{attacker}", "?url={attacker}"))
    )
    form = draw(
        st.sampled_from(("{}", "{}", "http://{{attacker}}{}", "https://{{attacker}}{}", "http://openai{}"))
    )
    body = _body(model) | {"stream": draw(st.booleans())}
    for name in draw(st.lists(st.sampled_from((*FIELDS, *MADE_UP)), max_size=3)):
        body[name] = draw(
            SPELLINGS | SPELLINGS.map(lambda url: {"url": url}) | SPELLINGS.map(lambda url: [url])
        )
    if draw(st.booleans()):
        body = _put(body, draw(st.sampled_from([place for place in _places(body) if place])), draw(SPELLINGS))
    named = draw(st.lists(st.tuples(st.sampled_from(HEADERS), SPELLINGS), max_size=3))
    return Sent(draw(st.sampled_from(("POST", "POST", "GET"))), form.format(path + query), named, body)


def send(router: Router, attacker: str, sent: Sent) -> None:
    """Send it as it is, and read the answer to its end."""
    body = json.dumps(sent.body).replace("{attacker}", attacker).encode()
    lines = [f"{sent.method} {sent.target} HTTP/1.1", f"content-length: {len(body)}", "connection: close"]
    if not any(name == "host" for name, _ in sent.headers):
        lines.append("host: localhost")
    lines += [
        f"{name}: {value}" for name, value in [("authorization", f"Bearer {CLIENT_KEY}"), *sent.headers]
    ]
    head = "\r\n".join([*lines, "\r\n"]).replace("{attacker}", attacker).encode()
    give_up = time.monotonic() + PATIENCE
    with socket.create_connection(("127.0.0.1", router.port), PATIENCE) as connection:
        connection.sendall(head + body)
        while received := connection.recv(65536):
            assert time.monotonic() < give_up, received


def strangers(hosts: dict[str, Provider]) -> list[str]:
    """Each key that a host was sent and that is not its own."""
    found = []
    for name, host in hosts.items():
        for request in host.requests:
            seen = f"{request.path} {request.headers} {request.body.decode(errors='replace')}"
            others = [id_ for id_ in IDS if id_ != name and f"key-{id_}" in seen]
            found += [f"{name} saw the key of {id_}: {seen}" for id_ in others]
            if name in IDS and CLIENT_KEY in str(request.headers):
                found.append(f"{name} saw the client's key: {seen}")
    return found


async def test_no_field_of_a_request_takes_a_key_elsewhere(
    router: Router, hosts: dict[str, Provider]
) -> None:
    attacker = f"127.0.0.1:{hosts['attacker'].port}"

    @settings(max_examples=examples(150))
    @given(sent=requests())
    def check(sent: Sent) -> None:
        for host in hosts.values():
            renewed(host)
        send(router, attacker, sent)
        assert strangers(hosts) == []
        assert hosts["attacker"].requests == []

    await asyncio.to_thread(check)


@pytest.mark.parametrize("status", [301, 302, 303, 307, 308, 200, 401])
async def test_no_provider_sends_its_key_elsewhere(
    router: Router, hosts: dict[str, Provider], status: int
) -> None:
    attacker = hosts["attacker"].url
    elsewhere = dict.fromkeys(("location", "content-location", "link"), attacker)
    elsewhere |= {"refresh": f"0; url={attacker}", "alt-svc": f'h2="{attacker[7:]}"'}
    for host in hosts.values():
        renewed(host)
    hosts["openai"].on(Answer(status, elsewhere, b"{}"), always=True)
    for _ in range(2):
        body = {"model": MODELS[0], "messages": [{"role": "user", "content": "Hi"}]}
        await asyncio.to_thread(send, router, attacker, Sent("POST", "/v1/chat/completions", [], body))
    assert hosts["openai"].requests
    assert hosts["attacker"].requests == []
    assert strangers(hosts) == []
