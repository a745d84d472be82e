"""The demo's provider: it answers every prompt with one text, in the format in which it is asked."""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import suppress
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from threading import Thread
from typing import Self
from urllib.parse import parse_qsl, urlsplit

from pydantic_core import to_json

from smart_router.dialects.anthropic.client import MESSAGES
from smart_router.dialects.base import ClientDialect, find_by_path
from smart_router.dialects.fold import fold
from smart_router.dialects.gemini.client import GENERATE, STREAM_GENERATE
from smart_router.dialects.hub import ChatRequest, Delta, End, Event, Finish, Start, UsageEvent
from smart_router.dialects.openai_chat.client import CHAT
from smart_router.dialects.openai_responses.client import RESPONSES
from smart_router.errors import ClientError, UpstreamError
from smart_router.providers.registry import PROVIDERS

FORMATS: tuple[ClientDialect, ...] = (CHAT, MESSAGES, RESPONSES, GENERATE, STREAM_GENERATE)

POEM = (
    "A question came in, short and plain; a small model answered it, quick as rain. "
    "A proof came next, with a lemma to find; it went to a model of a weightier kind. "
    "And when one door was shut for the day, the next in the list had something to say."
)

PAUSE = 0.03
"""Seconds between the words of a stream: slow enough to watch."""


def provider_env(url: str, *providers: str) -> dict[str, str]:
    """Return keys and base URLs that send these providers' requests to `url`, each below `/<provider>`.

    Provider x gets the key `key-x`; the version path below is the one that its real base URL has.
    """
    env = {}
    for id_ in providers:
        provider = PROVIDERS[id_]
        assert provider.base_url_env, f"{id_} has no variable for its base URL"
        env[provider.base_url_env] = f"{url}/{id_}{urlsplit(provider.base_url).path}"
        env[provider.key_env[0]] = f"key-{id_}"
    return env


class DemoProvider(ThreadingHTTPServer):
    """A server on a free loopback port; a context manager. `limited` are providers that answer 429."""

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), _Request)
        self.limited: set[str] = set()
        self.log: list[str] = []
        self.url = f"http://127.0.0.1:{self.server_port}"

    def __enter__(self) -> Self:
        Thread(target=self.serve_forever, args=(0.05,), daemon=True).start()
        return self

    def __exit__(self, *exc: object) -> None:
        self.shutdown()
        self.server_close()


class _Request(BaseHTTPRequestHandler):
    """Answers one request and closes the connection."""

    server: DemoProvider

    def do_POST(self) -> None:
        path, _, query = self.path.partition("?")
        body = self.rfile.read(int(self.headers["content-length"] or 0))
        if not (found := find_by_path(FORMATS, path)):
            self.send_error(404)
            return
        dialect, parameters = found
        if path.split("/")[1] in self.server.limited:
            limit = ClientError(429, "Rate limit reached.", code="rate_limit_exceeded")
            self._send(429, to_json(dialect.error_body(limit)), {"retry-after": "30"})
            return
        request = dialect.read_request(body, {**dict(parse_qsl(query)), **parameters})
        if request.get("stream"):
            self._stream(dialect, request)
            return
        answer = fold(_events(request["model"]))
        assert not isinstance(answer, UpstreamError)
        self._send(200, dialect.write_answer(answer, request), {})

    def _send(self, status: int, body: bytes, headers: dict[str, str]) -> None:
        self._head(status, {"content-type": "application/json", "content-length": str(len(body)), **headers})
        self.wfile.write(body)

    def _stream(self, dialect: ClientDialect, request: ChatRequest) -> None:
        writer = dialect.open_writer(request)
        self._head(200, {"content-type": writer.content_type})
        with suppress(ConnectionError):  # the client has left
            for event in _events(request["model"]):
                self.wfile.write(writer.write([event]))
                time.sleep(PAUSE if isinstance(event, Delta) else 0)

    def _head(self, status: int, headers: dict[str, str]) -> None:
        self.send_response(status)
        for name, value in headers.items():
            self.send_header(name, value)
        self.end_headers()

    def log_request(self, code: int | str = "-", size: int | str = "-") -> None:
        self.server.log.append(f"POST {self.path} and answered {code}")


def _events(model: str) -> Iterator[Event]:
    yield Start("demo", model, int(time.time()))
    for number, word in enumerate(POEM.split(" ")):
        yield Delta({"content": word if number == 0 else f" {word}"})
    yield Finish("stop")
    yield UsageEvent({"prompt_tokens": 11, "completion_tokens": 52, "total_tokens": 63})
    yield End()
