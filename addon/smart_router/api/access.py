"""Access control: local clients, remote clients with a router key, and no web page unless allowed.

A web page reaches programs on its reader's machine. The browser gives it away: by `Origin` or
`Sec-Fetch-Site`, or, where the page's own name was rebound to this machine (DNS rebinding), by `Host`.
"""

from __future__ import annotations

import socket
from collections.abc import Iterable, Mapping, Sequence
from urllib.parse import parse_qsl

from mitmproxy import http
from mitmproxy.connection import Client as Connection
from mitmproxy.proxy.mode_specs import LocalMode, TransparentMode, WireGuardMode

from smart_router.addresses import DEFAULT_PORTS, is_loopback
from smart_router.client_keys.client import Client
from smart_router.client_keys.directory import Directory, refused_key
from smart_router.client_keys.keys import looks_like_key
from smart_router.errors import ClientError

INVALID = "invalid_api_key"
"""The code of a 401 for a wrong key or none."""

_PRINTABLE = bytes(code for code in range(256) if code >= 0x20 and code != 0x7F)

KEY_PARAMETERS = frozenset({"key", "api_key", "api-key", "apikey", "access_token"})
"""Parameters of a query in which clients send a key, in lower case; Gemini's send `key`."""

KEY_HEADERS = ("x-api-key", "x-goog-api-key", "api-key")
"""Headers in which clients of Anthropic, Google and Azure send a key, beside `authorization`."""

_READ = {
    name.encode(): name
    for name in ("authorization", *KEY_HEADERS, "origin", "sec-fetch-site", "upgrade", "content-encoding")
}


def heads_of(headers: http.Headers) -> Mapping[str, str]:
    """Return those headers of a request by which the router decides, by name.

    Most requests have one or none of these: to look for each among all headers takes ten times as long.
    """
    names = [name for field, _ in headers.fields if (name := _READ.get(field.lower()))]
    return {name: headers[name] for name in names}


def shown_keys(headers: Mapping[str, str], path: str = "") -> list[str]:
    """Return a request's keys: a bearer token, those in Anthropic's, Google's and Azure's headers, those in
    the query."""
    if not headers and "?" not in path:
        return []
    scheme, _, token = headers.get("authorization", "").partition(" ")
    keys = [token.strip()] if scheme.lower() == "bearer" else []
    keys += [headers.get(name, "") for name in KEY_HEADERS]
    if "?" in path:
        query = parse_qsl(path.partition("?")[2])
        keys += [value for name, value in query if name.lower() in KEY_PARAMETERS]
    return [key for key in keys if key]


def check_client(peer: str, keys: Sequence[str], directory: Directory, now: float) -> Client | None:
    """Return the client whose key was sent, None for a local client without a key. `now` is unix seconds.

    Raises a 401 for a key of the router's that is not taken, and for an address beyond loopback without a
    known key, or any if the config wants keys of all.
    """
    for shown in keys:
        if client := directory.find(shown, now):
            return client
    if keys and any(map(looks_like_key, keys)):
        raise refused_key("this router key is not known: see `smart-router clients list`", INVALID)
    if is_loopback(peer) and not directory.required:
        return None
    who = "the router" if directory.required else "beyond this machine the router"
    raise refused_key(
        f"{who} serves only clients with a router key: make one with `smart-router clients add NAME`, or "
        "write one under [clients] in the config, and send it as the API key, or to a proxy as its password "
        "(http://NAME:KEY@HOST:PORT)",
        INVALID,
    )


def check_origin(headers: Mapping[str, str], allowed: Sequence[str], own: str | None = None) -> str | None:
    """Return the web origin to allow, None if the request comes from no other origin's page.

    `own` is the origin of an intercepted request's host, whose pages may ask it. Raises a 403 for a page that
    is not allowed: any page could otherwise spend the user's money.
    """
    origin = headers.get("origin")
    if origin in allowed:
        return origin
    if origin is None:
        # images, scripts and forms send no Origin; an intercepted host's own may be loaded by any page
        if own or headers.get("sec-fetch-site") not in ("cross-site", "same-site"):
            return None
    elif origin == own:
        return None
    who = f"web pages of {origin!r}" if origin is not None else "other web pages"
    raise ClientError(
        403,
        f"{who} may not use the router; option router_allow_origins can allow them",
        code="origin_not_allowed",
    )


def cors(origin: str) -> dict[str, str]:
    """Return headers that let a web page of an allowed origin read the answer (Fetch standard, CORS)."""
    return {"access-control-allow-origin": origin, "access-control-expose-headers": "*", "vary": "origin"}


def preflight(methods: Sequence[str]) -> http.Response:
    """Return the answer to a preflight request."""
    allowed = {
        "access-control-allow-methods": ", ".join(methods),
        "access-control-allow-headers": "*, authorization",
        "access-control-max-age": "600",
    }
    return http.Response.make(204, b"", allowed)


def own_origin(scheme: str, host: str, port: int) -> str:
    """The origin of the pages of a host, as browsers write it."""
    usual = DEFAULT_PORTS.get(scheme) == port
    return f"{scheme}://{f'[{host}]' if ':' in host else host}{'' if usual else f':{port}'}"


def host_refused(host: str) -> ClientError:
    """The answer to a client on this machine without a key that calls the router by an unknown name."""
    return ClientError(
        403,
        f"the router is not known by the name {host!r}: use localhost or 127.0.0.1, allow the name with the "
        "option router_allow_hosts, or send a router key",
        code="host_not_allowed",
    )


def not_admin() -> ClientError:
    """The answer to a client with a key that asks for answers for admins."""
    return ClientError(
        403,
        "only clients with the right --admin may see this; /router/usage tells what you have used",
        code="not_admin",
    )


def check_passed_on(request: http.Request, names: Iterable[bytes] | None) -> None:
    """Raises a 400 for what must not be passed on: it names a header with a control character in it.

    `names` are those that are passed on, in lower case; None means all, and the path: one that is a whole
    address, which only HTTP/2 can carry, would be where a target that is a proxy sends the request.
    """
    if names is None and not request.path.startswith("/") and request.path != "*":
        raise ClientError(400, "the path of a request begins with a slash", code="invalid_path")
    fields = request.headers.fields
    if not b"".join([part for field in fields for part in field]).translate(None, _PRINTABLE):
        return
    for name, value in fields:
        if (names is None or name.lower() in names) and (name + value).translate(None, _PRINTABLE):
            shown = name.decode("ascii", "backslashreplace")
            raise ClientError(
                400, f"the header {shown!r} has a control character in it", code="invalid_header"
            )


def counts_as_local(client: Connection) -> bool:
    """Return whether a client without a loopback address is on this machine, or comes through WireGuard.

    Local mode catches this machine's own programs, and transparent mode may, under the address of its
    network card.
    """
    mode = client.proxy_mode
    kind = type(mode)  # to ask whether it is an instance costs ten times as much
    if kind is TransparentMode:
        return _is_own_address(client.peername[0])
    return kind is LocalMode or kind is WireGuardMode


def _is_own_address(host: str) -> bool:
    """Return whether one of this machine's network interfaces has the address."""
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    with socket.socket(family, socket.SOCK_DGRAM) as probe:
        try:
            probe.connect((host, 9))  # sends nothing
        except OSError:
            return False
        return bool(probe.getsockname()[0] == host)
