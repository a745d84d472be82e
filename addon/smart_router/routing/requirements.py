"""Requirements of a request, and the check that a model meets them."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from smart_router.dialects.hub import ChatRequest
from smart_router.dialects.model_rules import ModelRules
from smart_router.errors import ClientError

CHARACTERS_PER_TOKEN = 4
"""A rough mean over English and code; only used to leave out models whose context is far too small."""

MOST_RESERVED = 8_192
"""Tokens that are kept free for an answer. Agents allow answers as long as their own model's longest: a model
with less room serves them as well, with a lower limit."""

ASSUMED_ANSWER = 500
"""Tokens of an answer of unknown length, to estimate costs with."""

MEDIA_TOKENS = 1_500
"""Assumed cost of an image, sound or file, instead of the length of its base64 text."""

_PART_NEEDS = {"image_url": "vision", "input_audio": "audio", "file": "files"}

_WORDS = {
    "tools": "tool calls",
    "vision": "images",
    "audio": "audio input",
    "files": "file input",
    "json_schema": "a JSON schema for the answer",
}


@dataclass(slots=True)
class Needs:
    """A request's requirements. Never changed, but not frozen: each request makes one.

    `fields` maps each needed ability (a field of ModelRules) to the request's field that asks for it.
    `tokens` is the estimated size of prompt and answer together.
    """

    fields: Mapping[str, str]
    tokens: int


def needs_of(request: ChatRequest) -> Needs:
    """Return the requirements of a request."""
    fields: dict[str, str] = {}
    if request.get("tools"):
        fields["tools"] = "tools"
    form = request.get("response_format")
    if isinstance(form, dict) and form.get("type") == "json_schema":
        fields["json_schema"] = "response_format"
    messages = request.get("messages") or []
    for i, message in enumerate(messages):
        content = message.get("content")
        if not isinstance(content, list):
            continue
        for j, part in enumerate(content):
            kind = part.get("type") if isinstance(part, dict) else None
            if isinstance(kind, str) and kind in _PART_NEEDS:
                fields.setdefault(_PART_NEEDS[kind], f"messages[{i}].content[{j}]")
    answer = request.get("max_completion_tokens") or request.get("max_tokens")
    reserved = min(answer, MOST_RESERVED) if isinstance(answer, int) else 0
    return Needs(fields, prompt_tokens(request) + reserved)


def prompt_tokens(request: ChatRequest) -> int:
    """The estimated size of the prompt, tools included."""
    return _size(request.get("messages"), request.get("tools")) // CHARACTERS_PER_TOKEN


def _size(*values: object) -> int:
    """The length in characters of all texts in these JSON arrays, media counted flat. Any depth."""
    size = 0
    nested = [*values]
    for item in nested:  # which grows on the way
        if isinstance(item, dict):
            kind = item.get("type")
            if isinstance(kind, str) and kind in _PART_NEEDS:  # a schema's type may be a list
                size += MEDIA_TOKENS * CHARACTERS_PER_TOKEN
                continue
            inner: Iterable[object] = item.values()
        elif isinstance(item, list):
            inner = item
        else:
            continue
        for value in inner:
            if isinstance(value, str):
                size += len(value)
            else:
                nested.append(value)
    return size


def lacks(rules: ModelRules, needs: Needs) -> str | None:
    """The first thing that a model with these rules lacks (`context` for size), None if it can serve."""
    for ability in needs.fields:
        if not getattr(rules, ability):
            return ability
    if rules.context is not None and needs.tokens > rules.context:
        return "context"
    return None


def cannot_serve(missing: str, needs: Needs) -> ClientError:
    """The 400 for a request of which no reachable model has a `missing` ability, naming the field."""
    if missing == "context":
        return ClientError(
            400,
            f"The request and its answer are about {needs.tokens} tokens, more than any usable model takes.",
            code="context_length_exceeded",
            param="messages",
        )
    return ClientError(
        400,
        f"No usable model supports {_WORDS[missing]}.",
        code="unsupported_parameter",
        param=needs.fields[missing],
    )
