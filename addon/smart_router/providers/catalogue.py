"""The model catalogue: the rules of each provider's models, from `models/<provider id>.toml`.

A file has one row per model id or family. Its fields are those of `ModelRules`, and `source` says where they
are from; a limit that is unknown is left out. A row adds to all wider rows that match its id and replaces
their values: ids with `*` are patterns, "*" is every model of the provider, a pattern that fixes more
characters beats one that fixes fewer, and the id itself beats all. So an unknown newer model has the rules of
the widest pattern of its family, which are those of the newest known. A date at the end of a model's id is
ignored. Only rows without `*` are listed to clients. "[U]" marks an unconfirmed, cautious value.
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

from smart_router.dialects.model_rules import ModelRules
from smart_router.providers.base import Model, undated

_FOLDER = Path(__file__).with_name("models")
_FIELDS = frozenset(field.name for field in fields(ModelRules)) | {"source"}
RULES = TypeAdapter(ModelRules)

_CLASS = re.compile(r"\[[^]]*\]")
"""A class of characters in a pattern: it stands for one."""

type _Rows = Mapping[str, Mapping[str, Any]]


@functools.cache
def load_models(provider_id: str) -> Mapping[str, Model]:
    """Return the models of a provider that are listed to clients, by id; none for a declared server."""
    ids = (row_id for row_id in _rows(provider_id) if "*" not in row_id)
    return MappingProxyType({model_id: Model(model_id, rules_for(provider_id, model_id)) for model_id in ids})


@functools.lru_cache(maxsize=1024)
def rules_for(provider_id: str, model_id: str) -> ModelRules:
    """Return a model's rules: the rows that match its id, merged, the most specific last.

    A provider without a file, such as a server that the user declared, has those of `declared.toml`.
    """
    merged: dict[str, Any] = {}
    for row in rows_of(provider_id, model_id).values():
        merged |= row
    merged.pop("source", None)
    if merged.get("thinking", "none") == "none":
        merged |= {"efforts": (), "default_effort": None}
    merged["default_effort"] = merged.get("default_effort") or None  # TOML has no null
    return RULES.validate_python(merged)


def rows_of(provider_id: str, model_id: str) -> _Rows:
    """Return the rows that match a model's id, the most specific last."""
    rows = _rows(provider_id)
    ids = sorted((row_id for row_id in rows if _matches(row_id, model_id)), key=_specificity)
    return {row_id: rows[row_id] for row_id in ids}


@functools.cache
def families(provider_id: str) -> tuple[str, ...]:
    """Return the patterns of a provider's families of models."""
    return tuple(row_id for row_id in _rows(provider_id) if "*" in row_id[1:])


def read_rows(provider_id: str, text: str) -> _Rows:
    """Return the rows of a provider's file by model id. Raises ValueError that names a row with an error."""
    rows = tomllib.loads(text)
    for row_id, row in rows.items():
        if unknown := row.keys() - _FIELDS:
            raise ValueError(f'{provider_id}."{row_id}": no such field: {", ".join(sorted(unknown))}')
        try:
            RULES.validate_python({name: value for name, value in row.items() if name != "source"})
        except ValidationError as error:
            raise ValueError(f'{provider_id}."{row_id}": {error}') from error
    return rows


@functools.cache
def _rows(provider_id: str) -> _Rows:
    file = _FOLDER / f"{provider_id}.toml"
    return read_rows(provider_id, file.read_text("utf-8")) if file.is_file() else declared_rows()


@functools.cache
def declared_rows() -> _Rows:
    """Return the rows of servers that the user declared."""
    return read_rows("declared", (_FOLDER / "declared.toml").read_text("utf-8"))


def _matches(row_id: str, model_id: str) -> bool:
    return fnmatchcase(model_id, row_id) if "*" in row_id else row_id in (model_id, undated(model_id))


def _specificity(row_id: str) -> tuple[bool, int, int]:
    """Sorts rows: of two patterns that fix as many characters, the one with fewer stars comes last."""
    stars = row_id.count("*")
    return not stars, len(_CLASS.sub("?", row_id)) - stars, -stars
