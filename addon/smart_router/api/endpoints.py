"""Which paths are the router's, and the answers that it gives itself."""

from __future__ import annotations

import posixpath
import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Literal
from urllib.parse import unquote

from smart_router import __version__
from smart_router.api.unserved_paths import unserved
from smart_router.auth.cooldowns import Cooled
from smart_router.auth.store import AuthStore
from smart_router.config import Config
from smart_router.errors import Api, ClientError

Endpoint = Literal["chat", "models", "model", "health", "stats", "running", "metrics"]

_MODELS_CREATED = 0
"""OpenAI's list wants a creation time; the router knows none."""


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


def list_models(config: Config, auth: AuthStore, now: float) -> dict[str, Any]:
    """OpenAI's model list: the virtual models, then what present credentials reach as `provider/model`."""
    ids = [(name, "smart-router") for name in config.routing.virtual_models]
    ids += [
        (f"{provider.id}/{model}", provider.id)
        for provider in config.providers.values()
        if auth.has_profile(provider.id)
        for model in provider.models
    ]
    return {"object": "list", "data": [_model(name, owner) for name, owner in ids]}


def get_model(config: Config, auth: AuthStore, now: float, name: str) -> dict[str, Any]:
    """One model of the list, by its full id or by a bare one. Raises a 404 `model_not_found`."""
    listed = list_models(config, auth, now)["data"]
    for model in listed:
        if name in (model["id"], model["id"].partition("/")[2]):
            return dict(model)
    raise ClientError(
        404,
        f"the model {name!r} does not exist or no credential reaches it",
        code="model_not_found",
        param="model",
    )


def _model(name: str, owner: str) -> dict[str, Any]:
    return {"id": name, "object": "model", "created": _MODELS_CREATED, "owned_by": owner}


def health(config: Config, auth: AuthStore, now: float, uptime: float) -> tuple[int, dict[str, Any]]:
    """Status and body of /health: 200 if some profile can be used now, else 503. `uptime` in seconds."""
    providers = {}
    for id_ in config.providers:
        profiles = auth.statuses(id_, now)
        cooled = [p.state.until - now for p in profiles if isinstance(p.state, Cooled)]
        providers[id_] = {
            "configured": bool(profiles),
            "profiles_usable": sum(p.usable for p in profiles),
            "cooled_for": round(min(cooled), 1) if cooled else None,
            "unusable": {p.id: p.why for p in profiles if not p.usable},
            "cooled_models": {
                f"{p.id} {model}": why for p in profiles for model, why in p.held_models.items()
            },
        }
    usable = any(p["profiles_usable"] for p in providers.values())
    body = {
        "status": "ok" if usable else "no usable profile",
        "version": __version__,
        "uptime": round(uptime, 1),
        "providers": providers,
    }
    return (200 if usable else 503), body


def status_alone(health: Any) -> dict[str, Any]:
    """What the body of /health says to those who may not see the rest."""
    return {"status": health["status"]}
