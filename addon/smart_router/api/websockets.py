"""The handshake of WebSockets that the router answers itself (RFC 6455, section 4.2)."""

from __future__ import annotations

from base64 import b64decode, b64encode
from collections.abc import Mapping
from hashlib import sha1

from mitmproxy import http

from smart_router.errors import ClientError

VERSION = "13"
_GUID = b"258EAFA5-E914-47DA-95CA-C5AB0DC85B11"
_KEY_BYTES = 16


def accept(headers: Mapping[str, str]) -> http.Response:
    """Return the 101 for a client's handshake. Raises ClientError (400, 426)."""
    if headers.get("sec-websocket-version") != VERSION:
        raise ClientError(
            426,
            f"only version {VERSION} of WebSockets is spoken here",
            code="upgrade_required",
            headers={"sec-websocket-version": VERSION},
        )
    key = headers.get("sec-websocket-key", "")
    try:
        valid = len(b64decode(key, validate=True)) == _KEY_BYTES
    except ValueError:
        valid = False
    if not valid or "upgrade" not in headers.get("connection", "").lower():
        raise ClientError(400, "the WebSocket handshake is incomplete", code="invalid_handshake")
    digest = sha1(key.encode() + _GUID).digest()  # noqa: S324  # RFC 6455 prescribes it
    accepted = b64encode(digest).decode()
    fields = {"upgrade": "websocket", "connection": "Upgrade", "sec-websocket-accept": accepted}
    response = http.Response.make(101, b"", fields)
    del response.headers["content-length"]
    return response
