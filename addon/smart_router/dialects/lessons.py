"""Refusals that a model's rules did not foresee, read as changes of those rules.

A provider's 400 names the parameter or the value that it does not take, each in words of its own (OpenAI's
`unsupported_parameter`, Gemini's "Unknown name", Anthropic's "Extra inputs are not permitted"). The rules as
changed make the next request one that the provider takes.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from smart_router.dialects.effort import EFFORTS
from smart_router.dialects.hub import ChatRequest
from smart_router.dialects.model_rules import ModelRules
from smart_router.dialects.names import names
from smart_router.errors import UpstreamError

type Changes = Mapping[str, Any]
"""Fields of `ModelRules` with their new values."""

_ESSENTIAL = names("""
    model messages tools tool_choice response_format n stream max_tokens max_completion_tokens modalities
    functions function_call audio web_search_options x_router reasoning_effort
""")
"""Parameters that an answer without them would not be what was asked for, or that have rules of their own."""

_ALIASES = {
    "presence_penalty": ("penalty",),
    "frequency_penalty": ("penalty",),
    "stop": ("stop_sequences",),
    "seed": ("random_seed",),
    "parallel_tool_calls": ("parallel_function_calling", "disable_parallel_tool_use"),
    "logprobs": ("response_logprobs",),
}
"""Names that providers have for hub parameters, where those differ by more than case and punctuation."""

_EVERYDAY = frozenset({"stop", "user", "store", "seed", "metadata", "provider", "reasoning", "thinking"})
"""Names that are also words of a message: only in quotes do they name a parameter."""

_REFUSES = re.compile(
    r"not (?:supported|enabled|permitted|allowed|available|recognized|valid)|(?:does|do) not support|can ?not"
    r"|unsupported|unrecognized|unknown|unexpected|invalid|extra_forbidden|must be|no longer"
    r"|only (?:the default|allowed|supported)"
)
_LISTS = re.compile(
    r"(?:supported|allowed|valid|permitted|possible)[\w ]*(?:are|is)?:?|must be|one of|expected"
)
_WHOLE = re.compile(
    r"(?:does|do) not support (?:the )?(?:parameter|reasoning)|(?:unsupported|unknown) parameter"
)
_QUOTED = re.compile(r"""[`'"“\[]+([\w.\[\]-]+)[`'"”\]]+""")
_WORDS = re.compile(r"\w+")

_ON_RESPONSES = re.compile(r"(?:use|in|on|via) (?:the )?/?(?:v1/)?responses|not a chat model|responses api")
_NO_PREFILL = re.compile(
    r"prefill|end(?:s|ing)? with an? (?:user|model|assistant)|(?:last|final) (?:role|message)"
)
_THINKING_TYPE = re.compile(r"thinking[._]type[._]disabled|thinking (?:cannot|can't) be disabled")
_OF_EFFORT = re.compile(r"effort|thinking ?_?level|reasoning value|thinkinglevel")
_OF_FORMAT = re.compile(r"response_?format|response mime|json[ _](?:mode|schema|object)|structured output")


def read_lesson(error: UpstreamError, request: ChatRequest, rules: ModelRules) -> Changes:
    """Return what a refusal teaches about the model's rules; nothing if it teaches nothing new.

    `request` is what was asked for, `rules` are those that it was fitted to.
    """
    text = f"{error.message} {error.param or ''}".casefold()
    if error.kind == "model_not_found":
        return _of_wire(text, request, rules)
    if error.kind not in ("bad_request", "unsupported") or not _REFUSES.search(text):
        return {}
    readers = (_of_wire, _of_forced_tools, _of_prefill, _of_format, _of_effort, _of_limit, _of_parameters)
    found = next(filter(None, (read(text, request, rules) for read in readers)), {})
    return found if found and replace(rules, **found) != rules else {}


def _of_wire(text: str, request: ChatRequest, rules: ModelRules) -> Changes:
    if rules.wire == "chat_only" or not _ON_RESPONSES.search(text):
        return {}
    if "tools" in text and request.get("tools"):
        unasked = request.get("reasoning_effort") is None
        return {"wire": "responses_for_tools"} | ({"default_effort": "medium"} if unasked else {})
    return {"wire": "responses"}


def _of_forced_tools(text: str, request: ChatRequest, rules: ModelRules) -> Changes:
    if "tool_choice" not in text and "tool choice" not in text:
        return {}
    while_thinking = "think" in text or "reason" in text
    if while_thinking and rules.forced_tools == "always":
        return {"forced_tools": "without_thinking", "default_effort": rules.default_effort or "medium"}
    return {"forced_tools": "never"}


def _of_prefill(text: str, request: ChatRequest, rules: ModelRules) -> Changes:
    return {"prefill": False} if _NO_PREFILL.search(text) else {}


def _of_format(text: str, request: ChatRequest, rules: ModelRules) -> Changes:
    form = request.get("response_format")
    if not form or not _OF_FORMAT.search(text):
        return {}
    words = {"tools": ("tool", "function"), "stream": ("stream",), "thinking": ("think", "reasoning")}
    apart = {name for name, names in words.items() if any(word in text for word in names)}
    if apart:
        return {"json_apart": rules.json_apart | apart}
    return {"json_schema": False} if form.get("type") == "json_schema" else {}


def _of_effort(text: str, request: ChatRequest, rules: ModelRules) -> Changes:
    """Return the efforts that a message lists as taken, or all but the refused one."""
    asked = request.get("reasoning_effort")
    if not (_OF_EFFORT.search(text) or _THINKING_TYPE.search(text) or asked in _quoted(text)):
        return {}
    taken = rules.efforts or EFFORTS
    if _THINKING_TYPE.search(text):
        return {"efforts": tuple(effort for effort in taken if effort != "none")}
    listed = _after_last(_LISTS, text)
    if named := tuple(effort for effort in (*EFFORTS, "default") if effort in listed):
        return {"efforts": named}
    if _WHOLE.search(text):
        return {"thinking": "none", "efforts": (), "default_effort": None}
    refused = {effort for effort in EFFORTS if effort in _WORDS.findall(text)}
    left = tuple(effort for effort in taken if effort not in refused)
    return {"efforts": left} if refused and left else {}


def _after_last(pattern: re.Pattern[str], text: str) -> list[str]:
    places = [found.end() for found in pattern.finditer(text)]
    return _WORDS.findall(text[places[-1] :]) if places else []


def _of_limit(text: str, request: ChatRequest, rules: ModelRules) -> Changes:
    """Return another name of the output limit, or that there is one choice only."""
    if "max_tokens" in text and "max_completion_tokens" in text:
        names = sorted(("max_tokens", "max_completion_tokens"), key=text.index)
        return {"output_limit": names[-1]}
    if (request.get("n") or 1) > 1 and ("candidate" in text or "choice" in text or "n" in _quoted(text)):
        return {"single_choice": True}
    return {}


def _of_parameters(text: str, request: ChatRequest, rules: ModelRules) -> Changes:
    """Return the request's parameters that the message names as refused."""
    words, quoted = {_fold(word) for word in _WORDS.findall(text)}, _quoted(text)
    refused = {
        name
        for name in (*request, *rules.fixed)
        if name not in _ESSENTIAL
        and any(
            _fold(one) in (quoted if one in _EVERYDAY else words) for one in (name, *_ALIASES.get(name, ()))
        )
    }
    if not refused:
        return {}
    if "both" in words:  # of two that exclude each other the first stays
        refused = set(sorted(refused, key=text.find)[1:])
    changes: dict[str, Any] = {"dropped": rules.dropped | refused}
    if refused & rules.fixed.keys():
        changes["fixed"] = {name: value for name, value in rules.fixed.items() if name not in refused}
    return changes


def _quoted(text: str) -> set[str]:
    """Return the names in quotes or before a colon, without the parents in dotted ones."""
    named = [*_QUOTED.findall(text), *re.findall(r"^([\w.]+):", text)]
    return {_fold(name.split(".")[-1]) for name in named}


def _fold(name: str) -> str:
    return name.replace("_", "")


def in_words(changes: Changes) -> str:
    """Return changes of the rules in words, for logs and comments."""
    return ", ".join(f"{name} = {_value(value)}" for name, value in changes.items())


def _value(value: object) -> str:
    if isinstance(value, frozenset | set | tuple):
        return "/".join(sorted(value) if isinstance(value, frozenset | set) else value) or "none"
    return str(value)
