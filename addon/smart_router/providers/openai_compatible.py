"""Parts that providers on OpenAI's chat API share, and servers that the user declares."""

from __future__ import annotations

from collections.abc import Iterable

from smart_router.dialects.base import ChatQuirks
from smart_router.dialects.openai_chat.dialect import ChatDialect
from smart_router.providers.base import Model, Provider
from smart_router.providers.catalogue import rules_for

CHAT = ChatDialect()

OPENAI_ONLY = frozenset(
    {
        "metadata",
        "store",
        "prediction",
        "prompt_cache_key",
        "prompt_cache_retention",
        "safety_identifier",
        "verbosity",
    }
)
"""Parameters that tune or label requests at OpenAI; other providers refuse or ignore them."""

# it may be Google's own compatible endpoint, which needs extra_content back; all such servers know max_tokens
_DECLARED = ChatQuirks(
    developer_role="never", extra_content=True, renamed={"max_completion_tokens": "max_tokens"}
)


def declared_provider(
    id_: str, base_url: str, *, key_env: str | None = None, models: Iterable[str] = ()
) -> Provider:
    """Return an OpenAI-compatible server of the user's, which may need no key and takes any model id."""
    return Provider(
        id_,
        CHAT,
        base_url,
        key_env=(key_env,) if key_env else (),
        key_optional=key_env is None,
        quirks=_DECLARED,
        models={model: Model(model, rules_for(id_, model)) for model in models},
        listed=False,
    )


DECLARED = declared_provider("declared", "https://declared.invalid/v1")
"""The pattern of declared servers: their base URL ends with a version."""
