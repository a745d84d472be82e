"""The clients that a process knows, found by the keys that they show."""

from __future__ import annotations

import hmac
from collections.abc import Iterator, Mapping

from pydantic import SecretStr

from smart_router.client_keys.client import Client
from smart_router.client_keys.database import Stored, StoredClient
from smart_router.client_keys.keys import NOBODY, StoredKey, key_id, looks_like_key, matches
from smart_router.client_keys.limits import shown_time
from smart_router.errors import ClientError


class Directory:
    """Clients of the config, by the keys that stand there, and stored ones. It never changes: a change of
    config or file makes a new one.

    Clients of the config are the operator's own: they are admins, and have no limits.
    `required`: clients on this machine need a key, too.
    """

    def __init__(
        self,
        configured: Mapping[str, SecretStr] | None = None,
        stored: Stored | None = None,
        *,
        required: bool = False,
    ) -> None:
        self.required = required
        self._configured = [
            (key.get_secret_value().encode(), Client(name, admin=True))
            for name, key in (configured or {}).items()
        ]
        self.stored = stored or Stored()
        self._keys: Mapping[str, tuple[StoredKey, StoredClient]] = {
            key.id: (key, one) for one in self.stored.clients.values() for key in one.keys
        }

    def __iter__(self) -> Iterator[StoredClient]:
        return iter(self.stored.clients.values())

    def find(self, shown: str, now: float) -> Client | None:
        """Return the client whose key this is, None if it is nobody's. `now` is unix seconds.

        All comparisons take constant time, and an unknown id costs as much as a known one. Raises a 401 that
        says why for a right key that is no longer taken.
        """
        found = None
        sent = shown.encode(errors="surrogateescape")
        for key, client in self._configured:
            if hmac.compare_digest(sent, key):
                found = client
        known, holder = self._keys.get(key_id(shown) or "", (NOBODY, None))
        if matches(shown, known) and holder is not None:
            if why := _ended(known, holder, now):
                raise why
            return holder.client
        return found

    def is_key(self, shown: str) -> bool:
        """Return whether a text is one of the router's own keys, taken or not, or looks like one."""
        sent = shown.encode(errors="surrogateescape")
        return looks_like_key(shown) or any(hmac.compare_digest(sent, key) for key, _ in self._configured)


def _ended(key: StoredKey, holder: StoredClient, now: float) -> ClientError | None:
    """The error for a right key that is no longer taken."""
    name, expires = holder.client.name, holder.client.expires
    if holder.revoked is not None:
        return refused_key(
            f"the router key of {name!r} was revoked at {shown_time(holder.revoked)}", "key_revoked"
        )
    if key.ends is not None and key.ends <= now:
        said = f"this router key of {name!r} was replaced by a new one and ended at {shown_time(key.ends)}"
        return refused_key(said, "key_revoked")
    if expires is not None and expires <= now:
        return refused_key(f"the router key of {name!r} expired at {shown_time(expires)}", "key_expired")
    return None


def refused_key(message: str, code: str) -> ClientError:
    """Return the 401 for a key that is not taken."""
    return ClientError(401, message, code=code)
