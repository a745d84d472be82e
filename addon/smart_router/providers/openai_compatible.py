"""Parts that providers on OpenAI's chat API share, and servers that the user declares."""

from __future__ import annotations

from collections.abc import Iterable

from smart_router.dialects.base import ChatQuirks
from smart_router.dialects.openai_chat.dialect import ChatDialect
from smart_router.providers.base import Model, Provider

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

# a declared server may be Google's own compatible endpoint, which needs extra_content back
_DECLARED = ChatQuirks(developer_role="never", extra_content=True)


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
        models={model: Model(model) for model in models},
        listed=False,
    )
