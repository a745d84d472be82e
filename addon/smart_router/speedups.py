"""Some functions of mitmproxy's that run many times for each message, made cheaper.

Each takes what mitmproxy's own takes and gives what it gives; the tests compare the two. Together with the
cached hooks they are switched off by `router_fast_hooks=false`.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Callable
from functools import cache
from typing import Any

from mitmproxy import hooks, http
from mitmproxy.net.http import url
from mitmproxy.proxy.context import Context
from mitmproxy.utils import typecheck

_own_check = typecheck.check_option_type
_own_authority = url.parse_authority

MOST_AUTHORITIES = 256
"""How many parsed authorities are remembered."""

LONGEST_AUTHORITY = 300
"""Characters of an authority that is worth remembering: a host name has 255 at most."""

_accepted: set[tuple[type, Any]] = set()
_authorities: dict[tuple[str | bytes, bool], tuple[str, int | None]] = {}


def check_option_type(name: str, value: Any, typeinfo: Any) -> None:
    """`typecheck.check_option_type`, which checks each field of each message.

    For all but containers and files it looks at the value's type alone: one that passed will pass again.
    """
    kind = (type(value), typeinfo)
    if kind in _accepted:
        return
    _own_check(name, value, typeinfo)
    if not isinstance(value, tuple | list) and not hasattr(value, "read"):
        _accepted.add(kind)


def parse_authority(authority: str | bytes, check: bool) -> tuple[str, int | None]:
    """`url.parse_authority`, which several addons ask anew for each request."""
    key = (authority, check)
    found = _authorities.get(key)
    if found is None:
        found = _own_authority(authority, check)  # type: ignore[type-var]  # one of the two it is
        if len(authority) <= LONGEST_AUTHORITY:
            if len(_authorities) >= MOST_AUTHORITIES:
                _authorities.clear()
            _authorities[key] = found
    return found


def get_all(self: http.Headers, name: str | bytes) -> list[str]:
    """`http.Headers.get_all`, through which every look at a header goes."""
    wanted = (name.encode("utf-8", "surrogateescape") if isinstance(name, str) else name).lower()
    return [value.decode("utf-8", "surrogateescape") for key, value in self.fields if key.lower() == wanted]


def args(self: hooks.Hook) -> list[Any]:
    """`hooks.Hook.args`, for which dataclasses list a hook's fields anew each time."""
    kind: Any = type(self)
    return [getattr(self, name) for name in _field_names(kind)]


def fork(self: Context) -> Context:
    """`Context.fork`, which makes a server connection only to put the present one in its place."""
    forked = Context.__new__(Context)
    forked.client, forked.options, forked.server = self.client, self.options, self.server
    forked.layers = self.layers.copy()
    return forked


@cache
def _field_names(kind: Any) -> tuple[str, ...]:
    return tuple(field.name for field in dataclasses.fields(kind))


REPLACED: tuple[tuple[Any, Callable[..., Any]], ...] = (
    (typecheck, check_option_type),
    (url, parse_authority),
    (http.Headers, get_all),
    (hooks.Hook, args),
    (Context, fork),
)
"""Where each function belongs."""

_ORIGINALS = tuple((owner, mine.__name__, vars(owner)[mine.__name__]) for owner, mine in REPLACED)


def install() -> None:
    """Put the functions in the place of mitmproxy's own."""
    for owner, mine in REPLACED:
        setattr(owner, mine.__name__, mine)


def uninstall() -> None:
    """Give mitmproxy its own functions back."""
    for owner, name, original in _ORIGINALS:
        setattr(owner, name, original)
