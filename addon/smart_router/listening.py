"""Listening on loopback only, unless the user chose an address.

mitmproxy listens on all interfaces by default, and begins to start its servers a moment before it loads a
script: they have read `listen_host` by then, but bind only after it (asyncio resolves the address first).
"""

from __future__ import annotations

import ipaddress
import logging
from functools import lru_cache

from mitmproxy.proxy.mode_specs import (
    RegularMode,
    ReverseMode,
    Socks5Mode,
    UpstreamMode,
)

logger = logging.getLogger(__name__)

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
