"""Credentials in clients' requests that are passed on: each goes to the vendor that issued it, or nowhere.

A key's prefix tells who issued it, the provider registry which hosts are whose. Cookies, and keys without a
known prefix, go only to hosts that the user named.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Iterable, Mapping, Sequence
from fnmatch import fnmatchcase
from urllib.parse import unquote_plus, urlsplit

from mitmproxy import http

from smart_router.api.access import KEY_HEADERS, KEY_PARAMETERS
from smart_router.client_keys.directory import Directory
from smart_router.providers.base import Provider
from smart_router.providers.registry import PROVIDERS

HIDDEN = b"(not kept)"
"""Takes the place of a key once its client is identified."""

_KEY_HEADERS = ("authorization", *KEY_HEADERS, "proxy-authorization")
_SECRET_HEADERS = frozenset(name.encode() for name in _KEY_HEADERS)


def _ids_by(keys: Callable[[Provider], Iterable[str]]) -> Mapping[str, frozenset[str]]:
    """The ids of the providers that have each of these keys."""
    found: defaultdict[str, set[str]] = defaultdict(set)
    for provider in PROVIDERS.values():
        for key in keys(provider):
            found[key].add(provider.id)
    return {key: frozenset(ids) for key, ids in found.items()}


_OWNERS = sorted(_ids_by(lambda one: one.key_prefixes).items(), key=lambda item: -len(item[0]))
"""Prefixes of keys, longer ones first, and the providers that issue them."""

_VENDORS = _ids_by(lambda one: (urlsplit(url).hostname or "" for url in (one.base_url, *one.more_base_urls)))
"""Providers by the vendor's own host; base URLs of the user's config are not the vendor's."""


def withhold_credentials(request: http.Request, directory: Directory, forward_to: Sequence[str]) -> list[str]:
    """Remove from a request to the reverse target what does not belong there; the names of what was removed.

    `forward_to` are patterns of hosts that may have all credentials but the router's own keys.
    """
    host = request.host.lower()
    if any(fnmatchcase(host, pattern.lower()) for pattern in forward_to):
        return withhold_router_keys(request, directory)
    vendors = _VENDORS.get(host, frozenset()) if request.scheme == "https" else frozenset()

    def stays(value: str) -> bool:
        key = _key_in(value)
        return bool(vendors & owners_of(key)) and not directory.is_key(key)

    removed = _remove(request, lambda value: not stays(value))
    if "cookie" in request.headers:
        del request.headers["cookie"]
        removed.append("cookie")
    return removed


def withhold_router_keys(request: http.Request, directory: Directory) -> list[str]:
    """Remove the router's own keys from a request, wherever clients send keys."""
    return _remove(request, lambda value: directory.is_key(_key_in(value)))


def _remove(request: http.Request, unwanted: Callable[[str], bool]) -> list[str]:
    headers = [name for name in _KEY_HEADERS if any(map(unwanted, request.headers.get_all(name)))]
    for name in headers:
        del request.headers[name]
    return headers + _remove_parameters(request, unwanted)


def _remove_parameters(request: http.Request, unwanted: Callable[[str], bool]) -> list[str]:
    """The rest of the query stays as the client wrote it."""
    path, _, query = request.path.partition("?")
    kept, removed = [], []
    for pair in query.split("&"):
        name, _, value = pair.partition("=")
        if unquote_plus(name).lower() in KEY_PARAMETERS and unwanted(unquote_plus(value)):
            removed.append(f"?{name}=")
        else:
            kept.append(pair)
    if removed:
        request.path = f"{path}?{'&'.join(kept)}" if kept else path
    return removed


def _key_in(value: str) -> str:
    """The key in a header's value, without the scheme before it."""
    return value.split()[-1] if value.strip() else ""


def owners_of(key: str) -> frozenset[str]:
    """Return the providers that issue keys with this beginning."""
    return next((owners for prefix, owners in _OWNERS if key.startswith(prefix)), frozenset())


def hide_keys(flow: http.HTTPFlow) -> None:
    """Remove the client's key from a flow that the router serves: saved flows hold no secret."""
    headers = flow.request.headers
    headers.fields = tuple(
        [(name, HIDDEN if name.lower() in _SECRET_HEADERS else value) for name, value in headers.fields]
    )
    if "?" in flow.request.path:
        _remove_parameters(flow.request, lambda value: True)
