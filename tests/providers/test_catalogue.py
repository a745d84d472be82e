"""The model catalogue: the file is sound, and every id finds the rows of its family."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from smart_router.dialects.model_rules import ModelRules
from smart_router.providers import catalogue
from smart_router.providers.catalogue import load_models, read_rows, rules_for
from smart_router.providers.registry import PROVIDERS
from tests.testbed.cases import load_cases

FOLDER = Path(catalogue.__file__).with_name("models")


@pytest.mark.parametrize("provider", sorted(PROVIDERS))
def test_every_provider_lists_models(provider: str) -> None:
    models = load_models(provider)
    assert models
    assert load_models(provider) is models
    for model_id, model in models.items():
        assert model.id == model_id
        assert "*" not in model_id
        rules = model.rules
        assert rules.context is None or rules.context >= (rules.max_output or 0)
        assert rules.reasoning or rules.thinking == "none"
        assert not rules.efforts or rules.thinking != "none"


@pytest.mark.parametrize(
    ("text", "complaint"),
    [
        ('"m" = { contxt = 1 }', 'x."m": no such field: contxt'),
        ('"m" = { thinking = "hard" }', r'x."m": 1 validation error'),
        ('"m" = { context = "much" }', r'x."m": 1 validation error'),
        ("[x", "Expected"),
    ],
)
def test_errors_in_the_file_are_named(text: str, complaint: str) -> None:
    with pytest.raises(ValueError, match=complaint.replace(".", r"\.")):
        read_rows("x", text)


CLAUDE_EFFORTS = ("low", "medium", "high", "xhigh", "max")
CLAUDE_EFFORTS_AND_NONE = ("none", *CLAUDE_EFFORTS)

KNOWN: list[tuple[str, str, dict[str, Any]]] = [
    # an id of its own, one with a date, one of a family, one of none
    ("anthropic", "claude-opus-5-5", {"context": 1_000_000, "max_output": 128_000, "sampling": "never"}),
    ("anthropic", "claude-opus-5-20260801", {"context": 1_000_000, "thinking": "adaptive"}),
    ("anthropic", "claude-opus-5-9", {"max_output": 128_000, "context": None, "efforts": CLAUDE_EFFORTS}),
    ("anthropic", "claude-next", {"max_output": 128_000, "sampling": "never", "efforts": CLAUDE_EFFORTS}),
    ("anthropic", "claude-fable-5", {"max_output": 128_000, "thinking": "adaptive", "sampling": "never"}),
    (
        "anthropic",
        "claude-opus-4-8",
        {"thinking": "adaptive", "sampling": "never", "efforts": CLAUDE_EFFORTS_AND_NONE},
    ),
    ("anthropic", "claude-opus-4-6", {"thinking": "adaptive", "sampling": "always", "max_output": 128_000}),
    (
        "anthropic",
        "claude-sonnet-4-5-20250929",
        {"thinking": "budget", "max_output": 64_000, "json_schema": True},
    ),
    ("anthropic", "claude-haiku-4-5-20251001", {"thinking": "budget", "sampling": "always", "efforts": ()}),
    (
        "anthropic",
        "claude-opus-4-1-20250805",
        {"thinking": "budget", "max_output": 32_000, "json_schema": True},
    ),
    (
        "anthropic",
        "claude-sonnet-4-20250514",
        {"thinking": "budget", "json_schema": False, "max_output": 64_000},
    ),
    ("anthropic", "claude-sonnet-4-0", {"thinking": "budget", "json_schema": False}),
    ("anthropic", "claude-3-haiku-20240307", {"thinking": "none", "max_output": 4_096, "sampling": "always"}),
    ("anthropic", "other", {"thinking": "none", "max_output": None}),
    ("antigravity", "claude-sonnet-4-6", {"context": 200_000, "max_output": 64_000, "thinking": "budget"}),
    ("antigravity", "gemini-3.9-flash-high", {"thinking": "level", "vision": True}),
    ("antigravity", "gpt-oss-120b-medium", {"context": 114_000, "vision": False}),
    ("deepseek", "deepseek-flash", {"vision": True, "json_schema": False, "max_output": 384_000}),
    ("deepseek", "deepseek-v4-pro", {"vision": False, "context": 1_000_000, "thinking": "effort"}),
    ("google", "gemini-2.5-flash", {"thinking": "budget", "efforts": (), "context": 1_048_576}),
    ("google", "gemini-2.5-pro", {"thinking": "budget", "audio": True}),
    ("google", "gemini-3-pro-preview", {"thinking": "level", "max_output": 65_536}),
    ("google", "gemini-2.0-flash-001", {"thinking": "none", "reasoning": False}),
    ("groq", "openai/gpt-oss-20b", {"efforts": ("low", "medium", "high"), "context": 131_072}),
    ("groq", "qwen/qwen3.8-27b", {"efforts": ("none", "default"), "json_schema": False}),
    ("groq", "moonshotai/kimi-k2-instruct-0905", {"context": 131_072, "reasoning": False}),
    ("minimax-portal", "MiniMax-M3", {"vision": True, "thinking": "adaptive", "min_temperature": 0.01}),
    ("minimax-portal", "MiniMax-M2.7", {"vision": False, "thinking": "none", "reasoning": True}),
    ("openai", "gpt-6.1-sol", {"sampling": "without_effort", "context": 1_050_000, "max_output": 128_000}),
    ("openai", "gpt-5.4-2026-03-05", {"sampling": "without_effort", "context": 1_050_000}),
    ("openai", "gpt-5-2025-08-07", {"sampling": "never", "reasoning": True}),
    (
        "openai",
        "gpt-5.1-2025-11-13",
        {"sampling": "without_effort", "efforts": ("none", "low", "medium", "high")},
    ),
    (
        "openai",
        "gpt-5-chat-latest",
        {"sampling": "always", "reasoning": False, "thinking": "none", "efforts": ()},
    ),
    ("openai", "gpt-6.1-chat", {"sampling": "always", "reasoning": False}),
    ("openai", "o4-mini-2025-04-16", {"sampling": "never", "context": 200_000, "thinking": "effort"}),
    ("openai", "gpt-4o-2024-08-06", {"sampling": "always", "vision": True, "context": 128_000}),
    ("openai", "gpt-4-0613", {"vision": False, "json_schema": False, "context": None}),
    ("openai-codex", "gpt-5.6-sol", {"context": 372_000, "sampling": "never", "efforts": CLAUDE_EFFORTS}),
    ("openai-codex", "gpt-5.3-codex-spark", {"vision": False, "context": 128_000, "max_output": 128_000}),
    ("openrouter", "any/model:free", {"vision": True, "audio": True, "thinking": "effort"}),
    ("qwen-dashscope", "qwen3.7-plus", {"vision": True, "thinking": "budget", "max_output": 131_072}),
    ("qwen-dashscope", "qwen3-vl-plus", {"vision": True, "reasoning": False}),
    ("qwen-portal", "vision-model", {"vision": True, "context": 128_000}),
    ("xai", "grok-4.7", {"efforts": ("low", "medium", "high", "xhigh"), "context": 500_000}),
    ("xai", "grok-4.20-0309-reasoning", {"thinking": "none", "reasoning": True}),
    ("xai", "grok-4.20-non-reasoning", {"thinking": "none", "reasoning": False}),
    ("xai", "grok-4.20-multi-agent", {"thinking": "effort", "reasoning": True}),
]


@pytest.mark.parametrize(("provider", "model", "expected"), KNOWN)
def test_rules(provider: str, model: str, expected: dict[str, Any]) -> None:
    rules = rules_for(provider, model)
    assert {name: getattr(rules, name) for name in expected} == expected


def test_declared_servers_have_no_models_and_take_any_effort() -> None:
    assert load_models("nobody") == {}
    assert rules_for("nobody", "anything") == ModelRules(thinking="effort")


def test_recorded_reasoning_is_expected() -> None:
    """No model that was recorded thinking aloud is said not to reason."""
    thinking = [
        case for case in load_cases() if case.provider in PROVIDERS and "thinking" in case.meta["features"]
    ]
    assert thinking
    silent = {case.id for case in thinking if not rules_for(case.provider, case.model).reasoning}
    assert silent == set()


@given(st.sampled_from(sorted(PROVIDERS)), st.text(max_size=40))
def test_any_id_has_rules(provider: str, model: str) -> None:
    assert isinstance(rules_for(provider, model), ModelRules)


@pytest.mark.parametrize("provider", [*sorted(PROVIDERS), "declared"])
def test_every_row_says_where_it_is_from(provider: str) -> None:
    text = FOLDER.joinpath(f"{provider}.toml").read_text("utf-8")
    rows = read_rows(provider, text)
    assert [row_id for row_id, row in rows.items() if not row.get("source")] == []
    assert "November 2026" in text or "[U]" in text
