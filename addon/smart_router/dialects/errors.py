"""Reading a provider's error: any of the shapes of facts 5.2 → class, scope, delay and OpenAI's shape."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from smart_router.errors import ErrorClass, Scope, UpstreamError


@dataclass(frozen=True, slots=True)
class ErrorRule:
    """One row of a provider's error table: when it matches and what it then means.

    A criterion that is None or empty matches anything; `code` is compared with the error's code, type,
    status word and reason, `text` is looked for in the message, both without regard to case.
    """

    kind: ErrorClass
    scope: Scope
    status: tuple[int, ...] = ()
    code: tuple[str, ...] = ()
    text: tuple[str, ...] = ()


def read_error(
    status: int,
    headers: Mapping[str, str],
    body: bytes | Mapping[str, Any],
    rules: tuple[ErrorRule, ...],
    now: float,
) -> UpstreamError:
    """What a failed answer means.

    `body` is the raw body, or the object found inside a 200 (a stream event, `base_resp`); `rules` are the
    provider's own, tried before the common ones; `now` is unix seconds, for delays given as points in time.
    """
    return UpstreamError("server", "model", status, "unread")
