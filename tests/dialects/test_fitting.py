"""Requests fitted to what each provider's models take: tables of the vendors' rules, and properties."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from smart_router.dialects.call_pairs import NO_RESULT
from smart_router.dialects.effort import EFFORTS
from smart_router.dialects.fitting import CONTINUE, fit_request, is_forced, needs_responses
from smart_router.dialects.hub import ChatRequest
from smart_router.errors import ClientError
from smart_router.providers.catalogue import rules_for
from smart_router.providers.registry import PROVIDERS

HELLO = {"role": "user", "content": "Hello"}
CUT_OFF = {"role": "assistant", "content": "One, two,"}
TOOLS: dict[str, Any] = {"tools": [{"type": "function", "function": {"name": "f"}}]}
NAMED = {"type": "function", "function": {"name": "f"}}
ALLOWED = {"type": "allowed_tools", "allowed_tools": {"mode": "required", "tools": [NAMED]}}
JSON_MODE = {"type": "json_object"}
SCHEMA = {"type": "json_schema", "json_schema": {"name": "a", "schema": {"type": "object"}}}
MODELS = [(provider, model) for provider, row in PROVIDERS.items() for model in row.models] + [
    ("openai", "gpt-7"),
    ("openai", "gpt-5.4-pro"),
    ("openai", "o9-mini"),
    ("anthropic", "claude-next"),
    ("google", "gemini-5-ultra"),
    ("xai", "grok-9"),
    ("groq", "new/model"),
    ("qwen-dashscope", "qwen3-235b-a22b-thinking-2507"),
    ("a-server-of-mine", "its-model"),
]


def fit(model: str, **fields: Any) -> dict[str, Any]:
    provider, _, id_ = model.partition("/")
    request: Any = {"model": model, "messages": [HELLO], **fields}
    return dict(fit_request(request, rules_for(provider, id_)))


EFFORT: list[tuple[str, str, str | None]] = [
    # model, effort asked for, effort sent
    ("openai/gpt-6.1-sol", "none", "low"),
    ("openai/gpt-6.1-sol", "minimal", "low"),
    ("openai/gpt-6.1-sol", "max", "xhigh"),
    ("openai/gpt-6-astra-2026-09-03", "none", "low"),
    ("openai/gpt-6-astra", "max", "xhigh"),
    ("openai/gpt-6-luna", "none", "none"),
    ("openai/gpt-6.1-terra", "max", "max"),
    ("openai/gpt-6.2-sol", "none", "low"),
    ("openai/gpt-7", "minimal", "low"),
    ("openai/gpt-5.6-sol", "max", "max"),
    ("openai/gpt-5.4", "minimal", "low"),
    ("openai/gpt-5.4", "max", "xhigh"),
    ("openai/gpt-5", "none", "minimal"),
    ("openai/gpt-5", "xhigh", "high"),
    ("openai/gpt-5-pro", "low", "high"),
    ("openai/o4-mini", "none", "low"),
    ("openai/o3", "max", "high"),
    ("openai-codex/gpt-5.5", "none", "low"),
    ("openai-codex/gpt-5.5", "max", "xhigh"),
    ("anthropic/claude-opus-5-5", "none", "low"),
    ("anthropic/claude-fable-5-2", "minimal", "low"),
    ("anthropic/claude-next", "none", "low"),
    ("anthropic/claude-opus-5", "none", "none"),
    ("anthropic/claude-haiku-5-5", "none", "none"),
    ("anthropic/claude-opus-4-6", "xhigh", "high"),
    ("google/gemini-3.8-flash", "none", "low"),
    ("google/gemini-3.7-flash", "minimal", "low"),
    ("google/gemini-3.1-pro-preview", "minimal", "low"),
    ("google/gemini-4-argon", "xhigh", "high"),
    ("google/gemini-3-pro-preview", "medium", "low"),
    ("google/gemini-3.5-flash", "none", "minimal"),
    ("google/gemini-2.5-pro", "none", "minimal"),
    ("google/gemini-2.5-flash", "none", "none"),
    ("xai/grok-4.5", "none", "low"),
    ("xai/grok-4.5", "xhigh", "high"),
    ("xai/grok-4.6", "none", "low"),
    ("xai/grok-4.7-0915", "max", "xhigh"),
    ("xai/grok-4.3", "none", "none"),
    ("xai/grok-9", "minimal", "low"),
    ("groq/qwen/qwen3.8-27b", "high", "default"),
    ("groq/qwen/qwen3.8-27b", "minimal", "default"),
    ("groq/qwen/qwen3.8-27b", "none", "none"),
    ("groq/openai/gpt-oss-120b", "none", "low"),
    ("groq/openai/gpt-oss-120b", "xhigh", "high"),
    ("deepseek/deepseek-v4-pro", "medium", "high"),
    ("deepseek/deepseek-v4-pro", "minimal", "low"),
    ("deepseek/deepseek-v4-pro", "ultra", "max"),
    ("deepseek/deepseek-flash", "none", "none"),
    ("a-server/m", "minimal", "minimal"),
]


@pytest.mark.parametrize(("model", "asked", "sent"), EFFORT)
def test_effort_is_the_nearest_that_the_model_takes(model: str, asked: str, sent: str | None) -> None:
    assert fit(model, reasoning_effort=asked).get("reasoning_effort") == sent


@pytest.mark.parametrize(
    "model", ["grok-build-0.1", "grok-code-fast-1", "grok-4", "grok-4.20-0309-reasoning"]
)
def test_models_without_a_dial_for_thinking(model: str) -> None:
    assert rules_for("xai", model).thinking == "none"


@given(st.sampled_from(MODELS), st.sampled_from(EFFORTS))
def test_thinking_is_never_switched_off_unasked(model: tuple[str, str], asked: str) -> None:
    rules = rules_for(*model)
    sent = fit("/".join(model), reasoning_effort=asked).get("reasoning_effort")
    assert not rules.efforts or sent is None or sent in rules.efforts
    assert (sent == "none") <= (asked == "none")


FORCED: list[tuple[str, dict[str, Any], str | None]] = [
    # model, fields of the request, effort sent, "refused" for our own 400
    ("anthropic/claude-opus-5-5", {}, "refused"),
    ("anthropic/claude-sonnet-5-5", {"reasoning_effort": "none"}, "refused"),
    ("anthropic/claude-fable-5-2", {}, "refused"),
    ("anthropic/claude-next", {}, "refused"),
    ("anthropic/claude-opus-5", {}, "none"),
    ("anthropic/claude-haiku-5-5", {"reasoning_effort": "high"}, "none"),
    ("anthropic/claude-haiku-4-5", {"reasoning_effort": "high"}, "none"),
    ("anthropic/claude-haiku-4-5", {}, None),
    ("deepseek/deepseek-v4-pro", {}, "none"),
    ("deepseek/deepseek-flash", {"reasoning_effort": "max"}, "none"),
    ("qwen-dashscope/qwen3.7-plus", {"reasoning_effort": "high"}, "none"),
    ("qwen-dashscope/qwen3-235b-a22b-thinking-2507", {}, "refused"),
    ("qwen-dashscope/qwen3-coder-plus", {}, None),
    ("openrouter/anthropic/claude-sonnet-5.5", {}, "refused"),
    ("openai/gpt-6.1-sol", {"reasoning_effort": "high"}, "high"),
    ("google/gemini-3.8-flash", {}, None),
]


@pytest.mark.parametrize("choice", ["required", NAMED, ALLOWED])
@pytest.mark.parametrize(("model", "fields", "effort"), FORCED)
def test_a_forced_tool_stops_thinking_or_is_refused(
    model: str, fields: dict[str, Any], effort: str | None, choice: Any
) -> None:
    request = {**TOOLS, **fields, "tool_choice": choice}
    if effort == "refused":
        with pytest.raises(ClientError) as refused:
            fit(model, **request)
        assert (refused.value.status, refused.value.param) == (400, "tool_choice")
    else:
        assert fit(model, **request).get("reasoning_effort") == effort
    assert not is_forced("auto")
    assert fit(model, **{**request, "tool_choice": "auto"})["tool_choice"] == "auto"


FIELDS: list[tuple[str, dict[str, Any], dict[str, Any]]] = [
    # model, what the client sends, what becomes of it (None: left out)
    ("openai/o4-mini", {**TOOLS, "parallel_tool_calls": False}, {"parallel_tool_calls": None}),
    ("openai/o3-mini", {**TOOLS, "parallel_tool_calls": True}, {"parallel_tool_calls": None}),
    ("openai/gpt-4.1", {**TOOLS, "parallel_tool_calls": False}, {"parallel_tool_calls": False}),
    ("openai/gpt-5.4", {"stop": ["END"], "prediction": {}}, {"stop": None, "prediction": None}),
    ("openai/o3", {"stop": "x", "logprobs": True}, {"stop": None, "logprobs": None}),
    ("openai/gpt-4.1", {"stop": list("abcdef")}, {"stop": list("abcd")}),
    ("openai/gpt-4.1", {"service_tier": "standard_only"}, {"service_tier": None}),
    ("openai/gpt-4.1", {"service_tier": "flex"}, {"service_tier": "flex"}),
    ("openai/gpt-5.1", {"temperature": 0.5}, {"temperature": 0.5}),
    ("openai/gpt-5.5", {"temperature": 0.5}, {"temperature": None}),
    ("google/gemini-3.8-flash", {"presence_penalty": 1}, {"presence_penalty": None}),
    ("google/gemini-2.5-pro", {"frequency_penalty": 1}, {"frequency_penalty": None}),
    ("google/gemini-2.0-flash", {"presence_penalty": 1}, {"presence_penalty": 1}),
    (
        "google/gemini-3.8-flash",
        {"logprobs": True, "top_logprobs": 3},
        {"logprobs": None, "top_logprobs": None},
    ),
    ("google/gemini-3.8-flash", {"seed": 2**40 + 7}, {"seed": 7 + 2**40 % 2**31}),
    ("google/gemini-3.8-flash", {"seed": -(2**31) + 1}, {"seed": -(2**31) + 1}),
    ("google/gemini-2.5-flash", {"stop": list("abcdefg")}, {"stop": list("abcde")}),
    ("groq/llama-3.3-70b-versatile", {"service_tier": "default"}, {"service_tier": None}),
    ("groq/llama-3.3-70b-versatile", {"service_tier": "priority"}, {"service_tier": None}),
    ("groq/llama-3.3-70b-versatile", {"service_tier": "flex"}, {"service_tier": "flex"}),
    ("xai/grok-4.7", {"stop": "x", "frequency_penalty": 1}, {"stop": None, "frequency_penalty": None}),
    ("xai/grok-4.20-non-reasoning", {"stop": "x"}, {"stop": "x"}),
    ("minimax-portal/MiniMax-M3", {"temperature": 0}, {"temperature": 0.01}),
]


@pytest.mark.parametrize(("model", "sent", "expected"), FIELDS)
def test_parameters_that_only_tune(model: str, sent: dict[str, Any], expected: dict[str, Any]) -> None:
    fitted = fit(model, **sent)
    assert {name: fitted.get(name) for name in expected} == expected


@pytest.mark.parametrize(("provider", "model"), MODELS)
@pytest.mark.parametrize("tools", [[], None])
def test_no_tools_are_no_field_of_tools(provider: str, model: str, tools: Any) -> None:
    fitted = fit(f"{provider}/{model}", tools=tools, tool_choice="required", parallel_tool_calls=True)
    assert fitted.keys() == {"model", "messages"}


@pytest.mark.parametrize(
    ("model", "fields"),
    [
        ("google/gemini-3.8-flash", {"n": 2}),
        ("google/gemini-4-argon", {"n": 2}),
        ("groq/llama-3.3-70b-versatile", {"n": 3}),
    ],
)
def test_several_choices_are_refused_where_there_is_one(model: str, fields: dict[str, Any]) -> None:
    with pytest.raises(ClientError) as refused:
        fit(model, **fields)
    assert refused.value.param == "n"


IN_WORDS = [
    ("google/gemini-2.5-flash", {**TOOLS, "response_format": SCHEMA}),
    ("google/gemini-2.0-flash", {**TOOLS, "response_format": JSON_MODE}),
    ("groq/openai/gpt-oss-120b", {**TOOLS, "response_format": SCHEMA}),
    ("groq/llama-3.3-70b-versatile", {**TOOLS, "response_format": JSON_MODE}),
    ("qwen-dashscope/qwen3.7-plus", {"reasoning_effort": "high", "response_format": JSON_MODE}),
    ("qwen-dashscope/qwen3.7-plus", {"enable_thinking": True, "response_format": JSON_MODE}),
    ("qwen-dashscope/qwen3.7-plus", {"thinking": {"type": "enabled"}, "response_format": SCHEMA}),
]
AS_ASKED = [
    ("google/gemini-2.5-flash", {"response_format": SCHEMA}),
    ("google/gemini-3.8-flash", {**TOOLS, "response_format": SCHEMA}),
    ("groq/openai/gpt-oss-120b", {"tools": [], "response_format": SCHEMA}),
    ("qwen-dashscope/qwen3.7-plus", {"reasoning_effort": "none", "response_format": JSON_MODE}),
    ("qwen-dashscope/qwen3.7-plus", {"enable_thinking": False, "response_format": JSON_MODE}),
    ("qwen-dashscope/qwen3.7-plus", {"thinking": {"type": "disabled"}, "response_format": JSON_MODE}),
    ("openai/gpt-4.1", {**TOOLS, "response_format": SCHEMA}),
]


@pytest.mark.parametrize(("model", "fields"), IN_WORDS)
def test_json_is_asked_for_in_words_beside_what_excludes_it(model: str, fields: dict[str, Any]) -> None:
    fitted = fit(model, **fields)
    assert "response_format" not in fitted
    assert fitted["messages"][0]["role"] == "system"
    assert "JSON object" in fitted["messages"][0]["content"]
    assert fitted["messages"][1:] == [HELLO]


@pytest.mark.parametrize(("model", "fields"), AS_ASKED)
def test_json_is_asked_for_by_format_elsewhere(model: str, fields: dict[str, Any]) -> None:
    fitted = fit(model, **fields)
    assert fitted["response_format"] == fields["response_format"]
    assert fitted["messages"] == [HELLO]


PREFILL = [
    # model, whether it goes on with the assistant's last words
    ("anthropic/claude-opus-5-5", False),
    ("anthropic/claude-opus-4-6", False),
    ("anthropic/claude-sonnet-4-6", False),
    ("anthropic/claude-haiku-5-5", False),
    ("anthropic/claude-next", False),
    ("anthropic/claude-haiku-4-5", True),
    ("google/gemini-3.8-flash", False),
    ("google/gemini-3.6-flash", False),
    ("google/gemini-3.5-flash-lite", False),
    ("google/gemini-4-argon", False),
    ("google/gemini-3.5-flash", True),
    ("google/gemini-2.5-pro", True),
    ("openai/gpt-4.1", True),
]
SYSTEM = {"role": "system", "content": "Be brief."}
BLANK, NOTHING = {"role": "assistant", "content": " "}, {"role": "user", "content": ""}
CALL = {"role": "assistant", "content": None, "tool_calls": [{"id": "1"}]}
RESULT = {"role": "tool", "tool_call_id": "1", "content": "4"}


@pytest.mark.parametrize(("model", "prefilled"), PREFILL)
def test_a_conversation_that_ends_with_the_assistant(model: str, prefilled: bool) -> None:
    for end in ([CUT_OFF], [CUT_OFF, SYSTEM]):
        messages = fit(model, messages=[HELLO, *end])["messages"]
        assert (messages == [HELLO, *end]) is prefilled
        assert prefilled or messages[-1]["role"] == "user"
    for end in ([], [CUT_OFF, HELLO], [CALL, RESULT], [CUT_OFF, BLANK, HELLO]):
        assert fit(model, messages=[HELLO, *end])["messages"] == [HELLO, *end]
    assert fit(model, messages=[HELLO, CALL])["messages"] == [HELLO, CALL, {**RESULT, "content": NO_RESULT}]


@pytest.mark.parametrize(("model", "prefilled"), PREFILL)
def test_a_conversation_that_ends_in_blanks(model: str, prefilled: bool) -> None:
    for end in ([BLANK], [BLANK, SYSTEM], [SYSTEM, BLANK], [NOTHING, BLANK], [BLANK, NOTHING, BLANK]):
        messages = fit(model, messages=[*end])["messages"]
        assert prefilled or messages == [message for message in end if message is not BLANK]
        messages = fit(model, messages=[HELLO, *end])["messages"]
        assert prefilled or messages == [HELLO, *(message for message in end if message is not BLANK)]
        messages = fit(model, messages=[HELLO, CUT_OFF, *end])["messages"]
        assert prefilled or messages[-1] == {"role": "user", "content": CONTINUE}


WIRES = [
    # model, fields, whether the request goes to /responses
    ("gpt-6.1-sol", TOOLS, True),
    ("gpt-6.1-sol", {**TOOLS, "reasoning_effort": "none"}, True),  # which it does not know
    ("gpt-6.1-sol", {}, False),
    ("gpt-6.1-sol", {"tools": []}, False),
    ("gpt-6-luna", TOOLS, True),
    ("gpt-6-luna", {**TOOLS, "reasoning_effort": "none"}, False),
    ("gpt-5.5-2026-04-23", {**TOOLS, "reasoning_effort": "high"}, True),
    ("gpt-5.5", TOOLS, True),
    ("gpt-5.4", TOOLS, False),
    ("gpt-5.4-mini", {**TOOLS, "reasoning_effort": "minimal"}, True),
    ("gpt-5.4", {**TOOLS, "reasoning_effort": "none"}, False),
    ("gpt-5.2", {**TOOLS, "reasoning_effort": "high"}, False),
    ("gpt-7", TOOLS, True),
    ("gpt-5-pro", {}, True),
    ("gpt-5.4-pro", {}, True),
    ("gpt-5.2-codex", {}, True),
    ("o3-pro", {}, True),
    ("o3", TOOLS, False),
    ("gpt-4.1", TOOLS, False),
    ("gpt-6.1-chat", TOOLS, False),
]


@pytest.mark.parametrize(("model", "fields", "responses"), WIRES)
def test_function_tools_beside_reasoning_go_to_responses(
    model: str, fields: dict[str, Any], responses: bool
) -> None:
    request: Any = {"messages": [HELLO], **fields}
    rules = rules_for("openai", model)
    assert needs_responses(request, rules) is responses
    openai = PROVIDERS["openai"]
    assert openai.dialect_for(request, rules) is (openai.responses if responses else openai.dialect)
    assert PROVIDERS["groq"].dialect_for(request, rules) is PROVIDERS["groq"].dialect


@given(st.sampled_from(MODELS), st.data())
def test_fitting_twice_changes_nothing_more(model: tuple[str, str], data: st.DataObject) -> None:
    fields: dict[str, Any] = data.draw(
        st.fixed_dictionaries(
            {},
            optional={
                "reasoning_effort": st.sampled_from([*EFFORTS, "ultra", None]),
                "temperature": st.sampled_from([0, 0.5, None]),
                "seed": st.integers(),
                "stop": st.lists(st.text(min_size=1), max_size=9),
                "service_tier": st.text(),
                "tools": st.sampled_from([[], TOOLS["tools"], None]),
                "tool_choice": st.sampled_from(["auto", "none", "required", NAMED]),
                "response_format": st.sampled_from([JSON_MODE, SCHEMA, {"type": "text"}]),
                "messages": st.lists(st.sampled_from([HELLO, CUT_OFF, SYSTEM]), min_size=1),
            },
        )
    )
    rules = rules_for(*model)
    request: Any = {"messages": [HELLO], **fields}
    before = repr(request)
    try:
        fitted: ChatRequest = fit_request(request, rules)
    except ClientError as error:
        assert error.status == 400
        return
    assert repr(request) == before
    assert fit_request(fitted, rules) == fitted


@pytest.mark.parametrize(
    ("model", "asked", "prompt", "sent"),
    [
        ("groq/openai/gpt-oss-120b", 1_000, "Hello", 1_000),
        ("openai/gpt-4.1", 128_000, "Hello", 32_768),  # its output limit
        ("deepseek/deepseek-v4-pro", 900_000, "Hello", 384_000),
        ("cerebras/gpt-oss-120b", 128_000, "word " * 36_000, 71_000),  # what the prompt leaves of 131,072
        ("cerebras/gpt-oss-120b", 128_000, "word " * 200_000, 16_384),  # never less than an eighth
        ("a-server-of-mine/its-model", 128_000, "Hello", 128_000),
    ],
)
@pytest.mark.parametrize("name", ["max_tokens", "max_completion_tokens"])
def test_a_limit_of_the_answer_is_one_that_the_model_has_room_for(
    model: str, asked: int, prompt: str, sent: int, name: str
) -> None:
    fitted = fit(model, messages=[{"role": "user", "content": prompt}], **{name: asked})
    assert fitted[name] == pytest.approx(sent, abs=100)
