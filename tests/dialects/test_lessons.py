"""Refusals in each vendor's words, and what they teach about their models."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from smart_router.dialects.errors import read_error
from smart_router.dialects.fitting import fit_request, needs_responses
from smart_router.dialects.lessons import in_words, read_lesson
from smart_router.dialects.model_rules import ModelRules
from smart_router.errors import UpstreamError
from smart_router.providers.catalogue import rules_for

HELLO = {"role": "user", "content": "Hello"}
TOOLS: dict[str, Any] = {"tools": [{"type": "function", "function": {"name": "f"}}]}
SCHEMA = {"type": "json_schema", "json_schema": {"name": "a", "schema": {"type": "object"}}}
ANY = ModelRules(thinking="effort", reasoning=True)


def refusal(
    message: str, param: str | None = None, code: str | None = None, status: int = 400
) -> UpstreamError:
    body = {"error": {"message": message, "param": param, "code": code, "type": "invalid_request_error"}}
    return read_error(status, {}, body, (), 0.0)


def lesson(message: str, request: dict[str, Any], rules: ModelRules = ANY, **error: Any) -> dict[str, Any]:
    asked: Any = {"model": "m", "messages": [HELLO], **request}
    return dict(read_lesson(refusal(message, **error), asked, rules))


PARAMETERS: list[tuple[str, dict[str, Any], set[str]]] = [
    # the provider's words, the request, the parameters that are left out from then on
    ("Unsupported parameter: 'top_p' is not supported with this model.", {"top_p": 1}, {"top_p"}),
    (
        "Unsupported value: 'temperature' does not support 0.2 with this model. Only the default (1) value is"
        " supported.",
        {"temperature": 0.2},
        {"temperature"},
    ),
    ("Unrecognized request argument supplied: verbosity", {"verbosity": "low"}, {"verbosity"}),
    ("Unknown parameter: 'safety_identifier'.", {"safety_identifier": "x"}, {"safety_identifier"}),
    (
        "'service_tier' : value is not one of the allowed values ['auto'], must be one of",
        {"service_tier": "x"},
        {"service_tier"},
    ),
    ("property 'stop' is unsupported", {"stop": ["x"]}, {"stop"}),
    (
        'Invalid JSON payload received. Unknown name "presencePenalty": Cannot find field.',
        {"presence_penalty": 1},
        {"presence_penalty"},
    ),
    (
        "Penalty is not enabled for this model",
        {"presence_penalty": 1, "frequency_penalty": 1},
        {"presence_penalty", "frequency_penalty"},
    ),
    ("Logprobs is not enabled for models/gemini-9", {"logprobs": True}, {"logprobs"}),
    ("top_k: Extra inputs are not permitted", {"top_k": 5}, {"top_k"}),
    (
        "`temperature` and `top_p` cannot both be specified for this model.",
        {"temperature": 1, "top_p": 1},
        {"top_p"},
    ),
    (
        "Model grok-x does not support parameter presencePenalty.",
        {"presence_penalty": 1},
        {"presence_penalty"},
    ),
    (
        '{"detail":[{"type":"extra_forbidden","loc":["body","min_p"],"msg":"Extra input"}]}',
        {"min_p": 0.1},
        {"min_p"},
    ),
    (
        "parallel_tool_calls is not supported by this model",
        {**TOOLS, "parallel_tool_calls": True},
        {"parallel_tool_calls"},
    ),
    (
        "Invalid value at 'generation_config.seed' (TYPE_INT32), 1764424000123",
        {"seed": 1764424000123},
        {"seed"},
    ),
]


@pytest.mark.parametrize(("message", "request_fields", "dropped"), PARAMETERS)
def test_parameters_that_only_tune_are_left_out(
    message: str, request_fields: dict[str, Any], dropped: set[str]
) -> None:
    changes = lesson(message, request_fields)
    assert changes["dropped"] == dropped
    asked: Any = {"messages": [HELLO], **request_fields}
    assert not fit_request(asked, replace(ANY, **changes)).keys() & dropped


OTHERS: list[tuple[str, dict[str, Any], ModelRules, dict[str, Any]]] = [
    # the provider's words, the request, the rules so far, what changes in them
    (
        "Unsupported value: 'none' is not supported with the 'x' model. Supported values are: 'low', "
        "'medium', 'high', and 'xhigh'.",
        {"reasoning_effort": "none"},
        ANY,
        {"efforts": ("low", "medium", "high", "xhigh")},
    ),
    (
        'invalid reasoning value: \'minimal\' (must be "high", "medium", "low", "max", or "none")',
        {"reasoning_effort": "minimal"},
        ANY,
        {"efforts": ("none", "low", "medium", "high", "max")},
    ),
    (
        "`reasoning_effort` must be one of `none` or `default`",
        {"reasoning_effort": "high"},
        ANY,
        {"efforts": ("none", "default")},
    ),
    (
        "Thinking level MINIMAL is not supported for this model. Please retry with other thinking level.",
        {"reasoning_effort": "minimal"},
        ModelRules(thinking="level", efforts=("minimal", "low", "high")),
        {"efforts": ("low", "high")},
    ),
    (
        "This model does not support `reasoning_effort` value `none`.",
        {"reasoning_effort": "none"},
        ModelRules(thinking="effort", efforts=("none", "low")),
        {"efforts": ("low",)},
    ),
    (
        "Model grok-x does not support parameter reasoningEffort.",
        {"reasoning_effort": "high"},
        ModelRules(thinking="effort", efforts=("low", "high"), default_effort="high"),
        {"thinking": "none", "efforts": (), "default_effort": None},
    ),
    (
        '"thinking.type.disabled" is not supported for this model. Use "thinking.type.adaptive" and '
        '"output_config.effort" to control thinking behavior.',
        {"reasoning_effort": "none"},
        ModelRules(thinking="adaptive", efforts=("none", "low", "high")),
        {"efforts": ("low", "high")},
    ),
    (
        'tool_choice: type "tool" and "any" are not supported for this model.',
        {**TOOLS, "tool_choice": "required"},
        ANY,
        {"forced_tools": "never"},
    ),
    (
        "Thinking mode does not support this tool_choice",
        {**TOOLS, "tool_choice": "required"},
        ANY,
        {"forced_tools": "without_thinking", "default_effort": "medium"},
    ),
    (
        "This model does not support assistant message prefill. The conversation must end with a user turn.",
        {"messages": [HELLO, {"role": "assistant", "content": "One"}]},
        ANY,
        {"prefill": False},
    ),
    ("Requests ending with a model turn are not supported.", {}, ANY, {"prefill": False}),
    (
        "Function calling with a response mime type: 'application/json' is unsupported",
        {**TOOLS, "response_format": SCHEMA},
        ANY,
        {"json_apart": frozenset({"tools"})},
    ),
    (
        "`response_format` `json_schema` does not support streaming",
        {"response_format": SCHEMA, "stream": True},
        ANY,
        {"json_apart": frozenset({"stream"})},
    ),
    (
        "This model does not support response format `json_schema`. See supported response_format types",
        {"response_format": SCHEMA},
        ANY,
        {"json_schema": False},
    ),
    ("Multiple candidates is not enabled for this model", {"n": 2}, ANY, {"single_choice": True}),
    (
        "Unsupported parameter: 'max_tokens' is not supported with this model. Use 'max_completion_tokens' "
        "instead.",
        {"max_tokens": 5},
        ANY,
        {"output_limit": "max_completion_tokens"},
    ),
    (
        "Function tools with reasoning_effort are not supported for gpt-x in /v1/chat/completions. To use "
        "function tools, use /v1/responses or set reasoning_effort to 'none'.",
        TOOLS,
        ANY,
        {"wire": "responses_for_tools", "default_effort": "medium"},
    ),
]


@pytest.mark.parametrize(("message", "request_fields", "rules", "changes"), OTHERS)
def test_values_and_combinations_become_rules(
    message: str, request_fields: dict[str, Any], rules: ModelRules, changes: dict[str, Any]
) -> None:
    assert lesson(message, request_fields, rules) == changes
    assert in_words(changes)


def test_a_model_of_responses_only() -> None:
    message = "This model is only supported in v1/responses and not in v1/chat/completions."
    asked: Any = {"messages": [HELLO]}
    changes = read_lesson(refusal(message, status=404), asked, ANY)
    assert changes == {"wire": "responses"}
    assert needs_responses(asked, replace(ANY, **changes))


NOTHING = [
    # words, request, further facts of the error
    ("Invalid value for 'content': expected a string, got null.", {}, {"param": "messages.[1].content"}),
    (
        "Invalid 'tools': array too long. Expected an array with maximum length 128.",
        TOOLS,
        {"param": "tools"},
    ),
    ("We could not parse the JSON body of your request.", {"temperature": 1}, {}),
    (
        "Unsupported parameter: 'top_p' is not supported with this model.",
        {"temperature": 1},
        {"param": "top_p"},
    ),
    ("Unsupported parameter: 'top_p' is not supported with this model.", {"top_p": 1}, {"status": 500}),
    (
        "The user message is invalid: it is not supported to end a store with a stop.",
        {"user": "u", "stop": "x"},
        {},
    ),
]


@pytest.mark.parametrize(("message", "request_fields", "error"), NOTHING)
def test_other_refusals_teach_nothing(message: str, request_fields: Any, error: dict[str, Any]) -> None:
    assert lesson(message, request_fields, **error) == {}


@pytest.mark.parametrize(("message", "request_fields", "dropped"), PARAMETERS)
def test_the_same_refusal_teaches_once(
    message: str, request_fields: dict[str, Any], dropped: set[str]
) -> None:
    taught = replace(ANY, **lesson(message, request_fields))
    assert lesson(message, request_fields, taught) == {}


@given(st.text(), st.sampled_from([None, "temperature", "tools", "messages[0].content"]))
def test_any_message_can_be_read(message: str, param: str | None) -> None:
    asked: dict[str, Any] = {
        **TOOLS,
        "temperature": 1,
        "n": 2,
        "response_format": SCHEMA,
        "tool_choice": "required",
    }
    changes = lesson(message, asked, rules_for("groq", "openai/gpt-oss-20b"), param=param)
    replace(ANY, **changes)
