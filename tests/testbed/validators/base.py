"""Vendors' request rules as small checks, each with its source; a validator refuses as its vendor does."""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any, NamedTuple

type Json = Any
type Body = dict[str, Any]


@dataclass(frozen=True, slots=True)
class Sent:
    """A request as a provider receives it. `headers` have lower-case names; `model` is the one asked for."""

    path: str
    headers: Mapping[str, str]
    body: Body
    model: str


class Refusal(NamedTuple):
    """A vendor's refusal: the broken rule, and the answer that the vendor gives."""

    rule: str
    message: str
    status: int
    body: bytes


@dataclass(frozen=True, slots=True)
class Rule:
    """One rule. `broken` yields a message for each place that breaks it. `source` ends with [U] where no
    documentation and no report confirms the rule."""

    name: str
    source: str
    broken: Callable[[Sent], Iterable[str]]


Writer = Callable[[int, str], Json]
"""Writes a vendor's error object from status and message."""


@dataclass
class Validator:
    """The rules of one vendor's API, in the order in which they are checked.

    `write_error` makes the vendor's error object, `model_of` finds the model that a request asks for.
    """

    vendor: str
    write_error: Writer
    model_of: Callable[[str, Body], str] = lambda path, body: str(body.get("model"))
    status: int = 400
    rules: list[Rule] = field(default_factory=list)

    def rule[F: Callable[[Sent], Iterable[str]]](self, source: str) -> Callable[[F], F]:
        """Add the decorated check as a rule."""

        def add(check: F) -> F:
            self.rules.append(Rule(check.__name__, source, check))
            return check

        return add

    def use(self, *rules: Rule) -> None:
        """Add rules that another vendor has, too."""
        self.rules += rules

    def check(self, path: str, headers: Mapping[str, str], body: bytes) -> Refusal | None:
        """Return the refusal of a request, None if the vendor takes it."""
        try:
            parsed = json.loads(body)
        except ValueError:
            parsed = None
        if not isinstance(parsed, dict):
            return self._refuse("json", "The body is not a JSON object.")
        lower = {name.lower(): value for name, value in headers.items()}
        sent = Sent(path, lower, parsed, self.model_of(path, parsed))
        for rule in self.rules:
            try:
                message = next(iter(rule.broken(sent)), None)
            except (AttributeError, IndexError, KeyError, TypeError) as error:
                message = f"The request is malformed ({error!r})."
            if message is not None:
                return self._refuse(rule.name, message)
        return None

    def _refuse(self, rule: str, message: str) -> Refusal:
        error = json.dumps(self.write_error(self.status, message)).encode()
        return Refusal(rule, message, self.status, error)


def openai_error(status: int, message: str) -> Json:
    """The error object of OpenAI's API, which most others copy."""
    return {"error": {"message": message, "type": "invalid_request_error", "param": None, "code": None}}


def walk(value: Json) -> Iterator[Json]:
    """Every object and list in a JSON value, itself first."""
    yield value
    inner = value.values() if isinstance(value, dict) else value if isinstance(value, list) else ()
    for one in inner:
        if isinstance(one, dict | list):
            yield from walk(one)


def objects(value: Json) -> Iterator[Body]:
    """Every object in a JSON value."""
    return (one for one in walk(value) if isinstance(one, dict))


def unknown(value: Json, at: str, *known: str) -> Iterator[str]:
    """A message for each field of an object that is not among these."""
    if isinstance(value, dict):
        for name in sorted(value.keys() - set(known)):
            yield f"Unknown parameter: '{at}{'.' if at else ''}{name}'."


def limited(value: Json, at: str, least: float, most: float) -> Iterator[str]:
    """A message for a number outside of its range."""
    if value is not None and not (isinstance(value, int | float) and least <= value <= most):
        yield f"Invalid '{at}': {value!r} is not between {least} and {most}."


def one_of(value: Json, at: str, *values: str) -> Iterator[str]:
    """A message for a value that is not among these; none for an absent one."""
    if value is not None and value not in values:
        yield f"Invalid value: '{value}' for '{at}'. Supported values are: {', '.join(values)}."


def fits(value: Json, at: str, pattern: str) -> Iterator[str]:
    """A message for a string that does not match a pattern."""
    if not (isinstance(value, str) and re.fullmatch(pattern, value)):
        yield f"Invalid '{at}': {value!r} does not match '^{pattern}$'."


def absent(body: Body, *names: str) -> Iterator[str]:
    """A message for each of these parameters that is present."""
    for name in names:
        if name in body:
            yield f"Unsupported parameter: '{name}' is not supported with this model."


def matches(model: str, pattern: str) -> bool:
    """Return whether a model's id begins with a pattern."""
    return re.match(pattern, model) is not None
