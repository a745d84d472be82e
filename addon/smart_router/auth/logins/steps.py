"""Requests and results of a login flow."""

from __future__ import annotations

from collections.abc import Callable, Generator, Mapping
from dataclasses import dataclass, field
from typing import Any

from pydantic import SecretStr

from smart_router.auth.logins.settings import LoginSettings
from smart_router.auth.profiles import GrantedTokens
from smart_router.errors import UserError

ANSWER_WITHIN = 30.0
"""Seconds that a whole exchange with an authorization server may take."""


class LoginError(UserError):
    """A login or refresh failed; the message is for people and quotes nothing that a server sent but its
    error code. `final`: the refresh token is dead, and only a new login helps."""

    def __init__(self, message: str, *, final: bool = False) -> None:
        super().__init__(message)
        self.final = final


@dataclass(frozen=True, slots=True)
class Request:
    """Send a request (POST with a `form` or `json`, else GET); the result is the Reply."""

    url: str
    form: Mapping[str, str | SecretStr] | None = None
    json: Mapping[str, Any] | None = None
    headers: Mapping[str, str] = field(default_factory=dict)
    bearer: SecretStr | None = None


@dataclass(frozen=True, slots=True)
class Browse:
    """Have the user open a page, and wait until the browser returns with `state` to the first of these
    loopback URLs whose port is free (port 0: any).

    `page` makes the page's URL from the redirect URI in use. The result is that URI and the authorization
    code, a SecretStr.
    """

    redirect_uris: tuple[str, ...]
    page: Callable[[str], str]
    state: str


@dataclass(frozen=True, slots=True)
class LoginPrompt:
    """Have the user open `url` and confirm `code` there within `expires_in` seconds; no result."""

    url: str
    code: str
    expires_in: float


@dataclass(frozen=True, slots=True)
class Pause:
    """Wait; no result. LoginError once the prompt has expired."""

    seconds: float


Step = Request | Browse | LoginPrompt | Pause

type Script[T] = Generator[Step, Any, T]
"""A flow, or a part of one, that ends with a T; steps are sent their results."""


@dataclass(frozen=True, slots=True)
class Grant:
    """The result of a login. `account` is the user's address, `notice` a message for the user."""

    tokens: GrantedTokens
    account: str | None = None
    notice: str | None = None


@dataclass(frozen=True, slots=True)
class Context:
    """A flow's inputs. `now` returns unix seconds, `random(n)` a URL-safe text of n random bytes. `extras`,
    which the user configured for the provider, override those of a login."""

    settings: LoginSettings
    now: Callable[[], float]
    random: Callable[[int], str]
    extras: Mapping[str, str] = field(default_factory=dict)


Flow = Callable[[Context], Script[Grant]]
