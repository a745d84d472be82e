"""Secrets in the operating system's keyring, through the `keyring` library, an optional extra.

Entries are immutable: a name always refers to the same secret.
"""

from __future__ import annotations

import uuid
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from typing import TYPE_CHECKING

from pydantic import SecretStr

if TYPE_CHECKING:
    from keyring.backend import KeyringBackend

SERVICE = "smart-router"

PART = 1_200
"""Characters in one password of the keyring: Windows takes 2,560 bytes of UTF-16, and logins are longer."""


class KeyringError(Exception):
    """The keyring failed; the message gives the reason and the remedy, and quotes no secret.

    `one_entry`: only this entry is affected. `locked`: the user is asked to unlock at every attempt.
    """

    def __init__(self, message: str, *, one_entry: bool = False, locked: bool = False) -> None:
        super().__init__(message)
        self.one_entry = one_entry
        self.locked = locked


def new_entry(profile_id: str, text: SecretStr) -> str:
    """A new name of an entry for this text: `PROFILE/RANDOM/NUMBER OF PARTS`."""
    parts = max(1, -(-len(text.get_secret_value()) // PART))
    return f"{profile_id}/{uuid.uuid4().hex}/{parts}"


class OsKeyring:
    """The user's keyring. Every method may block for as long as the user is asked to unlock it.

    All raise KeyringError.
    """

    def __init__(self) -> None:
        self._backend: KeyringBackend | None = None

    def check(self) -> None:
        """Check that the keyring exists and can be used, without writing to it."""
        with self._opened() as backend:
            backend.get_password(f"{SERVICE}/check", "check")

    def read(self, entry: str) -> SecretStr:
        """The secret of an entry."""
        with self._opened() as backend:
            parts = [backend.get_password(*place) for place in _places(entry)]
        if None in parts:
            raise KeyringError(
                "the system's keyring does not hold its secret any more: add the key, or log in, again",
                one_entry=True,
            )
        return SecretStr("".join(filter(None, parts)))

    def write(self, entry: str, text: SecretStr) -> None:
        """Write an entry, and check that it can be read."""
        with self._opened() as backend:
            for number, place in enumerate(_places(entry)):
                backend.set_password(*place, text.get_secret_value()[number * PART :][:PART])
        if self.read(entry) != text:
            raise KeyringError("the system's keyring gives back something else than it was given")

    def delete(self, entry: str) -> None:
        """Delete an entry, if it exists."""
        with self._opened() as backend:
            for place in _places(entry):
                if backend.get_password(*place) is not None:
                    backend.delete_password(*place)

    @contextmanager
    def _opened(self) -> Iterator[KeyringBackend]:
        """Yield the backend, and turn its errors into KeyringError."""
        try:
            from keyring.errors import KeyringLocked
        except ImportError:
            raise KeyringError(
                "the system's keyring needs an extra: pip install 'smart-router[keyring]'"
            ) from None
        try:
            self._backend = self._backend or _safe_backend()
            yield self._backend
        except KeyringError:
            raise
        except KeyringLocked:
            raise KeyringError("the system's keyring is locked: unlock it", locked=True) from None
        except Exception as error:
            # without its text: a backend that runs a program could quote the secret
            why = f"the system's keyring cannot be used ({type(error).__name__})"
            raise KeyringError(f"{why}: see that `keyring diagnose` finds one") from None


def _safe_backend() -> KeyringBackend:
    """The backend that the user configured, or the best one that the library recommends."""
    from keyring.backend import get_all_keyring
    from keyring.backends.fail import Keyring as NoKeyring
    from keyring.core import get_keyring, init_backend, recommended

    # the library looks for keyrings once in a process, and one may have been started since
    with suppress(KeyError):  # it has not looked yet
        get_all_keyring.reset()
    # the limit also holds for each link of a chain of backends
    init_backend(recommended)
    backend = get_keyring()
    if isinstance(backend, NoKeyring):
        raise KeyringError(
            "there is no system keyring here: start one, such as GNOME Keyring or KWallet, in the session "
            "that the router runs in, which then takes it up within a minute"
        )
    kind = type(backend)
    # keyrings.alt are the library's own alternatives that it does not recommend: plain files, among others
    if not recommended(backend) or kind.__module__.startswith("keyrings.alt"):
        raise KeyringError(
            f"the keyring backend {kind.__module__} does not protect secrets: choose another one in "
            "PYTHON_KEYRING_BACKEND or keyringrc.cfg"
        )
    return backend


def _places(entry: str) -> list[tuple[str, str]]:
    """Service and user name of each part of an entry. No two share a service: Windows keeps one user each."""
    profile_id, _, rest = entry.partition("/")
    name, _, parts = rest.rpartition("/")
    return [(f"{SERVICE}/{profile_id}/{name}/{number}", profile_id) for number in range(1, int(parts) + 1)]
