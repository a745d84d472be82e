"""Router keys that clients of a proxy send as its credentials: `HTTPS_PROXY=http://NAME:KEY@HOST:PORT`.

In the modes `regular` and `upstream` the header `Proxy-Authorization` of a CONNECT speaks for all requests of
its tunnel, and that of a request without a tunnel for itself (RFC 9110, section 11.7). It is removed at once:
it is never passed on, and in no flow.
"""

from __future__ import annotations

import binascii
from base64 import b64decode
from weakref import WeakKeyDictionary

from mitmproxy import ctx, http
from mitmproxy.proxy.mode_specs import RegularMode, UpstreamMode
from pydantic import SecretStr

from smart_router.api.access import INVALID
from smart_router.client_keys.client import Client
from smart_router.client_keys.directory import Directory, refused_key
from smart_router.errors import ClientError

HEADER = "proxy-authorization"
_NEEDED = "this proxy serves only clients with a router key"
_CHALLENGE = {"proxy-authenticate": 'Basic realm="smart-router", charset="UTF-8"'}

Endpoints = tuple[object, object]
"""Both addresses of a client's connection: the turns of a WebSocket have another object for it."""


class ProxyKeys:
    """The clients of a proxy's tunnels and requests."""

    def __init__(self) -> None:
        self._tunnels: dict[Endpoints, SecretStr] = {}
        self._found: WeakKeyDictionary[http.Request, Client | ClientError] = WeakKeyDictionary()

    def connect(self, flow: http.HTTPFlow, directory: Directory, now: float) -> None:
        """Keep the key of a CONNECT for its tunnel. Raises a 407 for a wrong one, or a missing one where all
        clients need one. `now` is unix seconds."""
        if not _is_proxied(flow):
            return
        key = _take(flow.request)
        if key is None:
            if directory.required:
                raise _challenge(_NEEDED)
            return
        _find(key, directory, now)
        self._tunnels[_endpoints(flow)] = key

    def take(self, flow: http.HTTPFlow, directory: Directory, now: float) -> None:
        """Find the client of a request, and remove its credentials."""
        if not _is_proxied(flow) or flow.is_replay:
            return
        own = _take(flow.request)
        key = own or (self._tunnels.get(_endpoints(flow)) if self._tunnels else None)
        if key is None:
            if directory.required and flow.request.scheme == "http":
                self._found[flow.request] = _challenge(_NEEDED)
            return
        try:
            self._found[flow.request] = _find(key, directory, now)
        except ClientError as error:
            # within a tunnel the client speaks to another host than the proxy
            self._found[flow.request] = error if own else refused_key(error.message, error.code or INVALID)

    def client(self, flow: http.HTTPFlow) -> Client | None:
        """Return the client that `take` found, None without proxy credentials. Raises the error of wrong
        ones."""
        found = self._found.get(flow.request) if self._found else None
        if isinstance(found, ClientError):
            raise found
        return found

    def allows(self, flow: http.HTTPFlow, directory: Directory) -> bool:
        """Return whether a request to another host may pass: wrong credentials are told, not ignored."""
        try:
            return self.client(flow) is not None or not directory.required or flow.is_replay is not None
        except ClientError:
            return False

    def closed(self, peer: object, own: object) -> None:
        """Forget the tunnel of a client's connection."""
        self._tunnels.pop((peer, own), None)


def _is_proxied(flow: http.HTTPFlow) -> bool:
    """Return whether the client knows that it speaks to a proxy, and its credentials are not mitmproxy's."""
    kind = type(flow.client_conn.proxy_mode)
    return (kind is RegularMode or kind is UpstreamMode) and not ctx.options.proxyauth


def _endpoints(flow: http.HTTPFlow) -> Endpoints:
    return flow.client_conn.peername, flow.client_conn.sockname


def _take(request: http.Request) -> SecretStr | None:
    """Remove the credentials from a request; the key in them, wherever the client put it."""
    sent = request.headers.pop(HEADER, None)
    scheme, _, value = (sent or "").partition(" ")
    if scheme.lower() == "bearer":
        return SecretStr(value.strip())
    if scheme.lower() != "basic":
        return SecretStr("") if sent else None
    try:
        name, _, password = b64decode(value).decode(errors="surrogateescape").partition(":")
    except (binascii.Error, ValueError):
        return SecretStr("")
    return SecretStr(password or name)


def _find(key: SecretStr, directory: Directory, now: float) -> Client:
    try:
        if client := directory.find(key.get_secret_value(), now):
            return client
    except ClientError as error:
        raise _challenge(error.message, error.code) from None
    raise _challenge("the proxy's credentials are no router key")


def _challenge(message: str, code: str | None = INVALID) -> ClientError:
    """Return the 407, after which clients that wait for it send the credentials in their proxy's URL."""
    said = f"{message}: name it as http://NAME:KEY@HOST:PORT (`smart-router clients add NAME` makes a key)"
    return ClientError(407, said, code=code, headers=_CHALLENGE)
