"""A router with narrow limits, and the error objects that it must answer."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import httpx

from tests.testbed.harness import Router, provider_env
from tests.testbed.provider import Provider

CHAT = "/v1/chat/completions"
MEGABYTE = 1 << 20
VALID: dict[str, Any] = {"model": "auto", "messages": [{"role": "user", "content": "Hi"}]}
ENCODED = json.dumps(VALID).encode()
ORIGIN = "http://localhost:3000"


def strict_router(folder: Path, provider: Provider) -> Router:
    """A router whose nominal upstream is the scripted provider too: what slips through is seen there."""
    return Router(
        folder,
        env=provider_env(provider.url, "openai"),
        upstream=provider.url,
        options={"router_max_body": "21m", "router_allow_origins": ORIGIN},
    )


def error_of(answer: httpx.Response) -> dict[str, Any]:
    """The error object of an answer in OpenAI's shape."""
    assert answer.headers["content-type"] == "application/json"
    assert answer.headers["x-router-request-id"]
    (name, error), *others = answer.json().items()
    assert (name, others) == ("error", [])
    assert {"message", "type", "param", "code"} <= error.keys()
    assert error["message"]
    return dict(error)
