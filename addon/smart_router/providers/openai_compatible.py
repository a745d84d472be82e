"""Parts that providers on OpenAI's chat API share, and servers that the user declares."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace
from urllib.parse import urlsplit

from smart_router.dialects.base import ChatQuirks
from smart_router.dialects.names import names
from smart_router.dialects.openai_chat.dialect import ChatDialect
from smart_router.providers.base import Model, Provider
from smart_router.providers.catalogue import declared_rows, rules_for

CHAT = ChatDialect()

OPENAI_ONLY = names("""
    metadata store prediction prompt_cache_key prompt_cache_retention safety_identifier verbosity
""")
"""Parameters that tune or label requests at OpenAI; other providers refuse or ignore them."""

# all such servers know max_tokens; Kimi and others want reasoning back beside tool calls
_DECLARED = ChatQuirks(
    developer_role="never", renamed={"max_completion_tokens": "max_tokens"}, history="if_known"
)
_GOOGLES = "googleapis.com"
"""The domain of Google's own compatible endpoint, which needs extra_content back."""


def declared_provider(
    id_: str, base_url: str, *, key_env: str | None = None, models: Iterable[str] = ()
) -> Provider:
    """Return an OpenAI-compatible server of the user's, which may need no key and takes any model id."""
    declared_rows()  # a later request may need them when no file can be opened
    host = urlsplit(base_url).hostname
    return Provider(
        id_,
        CHAT,
        base_url,
        key_env=(key_env,) if key_env else (),
        key_optional=key_env is None,
        quirks=replace(_DECLARED, extra_content=f".{host}".endswith(f".{_GOOGLES}")),
        models={model: Model(model, rules_for(id_, model)) for model in models},
        listed=False,
    )


DECLARED = declared_provider("declared", "https://declared.invalid/v1")
"""The pattern of declared servers: their base URL ends with a version."""
