"""Secrets as they stand in the shared database: sealed with AES-GCM, by keys that only the machines have.

A sealed text is `KEY-ID.NONCE+CIPHERTEXT` (base64). The identity of its row is authenticated with it, so that
it opens in no other row. A key's id is derived from the key. To rotate keys, put the new one before the old
one on every machine, and drop the old one when nothing is sealed with it any more.
"""

from __future__ import annotations

import base64
import hashlib
import os
from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING

from pydantic import SecretStr

if TYPE_CHECKING:
    from cryptography.hazmat.primitives.ciphers.aead import AESGCM

KEY_BYTES = 32
_NONCE_BYTES = 12


class SealError(Exception):
    """A sealed text that cannot be opened; the message says why and never quotes it."""


@dataclass(frozen=True, slots=True)
class Seal:
    """Keys by id; `first` is the id of the one that seals. Its repr shows ids only."""

    first: str
    keys: Mapping[str, SecretStr]

    @classmethod
    def of(cls, text: SecretStr) -> Seal:
        """Read a comma-separated list of keys, each 32 bytes in base64. Raises ValueError."""
        keys: dict[str, SecretStr] = {}
        for part in text.get_secret_value().split(","):
            try:
                key = base64.b64decode(part.strip(), validate=True)
            except ValueError:
                key = b""
            if len(key) != KEY_BYTES:
                raise ValueError("is no list of keys: make one with `smart-router cluster key`")
            keys[key_id(key)] = SecretStr(part.strip())
        return cls(next(iter(keys)), keys)

    def close(self, text: SecretStr, row: str) -> str:
        """Seal a text for the row of this identity."""
        nonce = os.urandom(_NONCE_BYTES)
        sealed = nonce + self._cipher(self.first).encrypt(
            nonce, text.get_secret_value().encode(), row.encode()
        )
        return f"{self.first}.{base64.b64encode(sealed).decode()}"

    def open(self, sealed: str, row: str) -> SecretStr:
        """Open a sealed text of this row. Raises SealError."""
        from cryptography.exceptions import InvalidTag

        id_, _, rest = sealed.partition(".")
        if id_ not in self.keys:
            raise SealError(f"it is sealed with key {id_[:8]!r}, which this machine does not have")
        try:
            data = base64.b64decode(rest, validate=True)
            text = self._cipher(id_).decrypt(data[:_NONCE_BYTES], data[_NONCE_BYTES:], row.encode())
            return SecretStr(text.decode())
        except (InvalidTag, ValueError):
            raise SealError("it was changed, or belongs to another row") from None

    def _cipher(self, id_: str) -> AESGCM:
        from cryptography.hazmat.primitives.ciphers.aead import AESGCM

        return AESGCM(base64.b64decode(self.keys[id_].get_secret_value()))


def new_key() -> str:
    """Return a new random key."""
    return base64.b64encode(os.urandom(KEY_BYTES)).decode()


def key_id(key: bytes) -> str:
    """The id of a key, which tells nothing about it."""
    return hashlib.sha256(b"smart-router cluster key\0" + key).hexdigest()[:8]
