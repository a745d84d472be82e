"""What a provider is: data, plus the dialect it speaks."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Literal

from smart_router.dialects.base import ChatQuirks, Dialect, ModelRules
from smart_router.dialects.errors import ErrorRule

_ANY_RULES = ModelRules()
_NO_QUIRKS = ChatQuirks()


@dataclass(frozen=True, slots=True)
class Model:
    """One model of one provider. `id` is the provider's own; `rules` what it accepts."""

    id: str
    rules: ModelRules = _ANY_RULES


@dataclass(frozen=True, slots=True)
class Provider:
    """One provider: a row of the registry, or one declared in the user's config.

    `base_url` has no trailing slash; it ends with the API version where the vendor's SDK has it there.
    `key_env` are the environment variables that hold a key, the first one set wins. `auth` says how a key
    travels: `Authorization: Bearer` or the vendor's own header. `headers` go on every request and hold no
    secret. `listed` is False for providers that answer any model id (openrouter, declared servers), so that
    ids outside the catalogue are let through.
    """

    id: str
    dialect: Dialect
    base_url: str
    base_url_env: str | None = None
    key_env: tuple[str, ...] = ()
    key_optional: bool = False
    kind: Literal["key", "login"] = "key"
    auth: str = "bearer"
    headers: Mapping[str, str] = field(default_factory=dict)
    env_headers: Mapping[str, str] = field(default_factory=dict)
    quirks: ChatQuirks = _NO_QUIRKS
    error_rules: tuple[ErrorRule, ...] = ()
    models: Mapping[str, Model] = field(default_factory=dict)
    listed: bool = True
