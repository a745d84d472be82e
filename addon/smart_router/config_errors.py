"""pydantic's validation errors in terms of the config file: the key, what is wrong, and what to write.

No message holds a value of the file: it may be a secret.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from types import UnionType
from typing import Annotated, Any, NamedTuple, Union, get_args, get_origin

from pydantic import BaseModel, ValidationError

from smart_router.suggestions import did_you_mean


class Problem(NamedTuple):
    """One thing that is wrong. `key` is a dotted path, empty for the file as a whole."""

    key: str
    reason: str

    def __str__(self) -> str:
        return f"{self.key}: {self.reason}" if self.key else self.reason


class ConfigError(ValueError):
    """A configuration that cannot be used; `file` is set by whoever read it."""

    def __init__(self, problems: Sequence[Problem], file: str | None = None) -> None:
        said = "; ".join(map(str, problems))
        super().__init__(f"{file}: {said}" if file else said)
        self.problems = tuple(problems)
        self.file = file

    @property
    def key(self) -> str:
        """The first key that is wrong."""
        return self.problems[0].key

    @property
    def reason(self) -> str:
        """What is wrong with it."""
        return self.problems[0].reason


PATTERNS = {
    r"^[a-z0-9][a-z0-9_-]*$": "must consist of a-z, 0-9, - and _",
    r"^[A-Za-z_][A-Za-z0-9_]*$": "must be the name of an environment variable, not a key itself",
    r"^[^/]+/.+$": "must be of the form provider/model",
}
"""What the patterns in the config's models ask for, in words."""

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
    "string_pattern_mismatch": lambda context: PATTERNS.get(
        context["pattern"], f"must match {context['pattern']}"
    ),
    "value_error": lambda context: str(context["error"]),
}
"""By pydantic's error type; the context that pydantic gives has the bounds."""


def problems(error: ValidationError, model: type[BaseModel], prefix: str = "") -> list[Problem]:
    """All that is wrong. `model` is what was validated, `prefix` the key of its table."""
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
    """The path in the file of pydantic's place, and the table that its last key belongs to."""
    path: list[str] = []
    table: type[BaseModel] | None = None
    annotation: Any = model
    for step in place:
        variants = list(_variants(annotation))
        if len(variants) > 1:  # pydantic says which one it tried, which is no key of the file's
            annotation = next((one for one in variants if _is_table(one) == (step == TABLE)), None)
            continue
        if step == "[key]":
            break
        annotation = variants[0] if variants else None
        table = annotation if _is_table(annotation) else None
        path.append(str(step))
        annotation = _inner(annotation, str(step))
    return path, table


TABLE = "table"
"""The tag of the variant that is a table, where a key takes a table or something else."""


def _inner(annotation: Any, key: str) -> Any:
    """What a key of an annotation's values holds."""
    if _is_table(annotation):
        field = annotation.model_fields.get(key)
        return field.annotation if field else None
    arguments = get_args(annotation)
    return arguments[-1] if issubclass(get_origin(annotation) or object, Mapping) else None


def _variants(annotation: Any) -> Iterator[Any]:
    """What is meant by an annotation, without its metadata, and without None."""
    if get_origin(annotation) is Annotated:
        yield from _variants(get_args(annotation)[0])
    elif get_origin(annotation) in (Union, UnionType):
        for one in get_args(annotation):
            if one is not type(None):
                yield from _variants(one)
    else:
        yield annotation


def _is_table(annotation: Any) -> bool:
    return isinstance(annotation, type) and issubclass(annotation, BaseModel)
