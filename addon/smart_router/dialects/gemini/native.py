"""A Gemini client's own request for Google: passed on as it came but for what must change.

Google must not get other vendors' reasoning. Gemini 3 refuses a call without a signature, and each generation
has its own way to be told how much to think: where the client named another model, both are adapted (Gemini
docs, thinking and thought signatures).
"""

from __future__ import annotations

from typing import Any

from pydantic_core import from_json, to_json

from smart_router.dialects.base import CallContext
from smart_router.dialects.gemini.client_schema import in_camel_case
from smart_router.dialects.gemini.request import write_thinking
from smart_router.dialects.gemini.signatures import SKIP_VALIDATION
from smart_router.dialects.hub import ChatRequest
from smart_router.dialects.json_values import as_object, as_objects
from smart_router.dialects.model_rules import UNKNOWN_MODEL, ModelRules
from smart_router.dialects.packed_reasoning import MARK, is_packed


def native_body(body: bytes, request: ChatRequest, call: CallContext) -> bytes:
    """Return the body for Google: the same bytes unless a part must change."""
    if not call.virtual and MARK.encode() not in body:
        return body
    received = in_camel_case(from_json(body, allow_inf_nan=False))
    unchanged = to_json(received)
    for turn in as_objects(received.get("contents")):
        if turn.get("role") == "model":
            _fit_signatures(as_objects(turn.get("parts")), call.rules)
    if call.virtual:
        _fit_thinking(as_object(received.get("generationConfig")), request, call)
    fitted = to_json(received)
    return body if fitted == unchanged else fitted


def _fit_signatures(parts: list[dict[str, Any]], rules: ModelRules) -> None:
    for part in parts:
        if is_packed(part.get("thoughtSignature")):
            del part["thoughtSignature"]
    first = next((part for part in parts if "functionCall" in part), None)
    if first is not None and rules.thinking == "level":
        first.setdefault("thoughtSignature", SKIP_VALIDATION)


def _fit_thinking(config: dict[str, Any], request: ChatRequest, call: CallContext) -> None:
    """Ask for as much thinking in the form that the model takes."""
    asked = config.get("thinkingConfig")
    if not asked or call.rules == UNKNOWN_MODEL:
        return
    other_way = {"level": "thinkingBudget", "budget": "thinkingLevel"}.get(call.rules.thinking)
    level = str(asked.get("thinkingLevel", "")).lower()
    if other_way in asked or (level and level not in (call.rules.efforts or level)):
        shown = {name: asked[name] for name in ("includeThoughts",) if name in asked}
        config["thinkingConfig"] = (write_thinking(request, call) or {}) | shown
    elif other_way is None:
        del config["thinkingConfig"]
