"""Gemini's model list, with the limits of each model (Gemini API reference, `models.list`)."""

from __future__ import annotations

from typing import Any

from mitmproxy import http

from smart_router.api.local_answers import LocalRequest, get_model, json_response, list_models
from smart_router.config import Config
from smart_router.dialects.model_rules import ModelRules
from smart_router.providers.catalogue import rules_for

_METHODS = ["generateContent", "countTokens"]


def gemini_models(request: LocalRequest) -> http.Response:
    """`/v1beta/models`, all on one page."""
    config, auth = request.runtime.config, request.runtime.auth
    names = [listed["id"] for listed in list_models(config, auth)["data"]]
    return json_response(200, {"models": [_model(config, name) for name in names]})


def gemini_model(request: LocalRequest) -> http.Response:
    """`/v1beta/models/{model}`. Raises a 404."""
    config, auth = request.runtime.config, request.runtime.auth
    name = request.parameters["model"].removeprefix("models/")
    return json_response(200, _model(config, get_model(config, auth, name)["id"]))


def _model(config: Config, name: str) -> dict[str, Any]:
    context, output = limits_of(config, name)
    limits = {"inputTokenLimit": context, "outputTokenLimit": output}
    return {
        "name": f"models/{name}",
        "baseModelId": name,
        "version": "1",
        "displayName": name,
        "supportedGenerationMethods": _METHODS,
        **{field: limit for field, limit in limits.items() if limit is not None},
    }


def limits_of(config: Config, name: str) -> tuple[int | None, int | None]:
    """Context and output limit in tokens of a listed model, None where unknown.

    A virtual model's are the largest of those that it may choose: a request goes to one that it fits.
    """
    virtual = config.routing.virtual_models.get(name)
    if virtual is None:
        provider, _, model = name.partition("/")
        known = [rules_for(provider, model)]
    else:
        chain = config.routing.chains[virtual.tier_models, "SIMPLE"]  # which goes on to all tiers
        known = [rules_for(one.provider, one.model) for one in chain]
    return _largest(known, "context"), _largest(known, "max_output")


def _largest(known: list[ModelRules], field: str) -> int | None:
    return max((limit for rules in known if (limit := getattr(rules, field)) is not None), default=None)
