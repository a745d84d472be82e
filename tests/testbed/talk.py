"""Requests to the router and their answers, and the config of routers whose candidates a test chooses."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any

import httpx

from smart_router.routing.decision import TIERS
from tests.testbed.harness import Router

CHAT = "/v1/chat/completions"

Clients = Mapping[str, httpx.AsyncClient]
"""A client of each kind: `h1` plain HTTP/1.1, `h2` HTTP/2 over TLS."""


@asynccontextmanager
async def clients_of(router: Router) -> AsyncIterator[Clients]:
    """One client of each kind, whose connections are kept alive."""
    async with router.http() as h1, router.http(http2=True) as h2:
        yield {"h1": h1, "h2": h2}


def ask_body(model: str, *, stream: bool, text: str = "", **fields: Any) -> dict[str, Any]:
    """A chat request; its text, and so its conversation, is the model's own unless given."""
    messages = [{"role": "user", "content": text or f"Hello, {model}"}]
    return {"model": model, "messages": messages, "stream": stream, **fields}


@dataclass
class Reply:
    """An answer as a client received it. `broken`: the connection ended before the answer did."""

    status: int
    headers: httpx.Headers
    body: bytes = b""
    broken: bool = False
    pieces: list[bytes] = field(default_factory=list)

    @property
    def json(self) -> dict[str, Any]:
        """The answer in one piece."""
        parsed = json.loads(self.body)
        assert isinstance(parsed, dict)
        return parsed

    @property
    def error(self) -> dict[str, Any]:
        """The error object: of an error answer, or the last event of a stream."""
        found = (self.events[-1] if self.streamed else self.json)["error"]
        assert isinstance(found, dict)
        return found

    @property
    def streamed(self) -> bool:
        """True if it is an event stream."""
        return self.headers["content-type"].startswith("text/event-stream")

    @property
    def _data(self) -> list[str]:
        lines = self.body.decode().splitlines()
        return [line.removeprefix("data: ") for line in lines if line.startswith("data: ")]

    @property
    def events(self) -> list[dict[str, Any]]:
        """A stream's events, without `[DONE]`."""
        return [json.loads(data) for data in self._data if data != "[DONE]"]

    @property
    def comments(self) -> int:
        """The number of comments in a stream."""
        return sum(line.startswith(":") for line in self.body.decode().splitlines())

    @property
    def done(self) -> bool:
        """True if a stream ended with `[DONE]`."""
        return self._data[-1:] == ["[DONE]"]

    @property
    def choices(self) -> list[dict[str, Any]]:
        """The choices of all chunks, or of the whole answer."""
        objects = self.events if self.streamed else [self.json]
        return [choice for one in objects for choice in one.get("choices", [])]

    @property
    def text(self) -> str:
        """The answer's text."""
        part = "delta" if self.streamed else "message"
        return "".join(choice[part].get("content") or "" for choice in self.choices)

    @property
    def finish_reason(self) -> str | None:
        """The answer's finish reason, None if it did not end."""
        return next((reason for one in self.choices if (reason := one["finish_reason"])), None)

    @property
    def router(self) -> dict[str, str]:
        """The `x-router-*` headers, without that prefix."""
        return {name[9:]: value for name, value in self.headers.items() if name.startswith("x-router-")}


async def talk(http: httpx.AsyncClient, model: str, *, stream: bool, **fields: Any) -> Reply:
    """Ask for a chat completion, and read the answer as far as it goes."""
    return await post(http, ask_body(model, stream=stream, **fields))


async def post(http: httpx.AsyncClient, body: Mapping[str, Any]) -> Reply:
    """Send a chat request, and read the answer as far as it goes."""
    async with http.stream("POST", CHAT, json=body) as answer:
        reply = Reply(answer.status_code, answer.headers)
        try:
            async for piece in answer.aiter_bytes():
                reply.pieces.append(piece)
        except (httpx.RemoteProtocolError, httpx.ReadError):
            reply.broken = True
    reply.body = b"".join(reply.pieces)
    return reply


def chains_config(chains: Mapping[str, Sequence[str]]) -> str:
    """TOML: virtual models of these names, each with its candidates, and no fallback."""
    lines = ["[routing]", "fallback = []", "[routing.virtual_models]"]
    lines += [f'"{name}" = {{ tier_models = "{name}", tier = "SIMPLE" }}' for name in chains]
    for name, candidates in chains.items():
        lines.append(f'[routing.tier_models."{name}"]')
        lines += [f"{tier} = {json.dumps(list(candidates) if tier == 'SIMPLE' else [])}" for tier in TIERS]
    return "\n".join([*lines, ""])


def providers_config(base_urls: Mapping[str, str], **key_env: str) -> str:
    """TOML: providers of these names and base URLs, which take any model; those in `key_env` take a key."""
    lines = []
    for name, url in base_urls.items():
        lines += [f"[providers.{name}]", f'base_url = "{url}"']
        lines += [f'key_env = "{key_env[name]}"'] if name in key_env else []
    return "\n".join([*lines, ""])
