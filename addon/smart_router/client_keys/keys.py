"""Keys that clients show: `srk-ID-SECRET`, made here, stored as salted hashes, compared in constant time.

The prefix lets people, secret scanners and the router itself recognize a key; the id names its row.
"""

from __future__ import annotations

import hashlib
import hmac
import re
import secrets
import string
from dataclasses import dataclass, field

from pydantic import SecretStr

PREFIX = "srk-"

_ALPHABET = string.ascii_letters + string.digits
_ID, _SECRET, _SALT = 8, 43, 16
"""Characters of an id and of a secret (256 bits), bytes of a salt."""

_FORM = re.compile(rf"{PREFIX}([A-Za-z0-9]{{{_ID}}})-[A-Za-z0-9]{{{_SECRET}}}")


@dataclass(frozen=True, slots=True)
class StoredKey:
    """A key as it is stored. `ends` is when it is no longer taken because a new one replaced it (unix
    seconds)."""

    id: str
    salt: bytes = field(repr=False)
    digest: bytes = field(repr=False)
    created: float
    ends: float | None = None

    @property
    def visible(self) -> str:
        """The part that may be shown."""
        return f"{PREFIX}{self.id}-…"


NOBODY = StoredKey("", b"\0" * _SALT, b"\0" * hashlib.sha256().digest_size, 0.0)
"""Compared with keys of an unknown id, which take as long as known ones."""


def make_key(now: float) -> tuple[SecretStr, StoredKey]:
    """Return a new key, and its stored form. `now` is unix seconds."""
    id_, secret = (_random(length) for length in (_ID, _SECRET))
    salt = secrets.token_bytes(_SALT)
    key = f"{PREFIX}{id_}-{secret}"
    return SecretStr(key), StoredKey(id_, salt, _digest(salt, key), now)


def key_id(shown: str) -> str | None:
    """Return the id in a key of this form, None for any other text."""
    found = _FORM.fullmatch(shown)
    return found[1] if found else None


def looks_like_key(shown: str) -> bool:
    """Return whether a text is meant as a key of this router, even if it is incomplete."""
    return shown.startswith(PREFIX)


def matches(shown: str, key: StoredKey) -> bool:
    """Return whether this is the key; takes the same time for any text of that length."""
    return hmac.compare_digest(_digest(key.salt, shown), key.digest)


def _random(length: int) -> str:
    return "".join(secrets.choice(_ALPHABET) for _ in range(length))


def _digest(salt: bytes, key: str) -> bytes:
    # a fast hash: slow ones (scrypt, argon2) protect passwords that can be guessed, but nobody guesses 256
    # random bits, and each request would pay for them
    return hashlib.sha256(salt + key.encode(errors="surrogateescape")).digest()
