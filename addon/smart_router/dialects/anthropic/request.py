"""The request: OpenAI's parameters → Anthropic's (Anthropic Messages API reference).

Parameters without a counterpart are dropped if they only tune the answer (seed, penalties, logprobs,
logit_bias, store), and refused if they would change its meaning.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from itertools import chain
from typing import Any, NamedTuple

from smart_router.dialects.anthropic.messages import (
    mark_breakpoint,
    takes_budget_thinking,
    write_conversation,
)
from smart_router.dialects.anthropic.thinking import Prefix, settle
from smart_router.dialects.base import CallContext
from smart_router.dialects.effort import fit_effort
from smart_router.dialects.fitting import fit_request, json_in_words
from smart_router.dialects.hub import ChatRequest
from smart_router.dialects.json_schema.subsets import ANTHROPIC_ANSWER, ANTHROPIC_TOOL
from smart_router.dialects.model_rules import ModelRules, NameLimits
from smart_router.dialects.tool_names import PLAIN, fit_name, opaque
from smart_router.dialects.tools import Notes, convert_noted
from smart_router.errors import unsupported

ANSWER_TOOL = "__structured_answer__"
"""The tool that models without structured outputs are made to call; its arguments are the answer's text."""

_UNKNOWN_MAX_OUTPUT = 4096
_MAX_CACHE_BREAKPOINTS = 4
_JSON_ONLY = "Answer with one valid JSON object and nothing else: no prose, no code fence."
_TOOL_MODES = {"auto": "auto", "required": "any", "none": "none"}
_SERVICE_TIERS = {
    "auto": "auto",
    "priority": "auto",  # auto takes priority capacity where the account has it
    "default": "standard_only",
    "standard_only": "standard_only",
}
_EFFORTS = ("low", "medium", "high", "xhigh", "max")
_BUDGET_SHARES = {"minimal": 0.1, "low": 0.2, "medium": 0.5, "high": 0.8, "xhigh": 0.95, "max": 0.95}
"""Share of max_tokens for thinking, divided as OpenRouter does: effort levels give no token counts."""
_MAX_USER_ID = 256
_MIN_BUDGET = 1024
_MAX_BUDGET = 32_000
"""Beyond this Anthropic advises batches: such answers outlast connections."""


class _Tools(NamedTuple):
    tools: list[dict[str, Any]]
    choice: dict[str, Any] | None

    @property
    def forced(self) -> bool:
        """True if the model must call a tool, which it cannot do while thinking."""
        return self.choice is not None and self.choice["type"] in ("any", "tool")


def write_body(request: ChatRequest, call: CallContext, notes: Notes) -> tuple[dict[str, Any], Prefix]:
    """Return the body of `POST /v1/messages`, and its `Prefix`, to read the answer; `notes` gets losses.

    Raises ClientError for what cannot be asked of Anthropic models.
    """
    _refuse(request)
    rules = call.rules
    request = fit_request(request, rules)
    keys: dict[str, str] = {}
    tools = _write_tools(request, rules, keys, notes)
    system, turns = write_conversation(request["messages"], call, {key: to for to, key in keys.items()})
    output_config: dict[str, Any] = {}
    form = request.get("response_format") or {"type": "text"}
    if form["type"] == "json_object":
        system.append({"type": "text", "text": _JSON_ONLY})
    elif form["type"] == "json_schema" and rules.json_schema:
        schema = form["json_schema"].get("schema") or {"type": "object"}
        converted = convert_noted("the answer", schema, ANTHROPIC_ANSWER, notes)
        if converted.schema is not None:
            output_config["format"] = {"type": "json_schema", "schema": converted.schema}
        else:
            system.append({"type": "text", "text": json_in_words(form, beside_tools=bool(tools.tools))})
    elif form["type"] == "json_schema":
        tools = _add_answer_tool(tools, form["json_schema"], notes)
    elif form["type"] != "text":
        raise unsupported("response_format", f"Anthropic models have no response format {form['type']!r}")
    settle(system, tools.tools, turns, bound=rules.bound_thinking)
    max_tokens = _max_tokens(request, rules)
    thinking, effort = _thinking(request, rules, max_tokens, turns, tools.forced)
    if effort:
        output_config["effort"] = effort
    body: dict[str, Any] = {
        "model": call.model,
        "max_tokens": max_tokens,
        "system": system,
        "messages": turns,
        "tools": tools.tools,
        "tool_choice": tools.choice,
        "output_config": output_config,
        "thinking": thinking,
        **_sampling(request, thinks=bool(thinking and thinking["type"] != "disabled")),
        "stop_sequences": _stop_sequences(request),
        "metadata": _metadata(request),
        "service_tier": _SERVICE_TIERS.get(request.get("service_tier") or ""),
    }
    body = {name: value for name, value in body.items() if value not in (None, [], {})}
    _limit_breakpoints(chain(tools.tools, system, *(turn["content"] for turn in turns)))
    return {**body, "stream": call.stream}, Prefix(system, tools.tools, turns, keys)


def _refuse(request: ChatRequest) -> None:
    if (request.get("n") or 1) > 1:
        raise unsupported("n", "Anthropic models give one answer at a time")
    if "audio" in (request.get("modalities") or ()):
        raise unsupported("modalities", "Anthropic models do not speak")
    if request.get("functions"):
        raise unsupported("functions", "functions are deprecated: use tools")


def _max_tokens(request: ChatRequest, rules: ModelRules) -> int:
    """Return the limit of the answer, which Anthropic requires."""
    asked = request.get("max_completion_tokens") or request.get("max_tokens")
    return asked or rules.max_output or _UNKNOWN_MAX_OUTPUT


def _sampling(request: ChatRequest, *, thinks: bool) -> dict[str, Any]:
    if thinks:
        return {}
    temperature = request.get("temperature")
    if temperature is not None:
        return {"temperature": min(temperature, 1)}
    return {"top_p": request.get("top_p")}


def _thinking(
    request: ChatRequest,
    rules: ModelRules,
    max_tokens: int,
    turns: Sequence[Mapping[str, Any]],
    forced_tool: bool,
) -> tuple[dict[str, Any] | None, str | None]:
    """Return the `thinking` object and the effort; neither where the API would refuse to think."""
    asked = request.get("reasoning_effort")
    if asked is None or rules.thinking not in ("adaptive", "budget"):
        return None, None
    if asked == "none":
        return {"type": rules.off_as}, None
    if forced_tool or turns[-1]["role"] == "assistant":
        return None, None
    if rules.thinking == "adaptive":
        # newest models leave the thinking's text out unless asked for it
        return {"type": "adaptive", "display": "summarized"}, fit_effort(asked, rules.efforts or _EFFORTS)
    share = _BUDGET_SHARES.get(asked)
    if share is None or max_tokens <= _MIN_BUDGET or not takes_budget_thinking(turns):
        return None, None
    return {
        "type": "enabled",
        "budget_tokens": min(max(int(max_tokens * share), _MIN_BUDGET), max_tokens - 1, _MAX_BUDGET),
    }, None


def _write_tools(request: ChatRequest, rules: ModelRules, keys: dict[str, str], notes: Notes) -> _Tools:
    """Return the tools. `keys` gets the names of properties that were changed, by the new names."""
    limits = rules.tool_names or PLAIN
    choice = request.get("tool_choice") or "auto"
    only: set[str] | None = None
    if isinstance(choice, Mapping) and choice.get("type") == "allowed_tools":
        allowed = choice.get("allowed_tools") or {}
        only = {_name(tool, "tool_choice", limits) for tool in allowed.get("tools") or ()}
        choice = allowed.get("mode") or "auto"
    tools = [
        _write_tool(tool, _name(tool, f"tools[{number}]", limits), keys, notes)
        for number, tool in enumerate(request.get("tools") or ())
    ]
    tools = [tool for tool in tools if only is None or tool["name"] in only]
    if not tools:
        return _Tools([], None)
    if isinstance(choice, Mapping):
        written = {"type": "tool", "name": _name(choice, "tool_choice", limits)}
    else:
        written = {"type": _TOOL_MODES.get(choice, "auto")}
    if request.get("parallel_tool_calls") is False and written["type"] != "none":
        return _Tools(tools, {**written, "disable_parallel_tool_use": True})
    return _Tools(tools, written if request.get("tool_choice") else None)


def _write_tool(tool: Mapping[str, Any], name: str, keys: dict[str, str], notes: Notes) -> dict[str, Any]:
    written: dict[str, Any] = {"name": name}
    function = tool["function"]
    if function.get("description"):
        written["description"] = function["description"]
    # `strict` is dropped: Anthropic's is limited to few tools and simple schemas, and refuses the rest
    converted = convert_noted(f"tool {name}", function.get("parameters") or {}, ANTHROPIC_TOOL, notes)
    keys |= converted.keys
    written["input_schema"] = converted.schema
    mark_breakpoint([written], tool)
    mark_breakpoint([written], function)
    return written


def _name(tool: Mapping[str, Any], at: str, limits: NameLimits) -> str:
    """Return the function's name, of a tool or of a choice among tools."""
    function = tool.get("function")
    if tool.get("type") != "function" or not isinstance(function, Mapping) or not function.get("name"):
        raise unsupported(at, "Anthropic models know only function tools, by name")
    return fit_name(str(function["name"]), limits)


def _add_answer_tool(tools: _Tools, form: Mapping[str, Any], notes: Notes) -> _Tools:
    """Add the tool whose arguments are the answer, unless the model must call another one."""
    if tools.forced:
        return tools
    answer = {
        "name": ANSWER_TOOL,
        "description": form.get("description") or "Gives the final answer. Call it to answer.",
        "input_schema": convert_noted("the answer", form.get("schema") or {}, ANTHROPIC_TOOL, notes).schema,
    }
    if not tools.tools or (tools.choice and tools.choice["type"] == "none"):
        return _Tools([*tools.tools, answer], {"type": "tool", "name": ANSWER_TOOL})
    return _Tools([*tools.tools, answer], {"type": "any", "disable_parallel_tool_use": True})


def _stop_sequences(request: ChatRequest) -> list[str]:
    stop = request.get("stop") or []
    return [text for text in ([stop] if isinstance(stop, str) else stop) if text.strip()]


def _metadata(request: ChatRequest) -> dict[str, str] | None:
    user = (request.get("metadata") or {}).get("user_id") or request.get("user")
    return {"user_id": opaque(str(user), _MAX_USER_ID)} if user else None


def _limit_breakpoints(blocks: Any) -> None:
    """Keep the last breakpoints: a later one caches the content before earlier ones, too."""
    marked = [block for block in blocks if "cache_control" in block]
    for block in marked[:-_MAX_CACHE_BREAKPOINTS]:
        del block["cache_control"]
