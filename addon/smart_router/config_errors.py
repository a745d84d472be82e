"""Translates pydantic's validation errors into terms of the config file: the key and what to write there.

No message contains a value from the file: it may be a secret.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
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

    @property
    def key(self) -> str:
        """First invalid key."""
        return self.problems[0].key

    @property
    def reason(self) -> str:
        """Error of the first invalid key."""
        return self.problems[0].reason


PATTERNS = {
    r"^[a-z0-9][a-z0-9_-]*$": "must consist of a-z, 0-9, - and _",
    r"^[A-Za-z_][A-Za-z0-9_]*$": "must be the name of an environment variable, not a key itself",
    r"^[^/]+/.+$": "must be of the form provider/model",
}
"""Patterns of the config's models in words."""

_LIST = 'must be a list of texts, such as ["a", "b"]'
_TEXT = "must be a text in quotes"
_NUMBER = "must be a number"
_WHOLE = "must be a whole number"
_TABLE = "must be a table"

_REASONS: Mapping[str, Callable[[Mapping[str, Any]], str]] = {
    "missing": lambda _: "is missing",
    "tuple_type": lambda _: _LIST,
    "string_type": lambda _: _TEXT,
    "bool_type": lambda _: "must be true or false",
    "float_type": lambda _: _NUMBER,
    "float_parsing": lambda _: _NUMBER,
    "finite_number": lambda _: "must be a finite number",
    "int_type": lambda _: _WHOLE,
    "int_parsing": lambda _: _WHOLE,
    "int_from_float": lambda _: _WHOLE,
    "dict_type": lambda _: _TABLE,
    "mapping_type": lambda _: _TABLE,
    "model_type": lambda _: _TABLE,
    "model_attributes_type": lambda _: _TABLE,
    "literal_error": lambda context: f"must be {context['expected']}",
    "greater_than_equal": lambda context: f"must be {context['ge']} or greater",
    "less_than_equal": lambda context: f"must be {context['le']} or less",
    "string_too_short": lambda context: f"must have at least {context['min_length']} characters",
    "too_short": lambda context: f"must have at least {context['min_length']} characters",
    "string_pattern_mismatch": lambda context: PATTERNS.get(
        context["pattern"], f"must match {context['pattern']}"
    ),
    "value_error": lambda context: str(context["error"]),
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
    reason = _REASONS.get(error["type"])
    return reason(error.get("ctx", {})) if reason else error["msg"]


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
