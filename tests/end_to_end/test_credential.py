"""Secrets: a provider's key reaches only that provider, and the client's own key no provider."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest
import pytest_asyncio

from tests.testbed.harness import Router, provider_env
from tests.testbed.record import Request
from tests.testbed.talk import CHAT, ask_body
from tests.testbed.upstreams import Upstreams

pytestmark = pytest.mark.asyncio(loop_scope="module")

# provider, model, header that carries its key, what comes before the key, the client's headers that go up
PROVIDERS = [
    ("openai", "gpt-5.4-mini", "authorization", "Bearer ", set()),
    ("groq", "openai/gpt-oss-20b", "authorization", "Bearer ", set()),
    ("openrouter", "some/model", "authorization", "Bearer ", {"http-referer", "x-title"}),
    ("anthropic", "claude-haiku-5-5", "x-api-key", "", {"anthropic-beta", "anthropic-version"}),
    ("google", "gemini-3.8-flash", "x-goog-api-key", "", set()),
]
NAMES = [row[0] for row in PROVIDERS]

ALWAYS = {"host", "content-type", "content-length", "accept", "accept-encoding", "user-agent"}
"""Headers of any request, made here."""

CLIENT_SECRET = "the-clients-own-secret"
CLIENT_HEADERS = {
    "authorization": f"Bearer {CLIENT_SECRET}-key",
    "x-api-key": f"{CLIENT_SECRET}-key",
    "x-goog-api-key": f"{CLIENT_SECRET}-key",
    "cookie": f"session={CLIENT_SECRET}",
    "proxy-authorization": f"Basic {CLIENT_SECRET}",
    "user-agent": "the-clients-agent",
    "http-referer": "https://client.example",
    "x-title": "The client",
    "anthropic-beta": "some-beta",
    "openai-organization": "org-of-the-client",
    "x-stainless-lang": "python",
    "x-forwarded-for": "192.0.2.1",
    "accept-encoding": "gzip",
    "traceparent": "00-1-2-3",
}


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def upstreams() -> AsyncIterator[Upstreams]:
    async with Upstreams() as upstreams:
        yield upstreams


@pytest.mark.parametrize("upstream", ["plain", "tls", "h2"])
async def test_each_provider_gets_its_own_secret_only(
    upstream: str, upstreams: Upstreams, tmp_path: Path, fast_path: str
) -> None:
    provider = upstreams.providers[upstream]
    before = len(provider.requests)
    saved = tmp_path / "flows.mitm"
    arguments: dict[str, Any] = {
        "args": ["-w", str(saved)],
        "options": {"flow_detail": "4", "router_fast_path": fast_path},
    }
    async with Router(tmp_path / "router", env=provider_env(provider.url, *NAMES), **arguments) as router:
        for connection in ({}, {"http2": True}):
            async with router.http(**connection) as http:
                for name, model, *_ in PROVIDERS:
                    for stream in (True, False):
                        body = ask_body(f"{name}/{model}", stream=stream)
                        answer = await http.post(CHAT, json=body, headers=CLIENT_HEADERS)
                        assert answer.status_code == 200, answer.text
                        assert "key-" not in answer.text + str(answer.headers)
    requests = provider.requests[before:]
    assert len(requests) == 4 * len(PROVIDERS)
    for request in requests:
        check(request)
    flows = saved.read_bytes()
    assert flows.count(b"/chat/completions") >= 4 * len(PROVIDERS)
    for text in (flows, router.log.encode()):
        assert [name for name in NAMES if f"key-{name}".encode() in text] == []
    assert f"{CLIENT_SECRET}-key".encode() not in flows


def check(request: Request) -> None:
    """The provider's own key, nothing secret of the client's, and none but the headers listed."""
    name = request.path.split("/")[1]
    _, _, header, prefix, passed = next(row for row in PROVIDERS if row[0] == name)
    assert request.headers[header] == f"{prefix}key-{name}"
    assert request.headers.keys() - {header} <= ALWAYS | passed
    assert request.headers["user-agent"].startswith("smart-router/")
    assert request.headers["accept-encoding"] == "identity"
    assert CLIENT_SECRET not in str(request.headers) + request.path
    for wanted in passed & CLIENT_HEADERS.keys():
        assert request.headers[wanted] == CLIENT_HEADERS[wanted]
