"""Sends a flow's requests over httpx: no redirect is followed; time and size are bounded."""

from __future__ import annotations

import functools
import ssl
import time
from typing import Self

import httpx
from pydantic import SecretStr

from smart_router import __version__
from smart_router.auth.logins.reply import Reply, read_reply
from smart_router.auth.logins.steps import ANSWER_WITHIN, Request

CONNECT_WITHIN = 10.0
"""Seconds."""

LARGEST = 256 * 1024
"""Bytes of an answer that are read; tokens take a few thousand."""

_HEADERS = {
    "accept": "application/json",
    "accept-encoding": "identity",  # small answers need no compression, and cannot unpack into gigabytes
    "user-agent": f"smart-router/{__version__}",
}


class Transport:
    """An HTTP client for authorization servers, in a `with` statement. `timeout`: seconds of an exchange."""

    def __init__(self, timeout: float = ANSWER_WITHIN) -> None:
        self._timeout = timeout
        limits = httpx.Timeout(timeout, connect=min(CONNECT_WITHIN, timeout))
        self._client = httpx.Client(
            verify=_trusted(), headers=_HEADERS, follow_redirects=False, timeout=limits
        )

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *error: object) -> None:
        self._client.close()

    def send(self, request: Request) -> Reply:
        """Return the answer. A failure on the way ends as a Reply without one."""
        deadline = time.monotonic() + self._timeout
        method = "GET" if request.form is None and request.json is None else "POST"
        form = request.form and {name: _reveal(value) for name, value in request.form.items()}
        bearer = {"authorization": f"Bearer {_reveal(request.bearer)}"} if request.bearer else {}
        headers = {**request.headers, **bearer}
        try:
            with self._client.stream(
                method, request.url, data=form, json=request.json, headers=headers
            ) as response:
                body = bytearray()
                for chunk in response.iter_raw():
                    body += chunk
                    if len(body) > LARGEST or time.monotonic() > deadline:
                        return Reply(0, why="was answered with more, or more slowly, than is reasonable")
                return read_reply(response.status_code, bytes(body))
        except (httpx.HTTPError, httpx.InvalidURL, OSError) as error:
            return Reply(0, why=f"got no answer ({type(error).__name__})")


@functools.cache
def _trusted() -> ssl.SSLContext:
    """Made once: to read the certificates takes 45 ms of CPU, which each refresh of a token would."""
    return httpx.create_ssl_context()


def _reveal(value: str | SecretStr) -> str:
    return value.get_secret_value() if isinstance(value, SecretStr) else value
