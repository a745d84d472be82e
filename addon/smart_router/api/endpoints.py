"""Which paths are the router's, and the answers that it gives itself."""

from __future__ import annotations

import posixpath
import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Literal
from urllib.parse import unquote

from smart_router.api.unserved_paths import unserved
from smart_router.errors import Api, ClientError

Endpoint = Literal["chat", "models", "model", "health", "stats", "running", "metrics"]


@dataclass(frozen=True, slots=True)
class Target:
    """What a claimed path asks for. `name` is the model id of `/v1/models/{id}`."""

    endpoint: Endpoint
    methods: tuple[str, ...]
    name: str = ""


_CHAT = Target("chat", ("POST",))
_MODELS = Target("models", ("GET", "HEAD"))
_EXACT: Mapping[str, Target] = {
    "/v1/chat/completions": _CHAT,
    "/v1/models": _MODELS,
    "/health": Target("health", ("GET", "HEAD")),
    "/router/stats": Target("stats", ("GET", "HEAD")),
    "/router/running": Target("running", ("GET", "HEAD")),
    "/metrics": Target("metrics", ("GET", "HEAD")),
}
_CLAIMED = ("/v1/", "/chat/", "/models/", "/health/", "/router/", "/metrics/")
"""Nothing below these paths is passed on."""

_MODEL = re.compile(r"(?:/v1)?/models/(.+)", re.IGNORECASE)
_V1 = re.compile(r"^(/v1)+(?=/|$)", re.IGNORECASE)


def resolve(path: str) -> Target | ClientError | None:
    """What a request path (with or without query) asks the router for.

    Repeated slashes, letter case, percent-encoding, a slash at the end, and a missing or repeated /v1 make no
    difference. None if the path is not the router's; a 404 for other APIs' paths, unknown paths under a
    prefix that is the router's, and the root, which is what people open in a browser.
    """
    if target := _EXACT.get(path):
        return target
    spellings = _spellings(path)
    for spelling in spellings:
        if found := _look_up(spelling):
            return found
    if any(f"{spelling.lower()}/".startswith(_CLAIMED) or spelling == "/" for spelling in spellings):
        served = ", ".join(sorted(_EXACT))
        return ClientError(404, f"unknown path {path!r}; the router answers {served}", code="not_found")
    return None


def api_of(path: str) -> Api:
    """The API whose clients ask for this path, and so the shape of errors that they read."""
    rows = [row for spelling in _spellings(path) if (row := unserved(spelling.lower()))]
    return rows[0].api if rows else "openai"


def _spellings(path: str) -> tuple[str, ...]:
    """The path in the usual spelling: as it is, in which a model's name may hold %2F, and decoded."""
    bare = path.partition("?")[0]
    return tuple(_plain(bare) for bare in dict.fromkeys((bare, unquote(bare))))


def _plain(path: str) -> str:
    return _V1.sub("/v1", posixpath.normpath("/" + path.lstrip("/")))


def _look_up(path: str) -> Target | ClientError | None:
    lower = path.lower()
    for known in (lower, f"/v1{lower}", lower.removeprefix("/v1")):
        if target := _EXACT.get(known):
            return target
    if row := unserved(lower):
        return row.refusal()
    name = _MODEL.match(path)
    return Target("model", ("GET", "HEAD"), unquote(name[1])) if name else None


def check_method(target: Target, method: str, upgrade: str = "") -> None:
    """Raises a 405 that names what is allowed, and a 426 for a WebSocket: clients such as Codex then POST."""
    if upgrade.lower() == "websocket":
        raise ClientError(
            426,
            "WebSockets are not served here, send a POST",
            code="upgrade_required",
            headers={"upgrade": "HTTP/1.1"},
        )
    if method not in target.methods:
        allowed = ", ".join(target.methods)
        raise ClientError(
            405,
            f"{method} is not allowed here, only {allowed}",
            code="method_not_allowed",
            headers={"allow": allowed},
        )


def status_alone(health: Any) -> dict[str, Any]:
    """What the body of /health says to those who may not see the rest."""
    return {"status": health["status"]}
