"""Answers that the router gives itself: its models, and its health."""

from __future__ import annotations

from typing import Any

from smart_router import __version__
from smart_router.auth.cooldowns import Cooled
from smart_router.auth.store import AuthStore
from smart_router.config import Config
from smart_router.errors import ClientError

_MODELS_CREATED = 0
"""OpenAI's list wants a creation time; the router knows none."""


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
