"""Who may use the router: this machine, and beyond it clients that show a key."""

from __future__ import annotations

import hmac
from collections.abc import Mapping, Sequence
from typing import NamedTuple

from pydantic import SecretStr

from smart_router.errors import ClientError
from smart_router.listening import is_loopback


class Shown(NamedTuple):
    """A known key that a request carries: whose it is, and the header that holds it."""

    client: str
    header: str


def find_client(headers: Mapping[str, str], clients: Mapping[str, SecretStr]) -> Shown | None:
    """Look for a client's key where OpenAI's and Anthropic's clients put theirs; in constant time each."""
    if not clients:
        return None
    scheme, _, token = headers.get("authorization", "").partition(" ")
    bearer = token.strip() if scheme.lower() == "bearer" else ""
    for header, shown in (("authorization", bearer), ("x-api-key", headers.get("x-api-key", ""))):
        for name, key in clients.items():
            if hmac.compare_digest(shown.encode(errors="surrogateescape"), key.get_secret_value().encode()):
                return Shown(name, header)
    return None


def check_client(peer: str, headers: Mapping[str, str], clients: Mapping[str, SecretStr]) -> str | None:
    """The name of the client whose key was shown, None for one on this machine without a key.

    Raises a 401 for an address beyond loopback without a known key.
    """
    if found := find_client(headers, clients):
        return found.client
    if is_loopback(peer):
        return None
    raise ClientError(
        401,
        "beyond this machine the router serves only clients with a router key: add one under [clients] in "
        "its config and send it as the API key",
        type="authentication_error",
        code="invalid_api_key",
    )


def check_origin(headers: Mapping[str, str], allowed: Sequence[str]) -> str | None:
    """The web origin to allow, None if no web page is asking.

    Raises a 403 for a page that is not allowed: any page could otherwise spend the user's money.
    """
    origin = headers.get("origin")
    if origin is None or origin in allowed:
        return origin
    raise ClientError(
        403,
        f"web pages of {origin!r} may not use the router; option router_allow_origins can allow them",
        type="permission_error",
        code="origin_not_allowed",
    )
