"""The config of each tool that `smart-router setup` prints and writes.

`docs/tools/` has a page for each tool, with the sources. [U]: not confirmed by a run.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

from smart_router.tools.documents import Format
from smart_router.tools.launch import (
    AUTO,
    CAUTIOUS_CONTEXT,
    CAUTIOUS_OUTPUT,
    ECO,
    PREMIUM,
    STANDARD,
    RouterAccess,
    claude_variables,
    codex_settings,
    opencode_config,
)


class Part(NamedTuple):
    """One config file: its path, its format, and the values to set."""

    path: Path
    format: Format
    values: Any


class ToolSetup(NamedTuple):
    """A tool. `parts` returns the files to change in a home, none for a tool without such files; `steps`
    returns instructions for its settings; `then` says what to do after the files are written."""

    title: str
    parts: Callable[[RouterAccess, Path], Sequence[Part]] = lambda router, home: ()
    steps: Callable[[RouterAccess], Sequence[str]] = lambda router: ()
    then: str = ""


CHOICES = (AUTO, ECO, PREMIUM)
"""The models that tools with a list of models get."""


def _claude(router: RouterAccess, home: Path) -> Sequence[Part]:
    return [Part(home / ".claude/settings.json", "json", {"env": claude_variables(router)})]


def _codex(router: RouterAccess, home: Path) -> Sequence[Part]:
    values: dict[str, Any] = {}
    for dotted, value in codex_settings(router, env_key=False).items():
        *tables, key = dotted.split(".")
        table = values
        for name in tables:
            table = table.setdefault(name, {})
        table[key] = value
    return [Part(_folder("CODEX_HOME", home / ".codex") / "config.toml", "toml", values)]


def _gemini(router: RouterAccess, home: Path) -> Sequence[Part]:
    settings = {"security": {"auth": {"selectedType": "gemini-api-key"}}, "model": {"name": STANDARD}}
    variables = {"GOOGLE_GEMINI_BASE_URL": router.url, "GEMINI_API_KEY": router.key}
    folder = home / ".gemini"
    return [Part(folder / "settings.json", "json", settings), Part(folder / ".env", "env", variables)]


def _opencode(router: RouterAccess, home: Path) -> Sequence[Part]:
    folder = _folder("XDG_CONFIG_HOME", home / ".config") / "opencode"
    known = [folder / "opencode.jsonc", folder / "opencode.json"]
    path = next((one for one in known if one.exists()), known[-1])
    return [Part(path, "json", {"$schema": "https://opencode.ai/config.json", **opencode_config(router)})]


def _aider(router: RouterAccess, home: Path) -> Sequence[Part]:
    settings = {
        "model": f"openai/{AUTO}",
        "weak-model": f"openai/{ECO}",
        "openai-api-base": f"{router.url}/v1",
        "openai-api-key": router.key,
    }
    metadata = {
        f"openai/{name}": {
            "max_input_tokens": limits.context or CAUTIOUS_CONTEXT,
            "max_output_tokens": limits.output or CAUTIOUS_OUTPUT,
            "litellm_provider": "openai",
            "mode": "chat",
        }
        for name in CHOICES
        for limits in [router.limits(name)]
    }
    return [
        Part(home / ".aider.conf.yml", "yaml", settings),
        Part(home / ".aider.model.metadata.json", "json", metadata),
    ]


def _continue(router: RouterAccess, home: Path) -> Sequence[Part]:
    roles = {AUTO: ["chat", "edit", "apply"], ECO: ["summarize"], PREMIUM: ["chat", "edit"]}
    models = [
        {
            "name": name,
            "provider": "openai",
            "model": name,
            "apiBase": f"{router.url}/v1",
            "apiKey": router.key,
            "roles": roles[name],
            "defaultCompletionOptions": {"contextLength": router.limits(name).context or CAUTIOUS_CONTEXT},
        }
        for name in CHOICES
    ]
    path = _folder("CONTINUE_GLOBAL_DIR", home / ".continue") / "config.yaml"
    head = {} if path.exists() else {"name": "Smart Router", "version": "0.0.1", "schema": "v1"}
    return [Part(path, "yaml", {**head, "models": models})]


def _zed(router: RouterAccess, home: Path) -> Sequence[Part]:
    models = [
        {"name": name, "display_name": name, "max_tokens": router.limits(name).context or CAUTIOUS_CONTEXT}
        for name in CHOICES
    ]
    provider = {"Smart Router": {"api_url": f"{router.url}/v1", "available_models": models}}
    windows = sys.platform == "win32"
    folder = _app_data(home) / "Zed" if windows else _folder("XDG_CONFIG_HOME", home / ".config") / "zed"
    return [Part(folder / "settings.json", "json", {"language_models": {"openai_compatible": provider}})]


def _vscode(router: RouterAccess, home: Path) -> Sequence[Part]:
    models = [
        {
            "id": name,
            "name": name,
            "url": f"{router.url}/v1/chat/completions",
            "toolCalling": True,
            "vision": True,
            "maxInputTokens": limits.context or CAUTIOUS_CONTEXT,
            "maxOutputTokens": limits.output or CAUTIOUS_OUTPUT,
        }
        for name in CHOICES
        for limits in [router.limits(name)]
    ]
    provider = {"name": "Smart Router", "vendor": "customendpoint", "apiKey": router.key}
    values = [{**provider, "apiType": "chat-completions", "models": models}]
    return [Part(_app_data(home) / "Code/User/chatLanguageModels.json", "json", values)]


def _folder(variable: str, usual: Path) -> Path:
    """A folder that a variable may name."""
    return Path(named) if (named := os.environ.get(variable)) else usual


def _app_data(home: Path) -> Path:
    """Where desktop programs keep their settings."""
    if sys.platform == "darwin":
        return home / "Library/Application Support"
    if sys.platform == "win32":
        return _folder("APPDATA", home / "AppData/Roaming")
    return _folder("XDG_CONFIG_HOME", home / ".config")


def _cline(router: RouterAccess, home: Path) -> Sequence[Part]:
    """The file of its command line, 3.0; the extension of VS Code keeps its settings elsewhere."""
    settings = {"provider": _CLINE, "apiKey": router.key, "model": AUTO, "baseUrl": f"{router.url}/v1"}
    # without time and source it takes the file for a broken one, and begins a new one
    entry = {"settings": settings, "updatedAt": "2026-11-01T00:00:00.000Z", "tokenSource": "manual"}
    values = {"version": 1, "lastUsedProvider": _CLINE, "modes": {}, "providers": {_CLINE: entry}}
    return [Part(home / ".cline/data/settings/providers.json", "json", values)]


_CLINE = "openai-compatible"
"""Cline's name for a provider with a base URL."""


def _cline_steps(router: RouterAccess) -> Sequence[str]:
    limits = router.limits(AUTO)
    sizes = [f"Context Window Size (Model Configuration): {limits.context}"] if limits.context else []
    return [
        "in an editor, open Cline's settings: the cog of its panel",
        "API Provider: OpenAI Compatible",
        f"Base URL: {router.url}/v1",
        f"API Key: {router.key}",
        f"Model ID: {AUTO}",
        *sizes,
    ]


def _jetbrains_steps(router: RouterAccess) -> Sequence[str]:
    return [
        "open Settings, Tools, AI Assistant, Providers & API keys",
        "Provider: OpenAI-compatible",
        f"URL: {router.url}/v1",
        f"API Key: {router.key}",
        f"Model: {AUTO}",
    ]


def _open_webui_steps(router: RouterAccess) -> Sequence[str]:
    return [
        f"start it with OPENAI_API_BASE_URL={router.url}/v1 OPENAI_API_KEY={router.key}",
        f"or add the connection {router.url}/v1 in Admin Settings, Connections; it lists the models itself",
    ]


SETUPS: Mapping[str, ToolSetup] = {
    "aider": ToolSetup("aider", _aider),
    "claude": ToolSetup("Claude Code", _claude),
    "cline": ToolSetup(
        "Cline",
        _cline,
        _cline_steps,
        then="in an editor, fill in Cline's settings as `smart-router setup cline` says",
    ),
    "codex": ToolSetup("Codex CLI", _codex),
    "continue": ToolSetup("Continue", _continue),
    "gemini": ToolSetup("gemini-cli", _gemini),
    "jetbrains": ToolSetup("JetBrains AI Assistant", steps=_jetbrains_steps),
    "open-webui": ToolSetup("Open WebUI", steps=_open_webui_steps),
    "opencode": ToolSetup("opencode", _opencode),
    "vscode": ToolSetup("VS Code", _vscode, then="choose the model in the chat's list of models"),
    "zed": ToolSetup(
        "Zed", _zed, then="start Zed with SMART_ROUTER_API_KEY set, or enter a key in the agent's settings"
    ),
}
"""By the name that `smart-router setup` takes."""
