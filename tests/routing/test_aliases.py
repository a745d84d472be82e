"""Aliases, the tools' names for models, and the side calls of these tools."""

from __future__ import annotations

from typing import Any

import pytest

from smart_router.config import parse_config
from smart_router.config_errors import ConfigError
from smart_router.routing.side_calls import side_call

ALIASES = {
    "presets": ["claude-code", "codex", "gemini-cli"],
    "aliases": {"claude-sonnet-5-5": "keep", "gpt-5*": "keep", "house-*": "openai/gpt-5.4-mini"},
}

NAMES = [
    ("claude-haiku-5-5", "auto:eco"),
    ("claude-3-5-haiku-20241022", "auto:eco"),
    ("claude-opus-5-5", "auto:premium"),
    ("claude-sonnet-5-5", None),
    ("claude-sonnet-4-5", "auto"),
    ("gpt-5.4-mini", None),
    ("gpt-6.1-sol", "auto"),
    ("gpt-6-mini", "auto:eco"),
    ("gemini-3.5-flash-lite", "auto:eco"),
    ("gemini-3.8-flash", "auto"),
    ("gemini-3.1-pro-preview", "auto:premium"),
    ("house-model", "openai/gpt-5.4-mini"),
    ("auto", None),
    ("groq/openai/gpt-oss-20b", None),
]


@pytest.mark.parametrize(("asked", "name"), NAMES)
def test_aliases(asked: str, name: str | None) -> None:
    assert parse_config({"models": ALIASES}, {}).aliases.find(asked) == name


def test_nothing_is_an_alias_unless_the_user_says_so() -> None:
    assert parse_config({}, {}).aliases.find("claude-haiku-5-5") is None


@pytest.mark.parametrize(
    ("models", "key"),
    [
        ({"presets": ["claude"]}, "models.presets"),
        ({"aliases": {"": "auto"}}, "models.aliases"),
        ({"aliases": {"a": 5}}, "models.aliases"),
        ({"alias": {}}, "models.alias"),
    ],
)
def test_wrong_tables_are_named(models: Any, key: str) -> None:
    with pytest.raises(ConfigError) as raised:
        parse_config({"models": models}, {})
    assert key in str(raised.value)


@pytest.mark.parametrize("name", ["auto:echo", "nobody/model", "openai/gpt-none"])
def test_alias_for_a_model_that_nobody_has_is_a_warning(name: str) -> None:
    (warning,) = parse_config({"models": {"aliases": {"x": name}}}, {}).warnings
    assert 'models.aliases."x"' in str(warning)


TOOLS = {"tools": [{"type": "function", "function": {"name": "f"}}]}
TITLED = {
    "response_format": {
        "type": "json_schema",
        "json_schema": {"name": "t", "schema": {"type": "object", "properties": {"title": {}}}},
    }
}
SYSTEM = {"messages": [{"role": "system", "content": "Write a short title for this conversation."}]}
CLAUDE = "claude-cli/2.1.197 (external, sdk-cli)"
CALLS: list[tuple[str, str, dict[str, Any], str | None]] = [
    (CLAUDE, "claude-sonnet-5-5", TOOLS, None),
    (CLAUDE, "claude-haiku-5-5", TOOLS, "sub-agent of Claude Code (small model claude-haiku-5-5)"),
    (CLAUDE, "claude-sonnet-5-5", TITLED, "background call of Claude Code (title, no tools)"),
    (CLAUDE, "claude-haiku-5-5", {"tools": []},
     "background call of Claude Code (no tools, small model claude-haiku-5-5)"),
    ("codex_exec/0.169.0 (Debian)", "gpt-6", {}, "background call of Codex (no tools)"),
    ("GeminiCLI-tui/0.61.0/gemini-2.5-flash (linux)", "gemini-2.5-flash-lite", SYSTEM,
     "background call of gemini-cli (title, no tools, small model gemini-2.5-flash-lite)"),
    ("opencode/1.18.33 ai-sdk", "m", SYSTEM, "background call of opencode (title, no tools)"),
    ("OpenAI/Python 3.57.0", "gpt-5.4-mini", SYSTEM, None),
    ("", "gpt-5.4-mini", {}, None),
]  # fmt: skip


@pytest.mark.parametrize(("agent", "asked", "request_", "said"), CALLS)
def test_side_calls_of_tools(agent: str, asked: str, request_: dict[str, Any], said: str | None) -> None:
    assert side_call(agent, asked, request_) == said
