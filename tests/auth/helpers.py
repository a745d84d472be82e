"""Helpers for tests of profiles and the store."""

from __future__ import annotations

from smart_router.dialects.openai_chat.dialect import ChatDialect
from smart_router.errors import ErrorClass, Scope, UpstreamError
from smart_router.providers.base import Provider

_CHAT = ChatDialect()

PROVIDERS = {
    row.id: row
    for row in (
        Provider("openai", _CHAT, "https://openai.test", key_env=("OPENAI_API_KEY",)),
        Provider(
            "anthropic",
            _CHAT,
            "https://anthropic.test",
            key_env=("ANTHROPIC_API_KEY", "ANTHROPIC_AUTH_TOKEN"),
            auth="x-api-key",
            bearer_env=frozenset({"ANTHROPIC_AUTH_TOKEN"}),
        ),
        Provider("google", _CHAT, "https://google.test", key_env=("GOOGLE_API_KEY", "GEMINI_API_KEY")),
        Provider("local", _CHAT, "http://localhost:1", key_env=("LOCAL_KEY",), key_optional=True),
    )
}
WITHOUT_LOCAL = {name: row for name, row in PROVIDERS.items() if name != "local"}
THREE_KEYS = {"OPENAI_API_KEY": "sk-one", "OPENAI_API_KEY_2": "sk-two", "OPENAI_API_KEY_3": "sk-three"}


def failure(
    kind: ErrorClass, scope: Scope = "model", *, retry_after: float | None = None, status: int = 429
) -> UpstreamError:
    """Return a provider's failure as the dialect reads it."""
    return UpstreamError(kind, scope, status, "no", retry_after=retry_after)
