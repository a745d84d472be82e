"""Requests with odd values in any place are refused by name, or translated for every provider: none makes a
dialect raise, which its client would get as a 500.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from mitmproxy import http

from smart_router.dialects.anthropic.client import COUNT_TOKENS, MESSAGES
from smart_router.dialects.base import CallContext, ClientDialect
from smart_router.dialects.fitting import fit_request
from smart_router.dialects.gemini.client import GENERATE
from smart_router.dialects.hub import ChatRequest
from smart_router.dialects.native import Received
from smart_router.dialects.openai_chat.client import CHAT
from smart_router.dialects.openai_responses.client import RESPONSES
from smart_router.dialects.tool_names import tool_names
from smart_router.errors import ClientError
from smart_router.providers.catalogue import rules_for
from smart_router.providers.registry import PROVIDERS
from tests.faults import full_requests as full
from tests.testbed.examples import examples
from tests.testbed.json_places import DROP, places, replaced, value_at

Json = dict[str, Any]

CLIENTS: Mapping[str, tuple[ClientDialect, Json]] = {
    "chat": (CHAT, full.CHAT),
    "rare": (CHAT, full.RARE),
    "messages": (MESSAGES, full.MESSAGES),
    "count": (COUNT_TOKENS, full.MESSAGES),
    "responses": (RESPONSES, full.RESPONSES),
    "gemini": (GENERATE, full.GEMINI),
}

MODELS = (
    ("openai", "gpt-5.4"), ("openai", "gpt-4o"), ("anthropic", "claude-sonnet-4-5"),
    ("google", "gemini-3-flash-preview"), ("openrouter", "anthropic/claude-sonnet-4.5"),
    ("mistral", "mistral-large-latest"), ("groq", "openai/gpt-oss-120b"), ("deepseek", "deepseek-reasoner"),
    ("openai-codex", "gpt-5.4"), ("antigravity", "gemini-3-pro-high"), ("minimax-portal", "MiniMax-M2"),
    ("cerebras", "gpt-oss-120b"), ("qwen-portal", "coder-model"),
)  # fmt: skip
"""Models of every provider wire, and of providers that take fewer fields than others."""

ODD = (
    None, True, 0, -1, 1.5, 10**30, "", "x", "\x00", "\ud83d", "data:,", "{}", [], {}, [None], [{}], [[]],
    ["x"], {"type": "x"}, {"type": []}, {"a": 1}, {"": {}}, {"tool_calls": [{}]},
)  # fmt: skip
KEYS = ("type", "id", "name", "content", "text", "role", "tool_calls")


@dataclass(frozen=True)
class Change:
    """A value is put in a place: the place and, unless it is `odd`, another value's are chosen by number."""

    at: int
    odd: Any
    taken: int | None
    wrap: str | None

    def apply(self, body: Json) -> Json:
        """Return the body with the value in its place."""
        found = places(body)[1:]
        if not found:
            return body
        path = found[self.at % len(found)]
        value = self.odd if self.taken is None else value_at(body, found[self.taken % len(found)])
        changed: Json = replaced(
            body, path, value if self.wrap is None or value is DROP else {self.wrap: value}
        )
        return changed


_NUMBERS = st.integers(0, 10_000)
CHANGES = st.lists(
    st.builds(
        Change,
        _NUMBERS,
        st.sampled_from((*ODD, DROP)),
        st.none() | _NUMBERS,
        st.none() | st.none() | st.sampled_from(KEYS),
    ),
    min_size=1,
    max_size=3,
)


def write(provider: str, model: str, client: ClientDialect, request: ChatRequest, body: bytes) -> None:
    """Write the request for this model: translated, and as it is."""
    row, rules = PROVIDERS[provider], rules_for(provider, model)
    dialect = row.dialect_for(request, rules, client.name)
    call = CallContext(
        provider, model, request.get("stream") is True, 1, "r", rules, row.quirks, row.error_rules,
        {**row.extras, "project": "p", "account_id": "a"}, tool_names(request),
    )  # fmt: skip
    received = Received(client.name, "/", http.Headers(content_type="application/json"), body)
    if dialect.write_native(received, request, call) is not None:
        fit_request(request, rules)
    json.loads(dialect.write_request(request, call).body)


def translate(name: str, body: Json) -> None:
    """Read a request, and write it for each model. What is refused is the client's own fault."""
    client, _ = CLIENTS[name]
    encoded = json.dumps(body).encode()
    try:
        request = client.read_request(encoded, {"model": "m"})
    except ClientError as error:
        assert 400 <= error.status < 500
        return
    client.open_writer(request)
    for provider, model in MODELS:
        try:
            write(provider, model, client, request, encoded)
        except ClientError as error:
            assert 400 <= error.status < 500


@pytest.mark.parametrize("name", CLIENTS)
def test_odd_values_are_refused_or_translated(name: str) -> None:
    @settings(max_examples=examples(400))
    @given(CHANGES)
    def check(changes: list[Change]) -> None:
        _, body = CLIENTS[name]
        for change in changes:
            body = change.apply(body)
        translate(name, body)

    check()


@pytest.mark.parametrize(
    ("name", "path", "value"),
    [
        pytest.param("count", ("stop_sequences", 0), {"a": 1}, id="a field that a count does not need"),
        pytest.param(
            "chat", ("messages", 2, "reasoning_details", 0, "tool_calls"), [{}], id="a detail like a message"
        ),
        pytest.param("rare", ("tools", 0, "custom", "name"), None, id="a tool without a name"),
        pytest.param(
            "responses", ("input", 1, "content", 0), {"type": "x", "text": {"a": "b"}}, id="text of no text"
        ),
    ],
)
def test_values_that_made_a_dialect_raise(name: str, path: tuple[Any, ...], value: Any) -> None:
    translate(name, replaced(CLIENTS[name][1], path, value))
