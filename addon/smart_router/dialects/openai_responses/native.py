"""Native requests: a Responses client's own request, for a provider that speaks Responses."""

from __future__ import annotations

from typing import Any

from pydantic_core import from_json, to_json

from smart_router.dialects.base import CallContext
from smart_router.dialects.effort import fit_effort
from smart_router.dialects.json_values import as_list, as_object, as_text
from smart_router.dialects.model_rules import UNKNOWN_MODEL, ModelRules
from smart_router.dialects.native import with_model
from smart_router.dialects.openai_responses.input import reasoning_items
from smart_router.dialects.openai_responses.variants import ResponsesFlavour
from smart_router.dialects.packed_reasoning import MARK, is_packed, unpack

_MARK = MARK.encode()
_SAMPLING = ("temperature", "top_p", "top_logprobs")
_ENCRYPTED = "reasoning.encrypted_content"


def native_body(body: bytes, call: CallContext, flavour: ResponsesFlavour) -> bytes:
    """Return the body for the provider's model.

    More than the model's name changes only where it must: reasoning that was packed, parameters that a model
    does not take which the router chose, and what the ChatGPT backend demands.
    """
    packed = _MARK in body
    if not (packed or call.virtual or flavour.chatgpt):
        return with_model(body, call.model)
    request: dict[str, Any] = from_json(body, allow_inf_nan=False)
    before = {**request}
    if packed:
        request["input"] = _unpacked(request["input"])
    if call.virtual:
        _fit(request, call.rules)
    if flavour.chatgpt:
        _fit_codex(request, flavour)
    return with_model(body, call.model) if request == before else to_json({**request, "model": call.model})


def without_packed(body: bytes) -> bytes:
    """Return a request's body with the reasoning in its input as the vendor knows it."""
    if _MARK not in body:
        return body
    request: dict[str, Any] = from_json(body, allow_inf_nan=False)
    return to_json({**request, "input": _unpacked(request.get("input"))})


def _unpacked(items: Any) -> Any:
    """Return the items with OpenAI's reasoning unpacked and without that of others; a text as it is."""
    if not isinstance(items, list):
        return items
    found = []
    for item in items:
        encrypted = as_text(as_object(item).get("encrypted_content"))
        if is_packed(encrypted):
            found += reasoning_items({"reasoning_details": unpack(encrypted)})
        else:
            found.append(item)
    return found


def _fit(request: dict[str, Any], rules: ModelRules) -> None:
    """Fit the parameters to a model that the client did not name."""
    limit, asked = rules.max_output, request.get("max_output_tokens")
    if limit and isinstance(asked, int) and asked > limit:
        request["max_output_tokens"] = limit
    reasoning = as_object(request.get("reasoning"))
    effort = fit_effort(reasoning.get("effort"), rules.efforts) if rules.reasoning else None
    if reasoning and not rules.reasoning and rules != UNKNOWN_MODEL:
        del request["reasoning"]
    elif reasoning.get("effort") != effort:
        request["reasoning"] = {**reasoning, "effort": effort}
    if not rules.takes_sampling(effort):
        for name in _SAMPLING:
            request.pop(name, None)


def _fit_codex(request: dict[str, Any], flavour: ResponsesFlavour) -> None:
    """Fit the request to the ChatGPT backend, which refuses what it does not know (facts of the flavour)."""
    for name in flavour.refused:
        request.pop(name, None)
    if request.get("service_tier") not in (flavour.service_tiers or ()):
        request.pop("service_tier", None)
    if not request.get("tools"):
        request.pop("parallel_tool_calls", None)
    if request.get("instructions") is None:
        request["instructions"] = ""
    items = request["input"]
    if isinstance(items, str):
        items = [{"type": "message", "role": "user", "content": [{"type": "input_text", "text": items}]}]
    request["input"] = [
        {**item, "role": flavour.system_role or "system"} if as_object(item).get("role") == "system" else item
        for item in items
    ]
    include = as_list(request.get("include"))
    if _ENCRYPTED not in include:
        request["include"] = [*include, _ENCRYPTED]
    request["store"], request["stream"] = False, True
