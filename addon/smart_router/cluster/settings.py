"""Settings of the cluster: the table `[cluster]`, or variables of the environment in place of it."""

from __future__ import annotations

import socket
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Annotated, Any

from pydantic import AfterValidator, BaseModel, ConfigDict, SecretStr

from smart_router.client_keys.client import OnAway
from smart_router.cluster.sealing import Seal

URL = "SMART_ROUTER_CLUSTER_URL"
KEY = "SMART_ROUTER_CLUSTER_KEY"


def _postgresql(url: SecretStr) -> SecretStr:
    if not url.get_secret_value().startswith(("postgresql://", "postgres://")):
        raise ValueError("is not an address of PostgreSQL: postgresql://user@host/database")
    return url


class ClusterTable(BaseModel):
    """`[cluster]`: the address of the database, and this machine's name, which is the host's by default.

    `on_cluster_away` says if clients may go beyond this machine's slice of their limits while the database is
    away; by default they may for tokens and requests, and not for money. `config` has all machines use one
    config, but for this table.
    """

    model_config = ConfigDict(extra="forbid", frozen=True)

    url: Annotated[SecretStr, AfterValidator(_postgresql)] | None = None
    name: str = ""
    on_cluster_away: OnAway | None = None
    config: bool = False


@dataclass(frozen=True, slots=True)
class ClusterSettings:
    """Where the database is, this machine's name, and the keys of sealed secrets."""

    url: SecretStr
    name: str
    seal: Seal | None = None
    on_away: OnAway | None = None
    shares_config: bool = False


def unlike_key(settings: ClusterSettings, machines: Iterable[Mapping[str, Any]]) -> str | None:
    """Return what is wrong with this machine's key, as far as that shows from the other machines' state."""
    if settings.seal is None:
        return f"{KEY} is not set here: this machine shares no logins and no reasoning of conversations"
    others = {one["key"]: one["name"] for one in machines if one.get("key") and one["state"] == "ok"}
    unknown = sorted(name for id_, name in others.items() if id_ not in settings.seal.keys)
    if unknown:
        return f"{KEY} lacks the key of {', '.join(unknown)}: what these share cannot be read here"
    return None


def cluster_settings(table: ClusterTable, env: Mapping[str, str]) -> ClusterSettings | None:
    """Return the settings, the environment's before the table's; None without an address.

    Raises ValueError, whose message begins with the name of the variable that is wrong.
    """
    try:
        url = _postgresql(SecretStr(env[URL])) if env.get(URL) else table.url
    except ValueError as error:
        raise ValueError(f"{URL} {error}") from None
    if url is None:
        return None
    try:
        seal = Seal.of(SecretStr(env[KEY])) if env.get(KEY) else None
    except ValueError as error:
        raise ValueError(f"{KEY} {error}") from None
    if table.config and seal is None:
        raise ValueError(
            f"{KEY} is needed for [cluster] config: a config may hold keys, which are sealed with it"
        )
    name = table.name or socket.gethostname()
    return ClusterSettings(url, name, seal, table.on_cluster_away, table.config)
