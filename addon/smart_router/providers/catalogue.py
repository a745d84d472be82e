"""The model catalogue: what is known of each provider's models, from `models.toml`."""

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

_FILE = Path(__file__).with_name("models.toml")
_FIELDS = frozenset(field.name for field in fields(ModelCapabilities))
_RULES = TypeAdapter(ModelCapabilities)

_DATE = re.compile(r"-(\d{4}-\d{2}-\d{2}|\d{8}|\d{4})$", re.ASCII)
"""What dated ids end in: gpt-5-2025-08-07, claude-sonnet-4-5-20250929, kimi-k2-instruct-0905."""

type _Rows = Mapping[str, Mapping[str, Any]]


@functools.cache
def load_models(provider_id: str) -> Mapping[str, Model]:
    """The models of a provider that clients are shown, by id; none for a provider outside the catalogue."""
    ids = (row_id for row_id in _rows(provider_id) if "*" not in row_id)
    return MappingProxyType({model_id: Model(model_id, rules_for(provider_id, model_id)) for model_id in ids})


@functools.lru_cache(maxsize=1024)
def rules_for(provider_id: str, model_id: str) -> ModelCapabilities:
    """What a model accepts: the rows that match its id put together, the most particular last.

    A model or provider that the catalogue does not know gets what `ModelCapabilities` assumes of any.
    """
    rows = _rows(provider_id)
    matching = sorted((row_id for row_id in rows if _matches(row_id, model_id)), key=_particularity)
    merged = {name: value for row_id in matching for name, value in rows[row_id].items()}
    return _RULES.validate_python(merged)


def read_catalogue(text: str) -> Mapping[str, _Rows]:
    """The catalogue's rows by provider and id. Raises ValueError that names a row with an error in it."""
    catalogue = tomllib.loads(text)
    for provider_id, rows in catalogue.items():
        for row_id, row in rows.items():
            if unknown := row.keys() - _FIELDS:
                raise ValueError(f'{provider_id}."{row_id}": no such field: {", ".join(sorted(unknown))}')
            try:
                _RULES.validate_python(row)
            except ValidationError as error:
                raise ValueError(f'{provider_id}."{row_id}": {error}') from error
    return catalogue


@functools.cache
def _catalogue() -> Mapping[str, _Rows]:
    return read_catalogue(_FILE.read_text(encoding="utf-8"))


def _rows(provider_id: str) -> _Rows:
    return _catalogue().get(provider_id, {})


def _matches(row_id: str, model_id: str) -> bool:
    return fnmatchcase(model_id, row_id) if "*" in row_id else row_id in (model_id, _DATE.sub("", model_id))


def _particularity(row_id: str) -> tuple[bool, int]:
    return "*" not in row_id, len(row_id)
