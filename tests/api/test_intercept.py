"""Interception of requests to other hosts, and the meaning of their model names."""

from __future__ import annotations

import pytest

from smart_router.api.intercept import Found, read_interception
from smart_router.errors import ClientError
from smart_router.providers.registry import PROVIDERS

INTERCEPTION = read_interception(
    ["api.openai.com", "api.groq.com/openai=auto", "*.corp.example:8443/llm/=map", "127.0.0.1:4000=keep"],
    ["gpt-4o*=auto:eco", "o3 = auto:reasoning"],
)

CHAT = "/v1/chat/completions"


@pytest.mark.parametrize(
    ("host", "port", "method", "path", "found"),
    [
        ("api.openai.com", 443, "POST", CHAT, ("chat", "keep")),
        ("API.OpenAI.com", 443, "POST", f"{CHAT}?beta=1", ("chat", "keep")),
        ("api.openai.com", 443, "GET", "/v1/models", ("models", "keep")),
        ("api.openai.com", 443, "GET", "/v1/models/gpt-5.4", ("model", "keep")),
        ("api.openai.com", 443, "DELETE", "/v1/models/ft-mine", None),
        ("api.openai.com", 443, "GET", f"{CHAT}/chatcmpl-1", None),
        ("api.openai.com", 443, "OPTIONS", CHAT, None),
        ("api.openai.com", 443, "POST", "/v1/embeddings", None),
        ("api.openai.com", 443, "GET", "/health", None),
        ("api.openai.com", 443, "GET", "/metrics", None),
        ("api.openai.com", 443, "GET", "/router/stats", None),
        ("api.openai.com.evil.example", 443, "POST", CHAT, None),
        ("example.com", 443, "POST", CHAT, None),
        ("api.groq.com", 443, "POST", f"/openai{CHAT}", ("chat", "auto")),
        ("api.groq.com", 443, "POST", CHAT, None),
        ("api.groq.com", 443, "POST", f"/openaix{CHAT}", None),
        ("llm.corp.example", 8443, "POST", f"/llm{CHAT}", ("chat", "map")),
        ("llm.corp.example", 443, "POST", f"/llm{CHAT}", None),
        ("127.0.0.1", 4000, "POST", "/chat/completions", ("chat", "keep")),
    ],
)
def test_claimed_requests(
    host: str, port: int, method: str, path: str, found: tuple[str, str] | None
) -> None:
    claimed = INTERCEPTION.find(host, port, method, path, "")
    assert (claimed and (claimed.target.endpoint.name, claimed.names)) == found


TOOLS = read_interception(["claude-code", "codex=auto", "gemini-cli"], [])
MESSAGES, GEMINI = "/v1/messages", "generativelanguage.googleapis.com"


@pytest.mark.parametrize(
    ("host", "method", "path", "found"),
    [
        ("api.anthropic.com", "POST", f"{MESSAGES}?beta=true", ("messages", "keep")),
        ("chatgpt.com", "POST", "/backend-api/codex/responses", ("responses", "auto")),
        ("api.openai.com", "POST", "/v1/responses", ("responses", "auto")),
        (
            GEMINI,
            "POST",
            "/v1beta/models/gemini-x:streamGenerateContent?alt=sse",
            ("stream generate", "keep"),
        ),
        (GEMINI, "POST", "/v1beta/models/gemini-x:generateContent", ("generate", "keep")),
        ("api.anthropic.com", "POST", "/v1/oauth/token", None),
        ("api.anthropic.com", "GET", "/v1/code/sessions", None),
        ("api.anthropic.com", "POST", "/v1/files", None),
        ("api.anthropic.com", "POST", "/v1/complete", None),
        ("api.anthropic.com", "POST", "/api/event_logging/batch", None),
        ("chatgpt.com", "POST", "/backend-api/conversation", None),
        ("chatgpt.com", "GET", "/backend-api/wham/usage", None),
        (GEMINI, "POST", "/v1beta/files", None),
        (GEMINI, "POST", "/upload/v1beta/files", None),
    ],
)
def test_hosts_of_tools_by_the_tools_name(
    host: str, method: str, path: str, found: tuple[str, str] | None
) -> None:
    claimed = TOOLS.find(host, 443, method, path, "")
    assert (claimed and (claimed.target.endpoint.name, claimed.names)) == found


def test_websocket_is_claimed_where_a_post_would_be() -> None:
    assert isinstance(INTERCEPTION.find("api.openai.com", 443, "GET", CHAT, "WebSocket"), Found)
    assert INTERCEPTION.find("api.openai.com", 443, "GET", "/v1/realtime", "websocket") is None


@pytest.mark.parametrize(
    ("host", "path", "model", "name"),
    [
        ("api.openai.com", CHAT, "gpt-5.4", "openai/gpt-5.4"),
        ("api.openai.com", CHAT, "auto", "auto"),
        ("api.openai.com", CHAT, "groq/openai/gpt-oss-20b", "groq/openai/gpt-oss-20b"),
        ("api.openai.com", CHAT, "no-such-model", "no-such-model"),
        ("api.groq.com", f"/openai{CHAT}", "openai/gpt-oss-20b", "auto"),
        ("llm.corp.example", f"/llm{CHAT}", "gpt-4o-mini", "auto:eco"),
        ("llm.corp.example", f"/llm{CHAT}", "o3", "auto:reasoning"),
    ],
)
def test_model_names_are_renamed(host: str, path: str, model: str, name: str) -> None:
    found = INTERCEPTION.find(host, 8443, "POST", path, "")
    assert found
    assert found.rename(model, PROVIDERS) == name


@pytest.mark.parametrize(
    ("host", "base", "model", "name"),
    [
        ("api.groq.com", "/openai", "openai/gpt-oss-20b", "groq/openai/gpt-oss-20b"),
        ("openrouter.ai", "/api", "anthropic/claude-sonnet-5.5", "openrouter/anthropic/claude-sonnet-5.5"),
    ],
)
def test_kept_names_are_those_of_the_host(host: str, base: str, model: str, name: str) -> None:
    found = read_interception([host + base], []).find(host, 443, "POST", base + CHAT, "")
    assert found and found.rename(model, PROVIDERS) == name


def test_unmapped_name_is_an_error() -> None:
    found = INTERCEPTION.find("llm.corp.example", 8443, "POST", f"/llm{CHAT}", "")
    assert found
    with pytest.raises(ClientError, match="router_model_map") as caught:
        found.rename("claude", PROVIDERS)
    assert caught.value.status == 404


@pytest.mark.parametrize(
    "entry", ["", "=auto", "host=often", "https://api.openai.com", "host:x", "a b", "codex,gemini-cli"]
)
def test_error_names_the_wrong_entry(entry: str) -> None:
    with pytest.raises(ValueError, match="router_intercept"):
        read_interception([entry], [])


@pytest.mark.parametrize("entry", ["", "gpt-4o", "=auto", "gpt-4o="])
def test_error_names_the_wrong_mapping(entry: str) -> None:
    with pytest.raises(ValueError, match="router_model_map"):
        read_interception([], [entry])
