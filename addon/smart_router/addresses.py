"""Loopback addresses, names of this machine, and modes that listen for local programs."""

from __future__ import annotations

import ipaddress
import re
from collections.abc import Iterable
from functools import lru_cache
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

from mitmproxy.proxy.mode_specs import RegularMode, ReverseMode, Socks5Mode, UpstreamMode

if TYPE_CHECKING:
    from mitmproxy.http import HTTPFlow  # slow to import for commands

LOOPBACK = "127.0.0.1"

DEFAULT_PORTS = {"http": 80, "https": 443}
"""Ports that a URL may leave out, by scheme."""

SERVED = (ReverseMode, RegularMode)
"""Modes whose address answers requests to the router itself, such as those of a browser."""

_HOST = re.compile(r"(?:\[([^\]]+)\]|([^:\[\],\s]+))(?::\d*)?")

LOCAL_MODES = (ReverseMode, RegularMode, UpstreamMode, Socks5Mode)
"""Modes that local programs are configured to use. The others (transparent, local, wireguard) capture
traffic, much of it from other machines."""


def origin_of(url: str) -> tuple[str, str, int]:
    """Return scheme, host and port of an http(s) URL."""
    parts = urlsplit(url)
    return parts.scheme, parts.hostname or "", parts.port or DEFAULT_PORTS[parts.scheme]


def ip_address_in(host: str) -> ipaddress.IPv4Address | ipaddress.IPv6Address | None:
    """Return the address in a text, without a zone index and IPv4-mapped ones as IPv4; None for a name."""
    try:
        address = ipaddress.ip_address(host.partition("%")[0])
    except ValueError:
        return None
    return getattr(address, "ipv4_mapped", None) or address


@lru_cache(1024)
def is_loopback(host: str) -> bool:
    """Return whether an address is loopback."""
    address = ip_address_in(host)
    return address is not None and address.is_loopback


@lru_cache(1024)
def names_router(host: str, allowed: frozenset[str], listen_host: str = "") -> bool:
    """Return whether a Host header, with or without a port, names the router on this machine.

    `allowed` are names besides loopback's, in lower case; `listen_host` is the address the mode listens on.
    A request without a Host is accepted: browsers always send one.
    """
    name = _host_name(host)
    known = name == "localhost" or name in allowed or is_loopback(name)
    return known or not host or name == listen_host.lower()


def sent_to_router(flow: HTTPFlow, allowed: frozenset[str]) -> bool:
    """Return whether a request was sent to the router itself: in reverse mode always, and to a proxy if it
    names the proxy's own address. `allowed` as in `names_router`."""
    mode, here = flow.client_conn.proxy_mode, flow.client_conn.sockname
    if isinstance(mode, ReverseMode):
        return True
    if not isinstance(mode, RegularMode) or here is None or flow.request.port != here[1]:
        return False
    host = flow.request.host
    return host == here[0] or names_router(host, allowed, mode.custom_listen_host or "")


def _host_name(host: str) -> str:
    """Name or address in a Host header or an option, in lower case; the whole text if it has neither."""
    host = host.strip().lower()
    found = _HOST.fullmatch(host)
    return (found[1] or found[2]).removesuffix(".") if found else host


def allowed_names(listen_host: str, allow_hosts: Iterable[str]) -> frozenset[str]:
    """Return the names that a Host header may have besides loopback's."""
    return frozenset({listen_host.lower(), *map(_host_name, allow_hosts)} - {""})
