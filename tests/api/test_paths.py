"""The endpoint that a path names, in all its spellings."""

from __future__ import annotations

import pytest

from smart_router.api.endpoints import ENDPOINTS, Target
from smart_router.errors import ClientError

RESOLVED: list[tuple[str, str | None]] = [
    ("/v1/chat/completions", "chat"),
    ("/v1/chat/completions/", "chat"),
    ("/v1/chat/completions?api-version=1", "chat"),
    ("/chat/completions", "chat"),
    ("/v1/models", "models"),
    ("/router/run/0123456789abcdef/v1/messages", "messages"),
    ("/router/run/0123456789abcdef/v1beta/models/auto:generateContent?alt=sse", "generate auto"),
    ("/router/run/0123456789abcdef", "404"),
    ("/router/run/0123456789abcde/v1/messages", "404"),
    ("/v1/models/", "models"),
    ("/models?limit=5", "models"),
    ("/v1/models/auto", "model auto"),
    ("/v1/models/auto%3Aeco", "model auto:eco"),
    ("/v1beta/models/auto%3AgenerateContent", "generate auto"),
    ("/v1beta/models/auto%3Aeco%3AcountTokens?key=k", "gemini count tokens auto:eco"),
    ("/v1/models/groq/openai/gpt-oss-20b", "model groq/openai/gpt-oss-20b"),
    ("/v1/models/groq%2Fopenai%2Fgpt-oss-20b/?a=b", "model groq/openai/gpt-oss-20b"),
    ("/health", "health"),
    ("/health/?verbose", "health"),
    ("/v1/chat/other", "404"),
    ("/v1/chat/completions/x", "404"),
    ("/health/live", "404"),
    ("/router/x", "404"),
    ("/v1//chat/completions", "chat"),
    ("//v1///chat//completions//", "chat"),
    ("/V1/Chat/COMPLETIONS", "chat"),
    ("/v1/chat%2Fcompletions", "chat"),
    ("/v1%2fchat%2Fcompletions", "chat"),
    ("/v1/%63hat/completions?a=b", "chat"),
    ("/v1/v1/chat/completions", "chat"),
    ("/v1/V1//v1/chat/completions", "chat"),
    ("/v1/./x/../chat/completions", "chat"),
    ("/V1/MODELS", "models"),
    ("//v1/models", "models"),
    ("/V1/Models/Local/Org%2FModel/", "model Local/Org/Model"),
    ("/v1/health", "health"),
    ("/Router//Stats", "stats"),
    ("/v1/metrics", "metrics"),
    ("/", "root"),
    ("", "root"),
    ("//", "root"),
    ("/?x=/v1/models", "root"),
    ("/v1", "404"),
    ("/v1/modelsx", "404"),
    ("/v1/embeddings", "embeddings"),
    ("/audio/speech/", "audio/speech"),
    ("/v1/audio", "404"),
    ("/v1/images/x", "404"),
    ("/v1/files?x=/v1/models", "404"),
    ("/router", "page"),
    ("/metrics/x", "404"),
    ("*", None),
    ("/healthz", None),
    ("/dashboard", None),
    ("/images/logo.png", None),
    ("/api/users", None),
]


@pytest.mark.parametrize(("path", "expected"), RESOLVED)
def test_paths(path: str, expected: str | None) -> None:
    found = ENDPOINTS.resolve(path)
    if isinstance(found, Target):
        assert " ".join([found.endpoint.name, *found.parameters.values()]) == expected
    else:
        assert (str(found.status) if isinstance(found, ClientError) else None) == expected


@pytest.mark.parametrize(
    ("path", "name"),
    [
        ("/v1/chat/completions?a=b", "openai-chat"),
        ("/V1/Chat/Completions/", "openai-chat"),
        ("/openai/v1/chat/completions", "openai-chat"),
        ("/v1/messages", "anthropic"),
        ("/anthropic/v1/messages?beta=true", "anthropic"),
        ("/v1/models", None),
        ("/chat/completions/x", None),
    ],
)
def test_dialect_of_a_recorded_request(path: str, name: str | None) -> None:
    found = ENDPOINTS.find_dialect(path)
    assert (found[0].name if found else None) == name
