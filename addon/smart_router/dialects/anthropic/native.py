"""Native requests: a Messages client's own request, for a provider that speaks Messages."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from pydantic_core import from_json, to_json

from smart_router.dialects.anthropic.carried import MARK, is_carried
from smart_router.dialects.base import CallContext
from smart_router.dialects.effort import fit_effort
from smart_router.dialects.fitting import CONTINUE
from smart_router.dialects.json_values import as_object, as_objects
from smart_router.dialects.model_rules import UNKNOWN_MODEL, ModelRules
from smart_router.dialects.native import with_model

_SAMPLING = ("temperature", "top_p", "top_k")
_MIN_BUDGET = 1024
_SHARE = 0.8
"""Thinking's share of max_tokens where a budget takes the place of adaptive thinking."""


def native_body(body: bytes, call: CallContext) -> bytes:
    """Return the body for the provider's model.

    Two things change more than the model's name: reasoning of other providers in the history, whose
    signatures would be refused, and, where the router chose the model, parameters that it does not take.
    """
    if MARK not in body and not call.virtual:
        return with_model(body, call.model)
    request = from_json(body, allow_inf_nan=False)
    changed = MARK in body and _drop_carried(request)
    if call.virtual:
        changed |= _fit(request, call.rules)
    return to_json({**request, "model": call.model}) if changed else with_model(body, call.model)


def _drop_carried(request: dict[str, Any]) -> bool:
    """Drop other providers' reasoning; return whether there was any."""
    messages, found = [], False
    for message in as_objects(request.get("messages")):
        content = message.get("content")
        if isinstance(content, list):
            kept = [block for block in content if not is_carried(block)]
            found |= len(kept) < len(content)
            message = {**message, "content": kept}
        if message.get("content"):
            messages.append(message)
    if found:
        request["messages"] = messages
    return found


def _fit(request: dict[str, Any], rules: ModelRules) -> bool:
    """Fit the parameters to a model that the client did not name; return whether anything changed."""
    before = {**request}
    limit, asked = rules.max_output, request.get("max_tokens")
    if limit and isinstance(asked, int) and asked > limit:
        request["max_tokens"] = limit
    _fit_thinking(request, rules)
    messages = as_objects(request.get("messages"))
    if not rules.prefill and messages and messages[-1].get("role") == "assistant":
        request["messages"] = [*messages, {"role": "user", "content": CONTINUE}]
    if not rules.takes_sampling(None):
        for name in _SAMPLING:
            request.pop(name, None)
    return request != before


def _fit_thinking(request: dict[str, Any], rules: ModelRules) -> None:
    """Ask for thinking in the way that the model takes (Anthropic docs, extended thinking)."""
    kind = as_object(request.get("thinking")).get("type")
    if kind == "adaptive" and rules.thinking == "budget":
        budget = int(request.get("max_tokens", 0) * _SHARE)
        request["thinking"] = {"type": "enabled", "budget_tokens": budget} if budget >= _MIN_BUDGET else None
    elif kind == "disabled" and rules.thinking == "adaptive":
        _stop_thinking(request, rules)
    elif kind == "enabled" and rules.thinking == "adaptive":
        request["thinking"] = {"type": "adaptive", "display": "summarized"}
    elif kind in ("adaptive", "enabled") and rules.thinking == "none" and rules != UNKNOWN_MODEL:
        request["thinking"] = None
    config = as_object(request.get("output_config"))
    if effort := config.get("effort"):
        fitted = fit_effort(effort, rules.efforts) if rules.thinking == "adaptive" else None
        others = {name: value for name, value in config.items() if name != "effort"}
        request["output_config"] = others | ({"effort": fitted} if fitted else {})
    if not request.get("thinking"):
        _without_thinking(request)
    for name in ("thinking", "output_config"):
        if name in request and not request[name]:
            del request[name]


def _stop_thinking(request: dict[str, Any], rules: ModelRules) -> None:
    """Ask for no thinking, or for the least of a model that always thinks."""
    if rules.can_stop_thinking:
        request["thinking"] = {"type": rules.off_as}
        return
    request["thinking"] = None
    request["output_config"] = {**as_object(request.get("output_config")), "effort": rules.efforts[0]}


def _without_thinking(request: dict[str, Any]) -> None:
    """Drop edits of the context that need thinking [U]."""
    management = request.get("context_management")
    if isinstance(management, Mapping):
        edits = as_objects(management.get("edits"))
        kept = [edit for edit in edits if not str(edit.get("type")).startswith("clear_thinking")]
        if len(kept) < len(edits):
            request["context_management"] = {**management, "edits": kept}
            if not kept:
                del request["context_management"]
