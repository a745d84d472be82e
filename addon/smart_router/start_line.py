"""The log line at start: version, addresses, config and usable providers."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from itertools import chain
from urllib.parse import urlsplit

from mitmproxy.utils.human import format_address

from smart_router import __version__
from smart_router.addresses import DEFAULT_PORTS, LOOPBACK, is_loopback
from smart_router.auth.status import ProfileStatus
from smart_router.providers.base import Provider

Address = tuple[str, int]

NOTHING_USABLE = (
    "none (set a key such as OPENAI_API_KEY and restart, or run `smart-router profiles add openai main`)"
)


def start_line(
    addresses: Sequence[Address],
    config: str,
    profiles: Mapping[str, Sequence[ProfileStatus]],
    page: Address | None,
) -> str:
    """Return the line with version, addresses, live page, config file and usable providers. `profiles` are by
    provider, `page` is an address that answers requests to the router itself."""
    where = " and ".join(dict.fromkeys(format_address(address) for address in addresses)) or "no address"
    owned = list(chain.from_iterable(profiles.values()))
    usable = Counter(one.provider for one in owned if one.usable)
    parts = [", ".join(f"{name} ({_count(number)})" for name, number in usable.items()) or NOTHING_USABLE]
    if unusable := [f"{one.id} ({one.why})" for one in owned if not one.usable]:
        parts.append(f"not usable: {', '.join(unusable)}")
    if without := [name for name in profiles if not profiles[name]]:
        parts.append(f"without key or login: {', '.join(without)}")
    shown = f"live page: {_page(page)}, " if page else ""
    usable_ones = "; ".join(parts)
    return f"smart-router {__version__} at {where}, {shown}config: {config}, usable providers: {usable_ones}"


def _page(address: Address) -> str:
    """The live page's address for a browser on this machine."""
    host, port = address[0], address[1]
    everywhere = {"0.0.0.0": LOOPBACK, "::": LOOPBACK}  # noqa: S104
    return f"http://{format_address((everywhere.get(host, host), port))}/router"


def _count(number: int) -> str:
    return "1 profile" if number == 1 else f"{number} profiles"


def pointed_at_itself(
    addresses: Sequence[Address], providers: Mapping[str, Provider], env: Mapping[str, str]
) -> Iterator[str]:
    """Yield warnings for providers whose base URL is the router itself: their requests would loop."""
    ports = {address[1] for address in addresses}
    hosts = {address[0] for address in addresses} | {"localhost"}
    for name, provider in providers.items():
        url = urlsplit(provider.base_url)
        host, port = url.hostname or "", url.port or DEFAULT_PORTS.get(url.scheme)
        if port in ports and (host in hosts or is_loopback(host)):
            variable = provider.base_url_env or ""
            cause = variable if env.get(variable) else f"base_url of [providers.{name}]"
            yield (
                f"{cause} is {provider.base_url}, which is this router itself, so requests to {name} fail: "
                "unset it for the router; only clients need it"
            )
