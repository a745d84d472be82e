"""The models that a client can name, in OpenAI's, Anthropic's and Gemini's forms."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, NamedTuple

from mitmproxy import http

from smart_router.api.local_answers import LocalRequest, json_response
from smart_router.auth.store import AuthStore
from smart_router.config import Config
from smart_router.dialects.model_rules import ModelRules
from smart_router.errors import ClientError
from smart_router.providers.catalogue import rules_for

_GEMINI_METHODS = ["generateContent", "countTokens"]
_CREATED = 0
"""OpenAI's and Anthropic's lists want a creation time; the router knows none."""


class ListedModel(NamedTuple):
    """A model by its name for clients. `context` and `max_output` are tokens, None where unknown."""

    id: str
    owner: str
    context: int | None
    max_output: int | None


def models(request: LocalRequest) -> http.Response:
    """`/v1/models`, all on one page; in Anthropic's form for clients that name a version of its API."""
    listed = _listed(request)
    if not _asks_anthropic(request):
        return json_response(200, {"object": "list", "data": [_openai(model) for model in listed]})
    ends = {"first_id": listed[0].id, "last_id": listed[-1].id} if listed else {}
    return json_response(200, {"data": [_anthropic(model) for model in listed], "has_more": False, **ends})


def model(request: LocalRequest) -> http.Response:
    """`/v1/models/{model}`, by its full id or by a bare one. Raises a 404."""
    found = _found(request, request.parameters["model"])
    return json_response(200, _anthropic(found) if _asks_anthropic(request) else _openai(found))


def gemini_models(request: LocalRequest) -> http.Response:
    """`/v1beta/models`, all on one page."""
    return json_response(200, {"models": [_gemini(model) for model in _listed(request)]})


def gemini_model(request: LocalRequest) -> http.Response:
    """`/v1beta/models/{model}`. Raises a 404."""
    return json_response(200, _gemini(_found(request, request.parameters["model"].removeprefix("models/"))))


def list_models(config: Config, auth: AuthStore) -> list[ListedModel]:
    """Return the virtual models, then `provider/model` for each usable credential."""
    real = [
        ListedModel(f"{provider.id}/{model}", provider.id, *_limits([rules_for(provider.id, model)]))
        for provider in config.providers.values()
        if auth.has_profile(provider.id)
        for model in provider.models
    ]
    return [*virtual_models(config, auth.has_profile), *real]


def virtual_models(config: Config, configured: Callable[[str], bool]) -> list[ListedModel]:
    """Return the virtual models. Their limits are the largest of the models that they may choose: a request
    goes to one that it fits. `configured` says whether there is a credential for a provider; without any, all
    count."""
    listed = []
    for name, virtual in config.routing.virtual_models.items():
        chain = config.routing.chains[virtual.tier_models, "SIMPLE"]  # which goes on to all tiers
        reached = [one for one in chain if configured(one.provider)] or chain
        rules = [rules_for(one.provider, one.model) for one in reached]
        listed.append(ListedModel(name, "smart-router", *_limits(rules)))
    return listed


def _limits(rules: list[ModelRules]) -> tuple[int | None, int | None]:
    return _largest(rules, "context"), _largest(rules, "max_output")


def _largest(known: list[ModelRules], field: str) -> int | None:
    return max((limit for rules in known if (limit := getattr(rules, field)) is not None), default=None)


def _listed(request: LocalRequest) -> list[ListedModel]:
    listed = list_models(request.runtime.config, request.runtime.auth)
    client = request.client
    if client is None or not client.models:
        return listed
    return [one for one in listed if client.may_ask(one.id, one.id.partition("/")[2])]


def _found(request: LocalRequest, name: str) -> ListedModel:
    for model in _listed(request):
        if name in (model.id, model.id.partition("/")[2]):
            return model
    raise ClientError(
        404,
        f"the model {name!r} does not exist or no credential reaches it",
        code="model_not_found",
        param="model",
    )


def _asks_anthropic(request: LocalRequest) -> bool:
    return "anthropic-version" in request.headers


def _openai(model: ListedModel) -> dict[str, Any]:
    """OpenAI's object. It has no limits: their names are OpenRouter's and Groq's."""
    limits = {"context_length": model.context, "max_completion_tokens": model.max_output}
    return {"id": model.id, "object": "model", "created": _CREATED, "owned_by": model.owner} | _known(limits)


def _anthropic(model: ListedModel) -> dict[str, Any]:
    """Anthropic's object (anthropic SDK, `ModelInfo`)."""
    facts = {"type": "model", "id": model.id, "display_name": model.id, "lifecycle": "active"}
    limits = {"max_input_tokens": model.context, "max_tokens": model.max_output}
    return facts | {"created_at": "1970-01-01T00:00:00Z"} | limits


def _gemini(model: ListedModel) -> dict[str, Any]:
    """Gemini's object (Gemini API reference, `models`)."""
    limits = {"inputTokenLimit": model.context, "outputTokenLimit": model.max_output}
    return {
        "name": f"models/{model.id}",
        "baseModelId": model.id,
        "version": "1",
        "displayName": model.id,
        "supportedGenerationMethods": _GEMINI_METHODS,
        **_known(limits),
    }


def _known(limits: dict[str, int | None]) -> dict[str, int]:
    return {name: limit for name, limit in limits.items() if limit is not None}
