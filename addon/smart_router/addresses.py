"""Addresses of this machine."""

from __future__ import annotations

import ipaddress
import re
from collections.abc import Iterable
from functools import lru_cache

from mitmproxy.proxy.mode_specs import (
    RegularMode,
    ReverseMode,
    Socks5Mode,
    UpstreamMode,
)

LOOPBACK = "127.0.0.1"

_HOST = re.compile(r"(?:\[([^\]]+)\]|([^:\[\],\s]+))(?::\d*)?")

LOCAL_MODES = (ReverseMode, RegularMode, UpstreamMode, Socks5Mode)
"""Modes that a program on this machine is pointed at. The others (transparent, local, wireguard) are there to
catch traffic, much of it from elsewhere."""


@lru_cache(1024)
def is_loopback(host: str) -> bool:
    """Whether an address is this machine's own; a zone index and IPv4 mapped into IPv6 are seen through."""
    try:
        address = ipaddress.ip_address(host.partition("%")[0])
    except ValueError:
        return False
    return (getattr(address, "ipv4_mapped", None) or address).is_loopback


@lru_cache(1024)
def names_router(host: str, allowed: frozenset[str], listen_host: str = "") -> bool:
    """Whether the value of a Host header names the router on this machine, with or without a port.

    `allowed` are names besides loopback's, in lower case; `listen_host` is the address the mode listens on.
    A request without a Host is accepted: browsers always send one.
    """
    name = _host_name(host)
    known = name == "localhost" or name in allowed or is_loopback(name)
    return known or not host or name == listen_host.lower()


def _host_name(host: str) -> str:
    """The name or address in a Host header or an option, in lower case; all of it if it is neither."""
    host = host.strip().lower()
    found = _HOST.fullmatch(host)
    return (found[1] or found[2]).removesuffix(".") if found else host


def allowed_names(listen_host: str, allow_hosts: Iterable[str]) -> frozenset[str]:
    """Names that a Host header may have besides loopback's."""
    return frozenset({listen_host.lower(), *map(_host_name, allow_hosts)} - {""})
