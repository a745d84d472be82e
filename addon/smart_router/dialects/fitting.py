"""Requests fitted to a model: the one place where `ModelRules` about parameters are applied.

A parameter that only tunes the answer is left out or replaced by the nearest value that the model takes; one
that would change the answer's meaning is refused, so that `auto` asks the next candidate.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, cast

from pydantic_core import to_json

from smart_router.dialects.call_pairs import pair_calls
from smart_router.dialects.effort import fit_effort
from smart_router.dialects.hub import ChatRequest, Message
from smart_router.dialects.json_values import as_list
from smart_router.dialects.media import read_data_url
from smart_router.dialects.model_rules import UNKNOWN_MODEL, ModelRules
from smart_router.dialects.names import names
from smart_router.dialects.tool_names import merge_tools
from smart_router.errors import unsupported

_BYTES_PER_TOKEN = 3
"""Fewer than most text has, so that the prompt's estimated size is rather too large."""

_SAMPLING = names("temperature top_p logprobs top_logprobs presence_penalty frequency_penalty logit_bias")
_THINKING = ("thinking", "enable_thinking")
"""Vendors' own parameters for `reasoning_effort`."""

_OF_TOOLS = ("tools", "tool_choice", "parallel_tool_calls")

CONTINUE = "Your answer was cut off there. Go on exactly where it stops, without repeating any of it."
"""Asks for what an assistant's turn at the end asks for, where models refuse to be prefilled."""

_UNSEEN = {"type": "text", "text": "(an image, which this model cannot see)"}
_JSON_ONLY = "Answer with one JSON object and nothing else: no prose, no code fence."
_JSON_AT_LAST = "When you give your answer instead of calling a tool, give one JSON object and nothing else."


def fit_request(request: ChatRequest, rules: ModelRules) -> ChatRequest:
    """Return the request without nulls, as a model with these rules takes it.

    Raises ClientError (400, naming the field) for what the model cannot do.
    """
    fitted: dict[str, Any] = {
        name: value for name, value in request.items() if value is not None and name not in rules.dropped
    }
    fitted["messages"] = pair_calls(fitted["messages"])
    _fit_tools(fitted, rules)
    _fit_effort(fitted, rules)
    _fit_parameters(fitted, rules)
    if rules.json_apart:
        _fit_format(fitted, rules)
    _fit_length(fitted, rules)
    if not rules.vision and (pictured := _pictured(fitted["messages"])) and rules != UNKNOWN_MODEL:
        fitted["messages"] = _without_images(fitted["messages"], pictured)
    if not rules.prefill:
        fitted["messages"] = _without_prefill(fitted["messages"])
    return cast(ChatRequest, fitted)


def effort_of(request: ChatRequest, rules: ModelRules) -> str | None:
    """Return the effort that the model would reason with, None if it would not reason."""
    asked = request.get("reasoning_effort")
    return fit_effort(rules.nearest.get(asked or "", asked), rules.efforts) or rules.default_effort


def needs_responses(request: ChatRequest, rules: ModelRules) -> bool:
    """Return whether this request must go to `/responses`, of a provider that also has chat completions."""
    match rules.wire:
        case "chat" | "chat_only":
            return False
        case "responses":
            return True
        case "responses_for_tools":
            return bool(request.get("tools")) and effort_of(request, rules) not in (None, "none")


def _fit_tools(fitted: dict[str, Any], rules: ModelRules) -> None:
    if not fitted.get("tools") and "web_search_options" not in fitted:
        # an empty list is refused, and so are the others without tools
        for name in _OF_TOOLS:
            fitted.pop(name, None)
        return
    if "tools" in fitted:
        fitted["tools"] = merge_tools(fitted["tools"])
    if rules.forced_tools == "always" or not is_forced(fitted.get("tool_choice")):
        return
    if rules.forced_tools == "never":
        why = "This model cannot be made to call a tool: use tool_choice auto, and ask for the call in words."
        raise unsupported("tool_choice", why)
    asked = fitted.get("reasoning_effort")
    if not rules.can_stop_thinking:
        why = (
            "This model always thinks, and cannot be made to call a tool while it does: use tool_choice auto."
        )
        raise unsupported("tool_choice", why)
    for name in _THINKING:
        fitted.pop(name, None)
    if asked is not None or rules.default_effort is not None:
        fitted["reasoning_effort"] = "none"


def is_forced(choice: object) -> bool:
    """Return whether a `tool_choice` makes the model call a tool."""
    match choice:
        case str():
            return choice == "required"
        case {"type": "allowed_tools", "allowed_tools": {"mode": mode}}:
            return bool(mode == "required")
        case _:
            return choice is not None


def _fit_effort(fitted: dict[str, Any], rules: ModelRules) -> None:
    asked = fitted.pop("reasoning_effort", None)
    if (effort := fit_effort(rules.nearest.get(asked or "", asked), rules.efforts)) is not None:
        fitted["reasoning_effort"] = effort


def _fit_parameters(fitted: dict[str, Any], rules: ModelRules) -> None:
    if not rules.takes_sampling(fitted.get("reasoning_effort")):
        for name in _SAMPLING:
            fitted.pop(name, None)
    if not fitted.get("stop", True):  # an empty list or text is refused
        del fitted["stop"]
    if rules.single_choice and fitted.get("n", 1) > 1:
        raise unsupported("n", "This model gives one choice per request.")
    tiers = rules.service_tiers
    if tiers and fitted.get("service_tier", tiers[0]) not in tiers:
        del fitted["service_tier"]
    limit = rules.max_seed
    if limit and not -limit <= fitted.get("seed", 0) <= limit:
        fitted["seed"] %= limit + 1  # the same for the same seed
    if rules.max_stops and isinstance(fitted.get("stop"), list):
        fitted["stop"] = fitted["stop"][: rules.max_stops]
    if (asked := fitted.get("temperature")) is not None:
        fitted["temperature"] = min(max(asked, rules.min_temperature or asked), rules.max_temperature)


def _fit_length(fitted: dict[str, Any], rules: ModelRules) -> None:
    """Lower the limit of the answer to the model's own, and to the room that the prompt leaves."""
    for name in ("max_tokens", "max_completion_tokens"):
        asked = fitted.get(name)
        if not isinstance(asked, int):
            continue
        limit = min(asked, rules.max_output or asked)
        if rules.context is not None and limit > rules.context // 2:
            size = len(to_json([fitted.get("messages"), fitted.get("tools")]))
            limit = min(limit, max(rules.context // 8, rules.context - size // _BYTES_PER_TOKEN))
        fitted[name] = limit


def _fit_format(fitted: dict[str, Any], rules: ModelRules) -> None:
    """Ask for a JSON format in words, where the model refuses it beside tools or thinking."""
    form = fitted.get("response_format")
    if form is None or form.get("type") not in ("json_object", "json_schema"):
        return
    tools = "tools" in rules.json_apart and "tools" in fitted
    if tools or ("thinking" in rules.json_apart and _thinks(fitted, rules)):
        del fitted["response_format"]
        words = {"role": "system", "content": json_in_words(form, beside_tools="tools" in fitted)}
        fitted["messages"] = [words, *fitted["messages"]]


def asks_for_schema(request: ChatRequest) -> bool:
    """Return whether the answer is to be JSON by a schema."""
    return (request.get("response_format") or {}).get("type") == "json_schema"


def _thinks(fitted: Mapping[str, Any], rules: ModelRules) -> bool:
    effort: str = fitted.get("reasoning_effort", "none")
    asked = any(
        one is True or (isinstance(one, Mapping) and one.get("type") != "disabled")
        for one in map(fitted.get, _THINKING)
    )
    return asked or effort != "none" or not rules.can_stop_thinking


def json_in_words(form: Mapping[str, Any], *, beside_tools: bool = False) -> str:
    """Return an instruction that asks for what a JSON `response_format` asks for."""
    words = _JSON_AT_LAST if beside_tools else _JSON_ONLY
    schema = (form.get("json_schema") or {}).get("schema")
    return f"{words} It must match this JSON schema:\n{to_json(schema).decode()}" if schema else words


def _pictured(messages: Sequence[Message]) -> list[int]:
    """Return the numbers of the messages with images."""
    return [
        n
        for n, one in enumerate(messages)
        if type(content := one.get("content")) is list and any(map(_is_image, content))
    ]


def _without_images(messages: Sequence[Message], pictured: Sequence[int]) -> Sequence[Message]:
    """Return the messages for a model that reads no images: a note takes the place of earlier ones.

    Raises ClientError for an image of the turn at hand.
    """
    answers = (n for n, one in enumerate(messages) if one["role"] == "assistant")
    written = [*messages]
    begin = max(answers, default=-1)
    for number in pictured:
        if number > begin and messages[number]["role"] == "user":
            raise unsupported(f"messages[{number}].content", "This model reads no images.")
        content = as_list(messages[number].get("content"))
        parts = [_UNSEEN if _is_image(part) else part for part in content]
        written[number] = {**messages[number], "content": parts}
    return written


def _is_image(part: Mapping[str, Any]) -> bool:
    """True for an image part that holds no other kind of file."""
    if part.get("type") != "image_url":
        return False
    media = read_data_url(str(part["image_url"]["url"]))
    return media is None or media.type.startswith("image/")


def _without_prefill(messages: list[Message]) -> list[Message]:
    """Return a conversation that ends with the user's turn, apart from instructions.

    An answer at the end is followed by a request to go on, unless it is blank: that one is left out.
    """
    if messages and messages[-1]["role"] == "user" and not _is_blank(messages[-1]):
        return messages
    numbers = range(len(messages) - 1, -1, -1)
    turns = (n for n in numbers if messages[n]["role"] not in ("system", "developer"))
    spoken = next((n for n in turns if not _is_blank(messages[n])), -1)
    if spoken >= 0 and messages[spoken]["role"] == "assistant" and not messages[spoken].get("tool_calls"):
        return [*messages, {"role": "user", "content": CONTINUE}]
    if spoken == len(messages) - 1:
        return messages
    blank = [message for message in messages[spoken + 1 :] if message["role"] != "assistant"]
    return [*messages[: spoken + 1], *blank]


def _is_blank(message: Message) -> bool:
    """True for a message that says nothing, which some formats leave out; a tool's result is always sent."""
    if message["role"] == "tool" or message.get("tool_calls") or message.get("refusal"):
        return False
    content = message.get("content")
    if not isinstance(content, list):
        return not content or content.isspace()
    return all(part.get("type") == "text" and not part["text"].strip() for part in content)


def mentions_json(messages: Sequence[Mapping[str, Any]]) -> bool:
    """Return whether the word JSON is said: without it OpenAI and others refuse JSON mode."""
    return b"json" in to_json(messages).lower()
