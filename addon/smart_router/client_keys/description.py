"""Clients as JSON, for the command line and for answers."""

from __future__ import annotations

import time
from typing import Any

from smart_router.client_keys.client import Client
from smart_router.client_keys.database import StoredClient
from smart_router.client_keys.ledger import Ledger
from smart_router.client_keys.limits import shown_time


def describe_client(client: Client, ledger: Ledger | None) -> dict[str, Any]:
    """Return a client's rights and its use of its limits. No `models` means all."""
    return {
        "name": client.name,
        "admin": client.admin,
        "tag": client.tag,
        "models": client.models or None,
        "on_limit": client.on_limit,
        "on_cluster_away": client.on_cluster_away,
        "expires_at": shown_time(client.expires),
        "limits": [one.as_dict() for one in ledger.look(client.allotments, time.time())] if ledger else [],
    }


def describe_stored(one: StoredClient, ledger: Ledger | None, now: float) -> dict[str, Any]:
    """Return the same with the client's state and the visible parts of its keys. `now` is unix seconds."""
    expired = one.client.expires is not None and one.client.expires <= now
    described = describe_client(one.client, ledger)
    return {
        "name": described.pop("name"),
        "state": "revoked" if one.revoked is not None else "expired" if expired else "active",
        **described,
        "created_at": shown_time(one.created),
        "revoked_at": shown_time(one.revoked),
        "keys": [
            {"key": key.visible, "created_at": shown_time(key.created), "ends_at": shown_time(key.ends)}
            for key in one.keys
        ],
    }
