"""Reads an authorization server's answers: no answer raises anything but LoginError."""

from __future__ import annotations

import base64
import re
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from pydantic import SecretStr
from pydantic_core import from_json

from smart_router.auth.logins.steps import LoginError
from smart_router.auth.profiles import GrantedTokens, refusal
from smart_router.dialects.json_values import read_object

_ERROR_CODE = re.compile(r"[A-Za-z]+([_ .-][A-Za-z]+)*")
"""The part of an answer that may be quoted: words; tokens have digits."""

_RELATIVE, _SECONDS, _LATEST = 1e9, 1e11, 1e15
"""Below the first a number of seconds from now; below the second unix seconds; then unix milliseconds."""


@dataclass(frozen=True, slots=True)
class Reply:
    """An answer. `status` is 0 without one; without `data`, a JSON object, `why` says what was received."""

    status: int
    data: Mapping[str, Any] | None = field(default=None, repr=False)
    why: str = ""

    @property
    def ok(self) -> bool:
        """True if the request was granted, judging by the status alone."""
        return 200 <= self.status < 300 and self.data is not None

    @property
    def unclear(self) -> bool:
        """True if it says nothing about the request: no answer, a server error, or some web page."""
        return self.status == 0 or self.status >= 500 or (self.data is None and self.status < 300)

    def text(self, *names: str) -> str | None:
        """The first of these fields that is a text fit for a terminal, on one line."""
        values = (self.field(name) for name in names)
        lines = (" ".join(value.split()) for value in values if isinstance(value, str))
        return next((line for line in lines if line and line.isprintable()), None)

    def secret(self, name: str) -> SecretStr | None:
        """A field that is a token; None if it cannot be one."""
        value = self.field(name)
        return SecretStr(value) if isinstance(value, str) and refusal(value) is None else None

    def field(self, name: str) -> Any:
        """A field's value as received, None if it is missing."""
        return None if self.data is None else self.data.get(name)

    def nested(self, name: str) -> Reply:
        """The object in a field, to be read the same way; an empty one if it is something else."""
        value = self.field(name)
        return Reply(self.status, value if isinstance(value, Mapping) else {})

    @property
    def codes(self) -> list[str]:
        """Error codes in all places: `error`, a text or an object; `code`; MiniMax' base_resp."""
        error, base = self.nested("error"), self.nested("base_resp").text("status_msg")
        found = (self.text("error"), error.text("code"), error.text("type"), self.text("code"), base)
        return [code for code in found if code]

    def says(self, *codes: str) -> bool:
        """True if one of these error codes equals, or is contained in, one of the answer's."""
        return any(code in found for code in codes for found in self.codes)

    def refused(self, what: str, *, final: bool = False) -> LoginError:
        """The error for an answer that ends the login; `what` is the subject of its sentence."""
        code = next((code[:80] for code in self.codes if _ERROR_CODE.fullmatch(code[:80])), "")
        detail = self.why or f"was answered {self.status}{code and f' ({code})'}"
        return LoginError(f"{what} {detail}", final=final)


def read_reply(status: int, body: bytes) -> Reply:
    """Read an answer from its status and its body."""
    if 300 <= status < 400:
        return Reply(status, None, f"was answered {status}, a redirect, which is not followed")
    try:
        data = from_json(body, allow_inf_nan=False)
    except ValueError:
        data = None
    if isinstance(data, dict):
        return Reply(status, data)
    kind = "HTML" if body.lstrip()[:1] == b"<" else "something"
    return Reply(status, None, f"was answered {status} with {kind} that is no JSON object")


def read_tokens(reply: Reply, now: float, extras: Mapping[str, str]) -> GrantedTokens:
    """The tokens of a token endpoint's answer. Raises LoginError."""
    access = reply.secret("access_token") if reply.ok else None
    if access is None:
        raise reply.refused("the token request")
    stated = reply.field("expires_in") or reply.field("expired_in")
    expires_at = unix_time(stated, now) or unix_time(claims(access).get("exp"), now)
    return GrantedTokens(access, reply.secret("refresh_token"), now, expires_at, extras)


def unix_time(value: object, now: float) -> float | None:
    """A stated end as unix seconds: from seconds from now, unix seconds or milliseconds (told apart by their
    size), as a number or its text, or from an ISO date. None for anything else."""
    number = _number(value)
    if number is None:
        return None
    if number < _RELATIVE:
        return now + number
    return number if number < _SECONDS else number / 1000


def seconds(value: object, default: float) -> float:
    """A length of time as a number or its text; the default for anything else."""
    return _number(value) or default


def claims(token: SecretStr | None) -> Mapping[str, Any]:
    """A JSON web token's claims; empty for anything else. Not verified: its issuer sent it to us itself."""
    parts = token.get_secret_value().split(".") if token else []
    if len(parts) != 3:
        return {}
    try:
        return read_object(base64.urlsafe_b64decode(parts[1] + "=" * (-len(parts[1]) % 4)))
    except ValueError:  # not base64
        return {}


def _number(value: object) -> float | None:
    """A positive number, itself or as text; an ISO date is its unix time."""
    if isinstance(value, str):
        value = _parsed(value)
    if isinstance(value, bool) or not isinstance(value, int | float) or not 0 < value < _LATEST:
        return None
    return float(value)


def _parsed(text: str) -> float | None:
    for parse in (float, lambda date: datetime.fromisoformat(date).timestamp()):
        with suppress(ValueError, OverflowError):
            return parse(text)
    return None
