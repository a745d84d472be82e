"""The model catalogue: the capabilities of each provider's models, from `models/<provider id>.toml`.

A file has one row per model id. Its fields are those of `ModelCapabilities`; a limit that is unknown is left
out. A row adds to all wider rows that match its id: ids with `*` are patterns, "*" is every model of the
provider, a longer pattern beats a shorter one, and the id itself beats all. A date at the end of a model's
id is ignored. Only rows without `*` are listed to clients. "[U]" in a comment marks an unconfirmed, cautious
value. Sources: the vendors' documentation and SDKs, AI SDK providers, genai-prices, November 2026.
"""

from __future__ import annotations

import functools
import re
import tomllib
from collections.abc import Mapping
from dataclasses import fields
from fnmatch import fnmatchcase
from pathlib import Path
from types import MappingProxyType
from typing import Any

from pydantic import TypeAdapter, ValidationError

from smart_router.dialects.base import ModelCapabilities
from smart_router.providers.base import Model

_FOLDER = Path(__file__).with_name("models")
_FIELDS = frozenset(field.name for field in fields(ModelCapabilities))
_RULES = TypeAdapter(ModelCapabilities)

_DATE = re.compile(r"-(\d{4}-\d{2}-\d{2}|\d{8}|\d{4})$", re.ASCII)
"""The end of dated ids: gpt-5-2025-08-07, claude-sonnet-4-5-20250929, kimi-k2-instruct-0905."""

type _Rows = Mapping[str, Mapping[str, Any]]


@functools.cache
def load_models(provider_id: str) -> Mapping[str, Model]:
    """Return the models of a provider that are listed to clients, by id; none for a declared server."""
    ids = (row_id for row_id in _rows(provider_id) if "*" not in row_id)
    return MappingProxyType({model_id: Model(model_id, rules_for(provider_id, model_id)) for model_id in ids})


@functools.lru_cache(maxsize=1024)
def rules_for(provider_id: str, model_id: str) -> ModelCapabilities:
    """Return a model's capabilities: the rows that match its id, merged, the most specific last.

    A model or provider outside the catalogue gets the defaults of `ModelCapabilities`.
    """
    rows = _rows(provider_id)
    matching = sorted((row_id for row_id in rows if _matches(row_id, model_id)), key=_specificity)
    merged = {name: value for row_id in matching for name, value in rows[row_id].items()}
    return _RULES.validate_python(merged)


def read_rows(provider_id: str, text: str) -> _Rows:
    """Return the rows of a provider's file by model id. Raises ValueError that names a row with an error."""
    rows = tomllib.loads(text)
    for row_id, row in rows.items():
        if unknown := row.keys() - _FIELDS:
            raise ValueError(f'{provider_id}."{row_id}": no such field: {", ".join(sorted(unknown))}')
        try:
            _RULES.validate_python(row)
        except ValidationError as error:
            raise ValueError(f'{provider_id}."{row_id}": {error}') from error
    return rows


@functools.cache
def _rows(provider_id: str) -> _Rows:
    file = _FOLDER / f"{provider_id}.toml"
    return read_rows(provider_id, file.read_text("utf-8")) if file.is_file() else {}


def _matches(row_id: str, model_id: str) -> bool:
    return fnmatchcase(model_id, row_id) if "*" in row_id else row_id in (model_id, _DATE.sub("", model_id))


def _specificity(row_id: str) -> tuple[bool, int]:
    return "*" not in row_id, len(row_id)
