"""Translates pydantic's validation errors into terms of the config file: the key and what to write there.

No message contains a value from the file: it may be a secret.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from types import UnionType
from typing import Annotated, Any, NamedTuple, Union, get_args, get_origin

from pydantic import BaseModel, ValidationError

from smart_router.errors import UserError
from smart_router.suggestions import did_you_mean


class Problem(NamedTuple):
    """One error. `key` is a dotted path, empty for the whole file."""

    key: str
    reason: str

    def __str__(self) -> str:
        return f"{self.key}: {self.reason}" if self.key else self.reason


class ConfigError(UserError, ValueError):
    """An unusable configuration. `file` is the path if it was read from a file."""

    def __init__(self, problems: Sequence[Problem], file: str | None = None) -> None:
        said = "; ".join(map(str, problems))
        super().__init__(f"{file}: {said}" if file else said)
        self.problems = tuple(problems)
        self.file = file


PATTERNS = {
    r"^[a-z0-9][a-z0-9_-]*$": "must consist of a-z, 0-9, - and _",
    r"^[A-Za-z_][A-Za-z0-9_]*$": "must be the name of an environment variable, not a key itself",
    r"^[^/]+/.+$": "must be of the form provider/model",
}
"""Patterns of the config's models in words."""

_REASONS: Mapping[str, str] = {
    "missing": "is missing",
    "tuple_type": 'must be a list of texts, such as ["a", "b"]',
    "string_type": "must be a text in quotes",
    "bool_type": "must be true or false",
    "finite_number": "must be a finite number",
    "literal_error": "must be {expected}",
    "greater_than_equal": "must be {ge} or greater",
    "less_than_equal": "must be {le} or less",
    "value_error": "{error}",
    **dict.fromkeys(("string_too_short", "too_short"), "must have at least {min_length} characters"),
    **dict.fromkeys(("float_type", "float_parsing"), "must be a number"),
    **dict.fromkeys(("int_type", "int_parsing", "int_from_float"), "must be a whole number"),
    **dict.fromkeys(("dict_type", "mapping_type", "model_type", "model_attributes_type"), "must be a table"),
}
"""By pydantic's error type; pydantic's context has the bounds."""


def problems(error: ValidationError, model: type[BaseModel], prefix: str = "") -> list[Problem]:
    """Return all errors. `model` is the validated model, `prefix` the key of its table."""
    found = []
    for one in error.errors(include_url=False, include_input=False):
        path, table = _locate(model, one["loc"])
        key = ".".join([prefix, *path] if prefix else path)
        found.append(Problem(key, _reason(one, table)))
    return found


def _reason(error: Any, table: type[BaseModel] | None) -> str:
    if error["type"] == "extra_forbidden":
        known = _names(table)
        return (
            f"is not known here{did_you_mean(str(error['loc'][-1]), known) or '; known: ' + ', '.join(known)}"
        )
    context = error.get("ctx", {})
    if error["type"] == "string_pattern_mismatch":
        return PATTERNS.get(context["pattern"], f"must match {context['pattern']}")
    reason = _REASONS.get(error["type"])
    return reason.format_map(context) if reason else error["msg"]


def _names(table: type[BaseModel] | None) -> list[str]:
    return [field.alias or name for name, field in table.model_fields.items()] if table else []


def _locate(model: type[BaseModel], place: Sequence[int | str]) -> tuple[list[str], type[BaseModel] | None]:
    """Path in the file for a location of pydantic's, and the table of its last key."""
    path: list[str] = []
    table: type[BaseModel] | None = None
    annotation: Any = model
    for step in place:
        variants = list(alternatives(annotation))
        if len(variants) > 1:  # the step names the variant that pydantic tried, not a key of the file
            annotation = next((one for one in variants if is_table(one) == (step == TABLE)), None)
            continue
        if step == "[key]":
            break
        annotation = variants[0] if variants else None
        table = annotation if is_table(annotation) else None
        path.append(str(step))
        annotation = _inner(annotation, str(step))
    return path, table


TABLE = "table"
"""Tag of the table variant of a key that takes a table or another type."""


def _inner(annotation: Any, key: str) -> Any:
    """Annotation of one key's value."""
    if is_table(annotation):
        field = annotation.model_fields.get(key)
        return field.annotation if field else None
    arguments = get_args(annotation)
    return arguments[-1] if issubclass(get_origin(annotation) or object, Mapping) else None


def alternatives(annotation: Any) -> Iterator[Any]:
    """Yield the alternatives of an annotation, without metadata and None."""
    if get_origin(annotation) is Annotated:
        yield from alternatives(get_args(annotation)[0])
    elif get_origin(annotation) in (Union, UnionType):
        for one in get_args(annotation):
            if one is not type(None):
                yield from alternatives(one)
    else:
        yield annotation


def is_table(annotation: Any) -> bool:
    """Return whether an annotation is that of a table: a model of pydantic's."""
    return isinstance(annotation, type) and issubclass(annotation, BaseModel)
