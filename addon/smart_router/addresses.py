"""Addresses of this machine."""

from __future__ import annotations

import ipaddress
from functools import lru_cache

from mitmproxy.proxy.mode_specs import (
    RegularMode,
    ReverseMode,
    Socks5Mode,
    UpstreamMode,
)

LOOPBACK = "127.0.0.1"


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
