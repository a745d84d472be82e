"""The file of lessons, which refusals taught about models, for all workers and `smart-router models show`.

It is small and rarely written: a JSON object of a lesson for each model, in the state folder.
"""

from __future__ import annotations

import logging
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass, fields
from pathlib import Path
from typing import Any

from pydantic import ValidationError
from pydantic_core import from_json, to_json

from smart_router.dialects.model_rules import ModelRules
from smart_router.providers.catalogue import RULES
from smart_router.storage.file_lock import lock_file, locked
from smart_router.storage.replaced_file import replace_file
from smart_router.storage.sqlite_file import make_private, set_aside

logger = logging.getLogger(__name__)

NAME = "lessons.json"
MOST = 1_000
"""Models with lessons; model ids come from clients, so there must be an end."""

_LOCK_WAIT = 5.0
_FIELDS = frozenset(field.name for field in fields(ModelRules))


@dataclass(frozen=True, slots=True)
class Lesson:
    """Fields of a model's rules with their new values, and when they end: in the file as unix time."""

    changes: Mapping[str, Any]
    until: float


type Lessons = dict[str, Lesson]
"""By `provider/model`."""


def read_lessons(file: Path, now: float) -> Lessons:
    """Return the lessons that hold at `now` (unix seconds); none of a file that is not there.

    A damaged file is set aside.
    """
    try:
        rows = from_json(file.read_bytes() or b"{}")
        return {model: lesson for model, row in rows.items() if (lesson := _read(row)) and lesson.until > now}
    except FileNotFoundError:
        return {}
    except (IsADirectoryError, ValueError, AttributeError):
        with suppress(OSError):
            set_aside(file, now, "its lessons are learned again")
    except OSError as error:
        logger.warning("lessons about models are not known: %s cannot be read: %s", file, error)
    return {}


def keep_lessons(file: Path, learned: Lessons, now: float) -> None:
    """Add lessons to the file; those that others have learned meanwhile stay. Raises OSError,
    sqlite3.Error."""
    make_private(file)
    with locked(lock_file(file, NAME), _LOCK_WAIT):
        merged = {**read_lessons(file, now), **learned}
        newest = sorted(merged.items(), key=lambda item: item[1].until)[-MOST:]
        replace_file(file, to_json(dict(newest)))


def _read(row: Any) -> Lesson | None:
    """A lesson, without fields of other versions; None for any other value."""
    match row:
        case {"changes": {**changes}, "until": float() | int() as until}:
            known = {name: value for name, value in changes.items() if name in _FIELDS}
            try:
                rules = RULES.validate_python(known)
            except ValidationError:
                return None
            return Lesson({name: getattr(rules, name) for name in known}, until) if known else None
    return None
