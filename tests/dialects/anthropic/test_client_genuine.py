"""Genuine requests of Messages clients, as providers of other formats get them."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

import pytest

from smart_router.dialects.anthropic.client import MESSAGES
from smart_router.dialects.base import CallContext
from smart_router.dialects.tool_names import tool_names
from smart_router.providers.catalogue import rules_for
from smart_router.providers.registry import PROVIDERS
from tests.testbed.cases import FIXTURES
from tests.testbed.validators import check

INBOUND = FIXTURES.parent / "inbound"
"""Shapes of genuine requests; only where they lie beside the checkout."""

MODELS = {
    "openai": "gpt-6.1-sol",
    "google": "gemini-3.8-flash",
    "groq": "openai/gpt-oss-20b",
    "deepseek": "deepseek-flash",
    "xai": "grok-4.7",
    "openrouter": "any/model",
    "anthropic": "claude-opus-4-8",
}


def genuine() -> Iterator[Any]:
    for path in sorted(INBOUND.glob("*/*.json")):
        for number, exchange in enumerate(json.loads(path.read_bytes())["exchanges"]):
            request = exchange["request"]
            if request["path"].partition("?")[0] == "/v1/messages":
                yield pytest.param(request["body"], id=f"{path.parent.name}-{path.stem}-{number}")


NOT_ASKED = {
    ("groq", "image"): "its models here read no images, and routing leaves them out",
    ("groq", "json_schema"): "it streams no answers in a schema [U]",
}


@pytest.mark.skipif(not INBOUND.is_dir(), reason="the shapes of genuine requests are not beside the checkout")
@pytest.mark.parametrize("provider", MODELS)
@pytest.mark.parametrize("body", [*genuine()])
def test_genuine_requests_are_taken_by_every_provider(body: Any, provider: str) -> None:
    sent = json.dumps(body)
    for (name, kind), why in NOT_ASKED.items():
        if name == provider and f'"{kind}"' in sent:
            pytest.skip(why)
    request = MESSAGES.read_request(sent.encode(), {})
    row, model = PROVIDERS[provider], MODELS[provider]
    rules = rules_for(provider, model)
    call = CallContext(
        provider,
        model,
        bool(request.get("stream")),
        1,
        "r",
        rules=rules,
        quirks=row.quirks,
        tool_names=tool_names(request),
    )
    outgoing = row.dialect_for(request, rules).write_request(request, call)
    assert check(provider, outgoing.path, outgoing.headers, outgoing.body) is None
