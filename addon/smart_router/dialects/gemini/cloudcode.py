"""Google's Cloud Code backend (antigravity): Gemini's format in an envelope, for Gemini and Claude models.

Google documents none of it; what is here follows other clients of the same backend (CLIProxyAPI,
opencode-antigravity-auth).
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from hashlib import sha256
from typing import Any

from pydantic_core import to_json

from smart_router.dialects.base import CallContext, Dialect, ProviderRequest, StreamReader
from smart_router.dialects.gemini.answer import AnswerReader
from smart_router.dialects.gemini.dialect import METHODS
from smart_router.dialects.gemini.request import ApiMethod, write_body
from smart_router.dialects.gemini.signatures import CLAUDE_FORMAT, GEMINI_FORMAT
from smart_router.dialects.hub import ChatRequest
from smart_router.dialects.json_values import as_list, as_object
from smart_router.dialects.tools import Notes
from smart_router.errors import ClientError

USER_AGENT = "antigravity/hub/2.9.1 darwin/arm64"
"""Sent unless the profile's extras hold a `user_agent`: the backend refuses new models to old clients."""

_MIN_CLAUDE_BUDGET = 1024
"""Claude thinks with no fewer tokens (Anthropic extended thinking docs)."""

PLACEHOLDER = "_placeholder"
"""The parameter that tools without a required one get for Claude models; taken out of the answers."""

_PLACEHOLDER_SCHEMA = {"type": "BOOLEAN", "description": "Unused. Always true."}


def _with_placeholder(schema: Mapping[str, Any]) -> dict[str, Any]:
    """Return parameters of which one is required: the backend refuses other tools for Claude."""
    written = {"type": "OBJECT", **schema}
    if written.get("required"):
        return written
    properties = {**written.get("properties", {}), PLACEHOLDER: _PLACEHOLDER_SCHEMA}
    return {**written, "properties": properties, "required": [PLACEHOLDER]}


_GEMINI = ApiMethod("parameters", "responseSchema", "openapi_flat", "openapi", GEMINI_FORMAT)
_CLAUDE = _GEMINI._replace(signature_format=CLAUDE_FORMAT, adapt=_with_placeholder)


class CloudCodeDialect(Dialect):
    """The wire format of Cloud Code. `call.extras` holds the profile's `project`."""

    name = "cloudcode"
    request_path = re.compile(r"/v1internal:(stream)?generateContent$", re.IGNORECASE)

    def write_request(self, request: ChatRequest, call: CallContext) -> ProviderRequest:
        """`generateContent` in Cloud Code's envelope.

        Raises ClientError (400) for what the model cannot do, and for a profile without a project.
        """
        project = call.extras.get("project")
        if not project:
            raise ClientError(
                400,
                f"the login of {call.provider} names no Cloud Code project: log in again, or set one",
                code="missing_project",
            )
        notes: Notes = []
        body = write_body(request, call, _CLAUDE if _is_claude(call) else _GEMINI, notes)
        if _is_claude(call):
            _fit_claude(body, call)
        else:
            body.get("generationConfig", {}).pop("maxOutputTokens", None)
        if "systemInstruction" in body:
            body["systemInstruction"]["role"] = "user"
        envelope = {
            "project": project,
            "model": call.model,
            "userAgent": "antigravity",
            "requestType": "image_gen" if "image" in call.model else "agent",
            "requestId": f"agent-{call.request_id}",
            "request": {**body, "sessionId": _session_id(body)},
        }
        headers = {
            "content-type": "application/json",
            "user-agent": call.extras.get("user_agent", USER_AGENT),
        }
        return ProviderRequest(
            f"/v1internal:{METHODS[call.stream]}", headers, to_json(envelope), tuple(notes)
        )

    def open_stream(self, call: CallContext) -> StreamReader:
        """Return a reader for the objects of a stream."""
        if _is_claude(call):
            return AnswerReader(call, CLAUDE_FORMAT, _unwrap_claude)
        return AnswerReader(call, unwrap=_unwrap)


def _is_claude(call: CallContext) -> bool:
    return "claude" in call.model


def _fit_claude(body: dict[str, Any], call: CallContext) -> None:
    """Adapt a request to Claude models: checked calls, room for an answer after thinking, valid ids."""
    if "tools" in body:
        choice = body.setdefault("toolConfig", {}).setdefault("functionCallingConfig", {"mode": "AUTO"})
        choice["mode"] = "VALIDATED" if choice["mode"] == "AUTO" else choice["mode"]
    config = body.setdefault("generationConfig", {})
    if limit := config.get("maxOutputTokens") or call.rules.max_output:
        config["maxOutputTokens"] = limit
        thinking = config.get("thinkingConfig", {})
        if thinking.get("thinkingBudget", 0) >= limit:
            thinking["thinkingBudget"] = limit // 2
        if "includeThoughts" in thinking and thinking["thinkingBudget"] < _MIN_CLAUDE_BUDGET:
            del config["thinkingConfig"]
    if not _may_think(body["contents"]):
        config.pop("thinkingConfig", None)
    for turn in body["contents"]:
        # blank texts, which Claude refuses
        said = [part for part in turn["parts"] if part.get("thought") or str(part.get("text", "-")).strip()]
        turn["parts"] = said or [{"text": "(empty)"}]
    for part in (part for turn in body["contents"] for part in turn["parts"]):
        for called in (part.get("functionCall"), part.get("functionResponse")):
            if called:
                called["id"] = re.sub(r"[^A-Za-z0-9_-]", "_", called["id"])


def _may_think(turns: Sequence[Mapping[str, Any]]) -> bool:
    """Return False after results for a turn without its thoughts: Claude refuses to go on thinking."""
    if "functionResponse" not in turns[-1]["parts"][0]:
        return True
    return any("thought" in turn["parts"][0] for turn in turns[-2:-1])


def _session_id(body: Mapping[str, Any]) -> str:
    """Return a digest of the first text: the same for all requests of one conversation."""
    texts = (part["text"] for turn in body["contents"] for part in turn["parts"] if "text" in part)
    digest = sha256(next(texts, "").encode()).digest()
    return f"-{int.from_bytes(digest[:8]) >> 1}"


def _unwrap(answer: Any) -> Any:
    """Return the response in its envelope; errors come without one, or in a list."""
    if isinstance(answer, list):
        return [_unwrap(item) for item in answer]
    return answer["response"] if isinstance(answer, Mapping) and "response" in answer else answer


def _unwrap_claude(answer: Any) -> Any:
    """Return the response without the placeholder parameters that Claude filled in."""
    response = _unwrap(answer)
    for called in _function_calls(response):
        if isinstance(args := called.get("args"), dict):
            args.pop(PLACEHOLDER, None)
    return response


def _function_calls(response: Any) -> Iterator[Mapping[str, Any]]:
    for item in as_list(response) or [response]:
        for candidate in as_list(as_object(item).get("candidates")):
            for part in as_list(as_object(as_object(candidate).get("content")).get("parts")):
                yield as_object(as_object(part).get("functionCall"))
