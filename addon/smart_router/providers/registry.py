"""All providers by id, collected from the modules of this package.

Every module here that is not listed in `_OTHERS` is a provider and defines `PROVIDER`; its models are in
`models/<id>.toml`. Sources of the facts there: the vendors' API references and SDKs, the AI SDK's providers,
November 2026.
"""

from __future__ import annotations

import importlib
import pkgutil
from collections.abc import Iterable, Mapping
from dataclasses import replace
from types import MappingProxyType

from smart_router import providers
from smart_router.dialects import masking
from smart_router.providers.base import Provider
from smart_router.providers.catalogue import families, load_models

_OTHERS = frozenset({"base", "base_urls", "catalogue", "openai_compatible", "registry"})


def collect(rows: Iterable[Provider]) -> Mapping[str, Provider]:
    """Return providers by id, with their models, in the order that `Provider.order` describes.

    Raises ValueError for an id or an environment variable that two of them have.
    """
    rows = sorted(rows, key=lambda row: (row.kind == "login", row.order, row.id))
    owners: dict[str, str] = {}
    for row in rows:
        for name in (f"id {row.id}", *filter(None, (*row.key_env, row.base_url_env))):
            if name in owners:
                raise ValueError(f"{owners[name]} and {row.id} have the same {name}")
            owners[name] = row.id
    return MappingProxyType(
        {row.id: replace(row, models=load_models(row.id), families=families(row.id)) for row in rows}
    )


PROVIDERS = collect(
    importlib.import_module(f"{providers.__name__}.{module.name}").PROVIDER
    for module in pkgutil.iter_modules(providers.__path__)
    if module.name not in _OTHERS
)
"""The providers that need no declaration in the config."""

masking.add_key_prefixes(prefix for provider in PROVIDERS.values() for prefix in provider.key_prefixes)
