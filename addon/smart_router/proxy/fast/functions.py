"""Cheaper versions of mitmproxy's functions that run many times for each message.

Each takes the arguments of mitmproxy's own and returns the same; the tests compare the two.
"""

from __future__ import annotations

import copy
import dataclasses
import os
from collections import deque
from collections.abc import Iterable
from functools import cache
from types import SimpleNamespace
from typing import Any

from mitmproxy import connection, flow, hooks, http, optmanager
from mitmproxy.net.http import http1, url, validate
from mitmproxy.proxy.context import Context
from mitmproxy.proxy.layers import http as layers_http
from mitmproxy.utils import typecheck

from smart_router.proxy.fast.patches import Patch

_own_authority = url.parse_authority
_own_init: Any = http.Headers.__init__
_own_contains = http.Headers.__contains__
_own_body_size = http1.expected_http_body_size
_own_validate = validate.validate_headers

FRAMING = frozenset((b"content-length", b"transfer-encoding"))
FRAMING_LENGTHS = frozenset(map(len, FRAMING))
_ZERO = ord("0")
BODILESS = frozenset((b"HEAD", b"CONNECT"))
WITH_BODY = frozenset({*range(200, 600)} - {204, 304})

_NAMES = (str, bytes)
_MOST_NAMES, _LONGEST_NAME = 1_000, 100
_good_names: set[bytes] = set()

MOST_AUTHORITIES = 256
"""Number of parsed authorities cached."""

LONGEST_AUTHORITY = 300
"""Characters of the longest cached authority: a host name has 255 at most."""

_AT_ONCE = 64
"""Ids made per system call."""

_MOST_KINDS = 1_000
"""Cached combinations of types; about ten occur."""

_IMMUTABLE = frozenset({bool, int, float, str, type(None)})

_accepted: set[tuple[type, ...]] = set()
_ids: deque[str] = deque()
_authorities: dict[tuple[str | bytes, bool], tuple[str, int | None]] = {}


def __post_init__(self: http.MessageData) -> None:  # noqa: N807  # it goes by the name of what it replaces
    """`http.MessageData.__post_init__`, which checks the type of each field of each message.

    No field is a container or a file, so the check depends on its type alone and can be cached.
    """
    kinds = (type(self), *map(type, vars(self).values()))
    if kinds not in _accepted:
        for name, typeinfo in _fields(type(self)):
            typecheck.check_option_type(name, getattr(self, name), typeinfo)
        if len(_accepted) < _MOST_KINDS:
            _accepted.add(kinds)


def parse_authority(authority: str | bytes, check: bool) -> tuple[str, int | None]:
    """`url.parse_authority`, cached: several addons call it for each request."""
    key = (authority, check)
    found = _authorities.get(key)
    if found is None:
        found = _own_authority(authority, check)  # type: ignore[type-var]  # one of the two it is
        if len(authority) <= LONGEST_AUTHORITY:
            if len(_authorities) >= MOST_AUTHORITIES:
                _authorities.clear()
            _authorities[key] = found
    return found


def __init__(self: http.Headers, fields: Iterable[tuple[bytes, bytes]] = (), **headers: Any) -> None:  # noqa: N807
    """`http.Headers.__init__`, which merges keyword arguments even if there are none."""
    if headers:
        _own_init(self, fields, **headers)
        return
    self.fields = tuple(map(tuple, fields))  # type: ignore[arg-type]
    for key, value in self.fields:
        if not isinstance(key, bytes) or not isinstance(value, bytes):
            raise TypeError("Header fields must be bytes.")


def get_all(self: http.Headers, name: str | bytes) -> list[str]:
    """`http.Headers.get_all`, which calls a function for each name and each value."""
    return [value.decode("utf-8", "surrogateescape") for value in _values(self, name)]


def set_all(self: http.Headers, name: str | bytes, values: Iterable[str | bytes]) -> None:
    """`http.Headers.set_all`, without a function call for each name."""
    key, left = _bytes(name), [_bytes(value) for value in values]
    wanted, size = key.lower(), len(key)
    fields = []
    for field in self.fields:
        if len(field[0]) != size or field[0].lower() != wanted:
            fields.append(field)
        elif left:
            fields.append((field[0], left.pop(0)))
    if left:
        fields += [(key, value) for value in left]
    self.fields = tuple(fields)


def __bytes__(self: http.Headers) -> bytes:  # noqa: N807
    """`bytes(http.Headers)`; a list is joined faster than a generator."""
    return b"\r\n".join([b": ".join(field) for field in self.fields] + [b""]) if self.fields else b""


def get(self: http.Headers, name: str | bytes, default: Any = None) -> Any:
    """`http.Headers.get`, which raises and catches an error for each missing header."""
    found = _values(self, name)
    if not found:
        return default
    if len(found) == 1:
        return found[0].decode("utf-8", "surrogateescape")
    return ", ".join([value.decode("utf-8", "surrogateescape") for value in found])


def __contains__(self: http.Headers, name: object) -> bool:  # noqa: N807
    """`name in http.Headers`, without raising an error for a missing header."""
    return bool(_values(self, name)) if isinstance(name, _NAMES) else _own_contains(self, name)


def _values(headers: http.Headers, name: str | bytes) -> list[bytes]:
    """Return the values of a header's fields. Most names differ in length, which costs less to compare."""
    wanted, size = _canonical[name]
    return [value for key, value in headers.fields if len(key) == size and key.lower() == wanted]


def _bytes(text: str | bytes) -> bytes:
    return text if isinstance(text, bytes) else http._always_bytes(text)


class _Canonical(dict[str | bytes, tuple[bytes, int]]):
    """Names of headers in lower case, and their lengths; a dict looks faster than a cached function."""

    def __missing__(self, name: str | bytes) -> tuple[bytes, int]:
        if len(self) >= _MOST_NAMES:
            self.clear()
        wanted = _bytes(name).lower()
        found = self[name] = wanted, len(wanted)
        return found


_canonical = _Canonical()


def expected_http_body_size(request: http.Request, response: http.Response | None = None) -> int | None:
    """`http1.expected_http_body_size`, called five times for each request; reads the length here if it is
    stated once, in plain digits.
    """
    stated = None
    for name, value in (response or request).data.headers.fields:
        if len(name) in FRAMING_LENGTHS and name.lower() in FRAMING:
            if stated is not None or len(name) == len(b"transfer-encoding"):
                return _own_body_size(request, response)
            stated = value
    if stated is None or not is_plain_length(stated):
        return _own_body_size(request, response)
    if response and (request.data.method.upper() in BODILESS or response.data.status_code not in WITH_BODY):
        return _own_body_size(request, response)
    return int(stated)


def is_plain_length(length: bytes) -> bool:
    """Return whether a Content-Length is a decimal number as one writes it, which cannot be misread."""
    return length.isdigit() and (length[0] != _ZERO or len(length) == 1)


def validate_headers(message: http.Message) -> None:
    """`validate.validate_headers`, which checks each character of each name; valid names are cached."""
    stated = False
    for name, value in message.data.headers.fields:
        if name in _good_names:
            continue
        if stated or name.lower() != b"content-length" or not is_plain_length(value):
            break
        stated = True
    else:
        return
    _own_validate(message)
    if len(_good_names) < _MOST_NAMES:
        _good_names.update(
            name
            for name, _ in message.data.headers.fields
            if len(name) < _LONGEST_NAME and name.lower() not in FRAMING
        )


def args(self: hooks.Hook) -> list[Any]:
    """`hooks.Hook.args`, which lists a hook's fields each time."""
    kind: Any = type(self)
    return [getattr(self, name) for name, _ in _fields(kind)]


def fork(self: Context) -> Context:
    """`Context.fork`, which makes a server connection only to replace it."""
    forked = Context.__new__(Context)
    forked.client, forked.options, forked.server = self.client, self.options, self.server
    forked.layers = self.layers.copy()
    return forked


def current(self: optmanager._Option) -> Any:
    """`_Option.current`, which copies the value at each read of an option."""
    value = self._default if self.value is optmanager.unset else self.value
    return value if type(value) in _IMMUTABLE else copy.deepcopy(value)


def uuid4() -> str:
    """`str(uuid.uuid4())`, called for each flow and connection; random bytes are read for many ids."""
    while True:
        try:
            return _ids.pop()
        except IndexError:
            fetched = os.urandom(16 * _AT_ONCE)
            _ids.extend(_uuid(fetched[at : at + 16].hex()) for at in range(0, len(fetched), 16))


def _uuid(digits: str) -> str:
    """Return a random UUID: version 4, variant RFC 4122."""
    variant = "89ab"[int(digits[16], 16) & 3]
    return f"{digits[:8]}-{digits[8:12]}-4{digits[13:16]}-{variant}{digits[17:20]}-{digits[20:]}"


@cache
def _fields(kind: Any) -> tuple[tuple[str, Any], ...]:
    return tuple((field.name, field.type) for field in dataclasses.fields(kind))


REPLACED: tuple[Patch, ...] = (
    (http.MessageData, "__post_init__", __post_init__),
    (http1, "expected_http_body_size", expected_http_body_size),
    (layers_http, "validate_headers", validate_headers),
    (http.Headers, "__init__", __init__),
    (http.Headers, "get_all", get_all),
    (http.Headers, "set_all", set_all),
    (http.Headers, "__bytes__", __bytes__),
    (http.Headers, "get", get),
    (http.Headers, "__contains__", __contains__),
    (url, "parse_authority", parse_authority),
    (hooks.Hook, "args", args),
    (Context, "fork", fork),
    (optmanager._Option, "current", current),
    (flow, "uuid", SimpleNamespace(uuid4=uuid4)),
    (connection, "uuid", SimpleNamespace(uuid4=uuid4)),
)
