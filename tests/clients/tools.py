"""How each command line tool is pointed at the router, and asked for something without a terminal."""

from __future__ import annotations

import json
import os
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path

PROMPT = "Write the file."

ANY_KEY = "a-key-of-nobody"
"""Shown to a router that asks for none; tools do not start without one."""


@dataclass(frozen=True, slots=True)
class Setup:
    """Variables of a tool's process, and files by path below its home."""

    env: Mapping[str, str]
    files: Mapping[str, str]


@dataclass(frozen=True, slots=True)
class Tool:
    """A tool. `command` are its name and arguments; `by_base_url` sets it up for a router's URL."""

    name: str
    command: tuple[str, ...]
    by_base_url: Callable[[str], Setup]


def _claude(url: str) -> Setup:
    quiet = {"CLAUDE_CODE_DISABLE_NONESSENTIAL_TRAFFIC": "1"}
    return Setup({"ANTHROPIC_BASE_URL": url, "ANTHROPIC_API_KEY": ANY_KEY, **quiet}, {})


def _codex(url: str) -> Setup:
    config = f"""
model = "auto"
model_provider = "router"
[model_providers.router]
name = "Smart Router"
base_url = "{url}/v1"
wire_api = "responses"
env_key = "ROUTER_KEY"
"""
    return Setup({"ROUTER_KEY": ANY_KEY}, {".codex/config.toml": config})


_GEMINI_SETTINGS = {
    "security": {"auth": {"selectedType": "gemini-api-key"}},
    "privacy": {"usageStatisticsEnabled": False},
    "general": {"disableAutoUpdate": True},
}


def _gemini(url: str) -> Setup:
    env = {"GOOGLE_GEMINI_BASE_URL": url, "GEMINI_API_KEY": ANY_KEY, "GEMINI_CLI_TRUST_WORKSPACE": "true"}
    return Setup(env, {".gemini/settings.json": json.dumps(_GEMINI_SETTINGS)})


def _opencode(url: str) -> Setup:
    router = {
        "npm": "@ai-sdk/openai-compatible",
        "options": {"baseURL": f"{url}/v1", "apiKey": ANY_KEY},
        "models": {"auto": {"name": "auto"}},
    }
    config = {"autoupdate": False, "share": "disabled", "provider": {"router": router}}
    env = {"OPENCODE_DISABLE_MODELS_FETCH": "1", "OPENCODE_DISABLE_AUTOUPDATE": "1"}
    return Setup(env, {".config/opencode/opencode.json": json.dumps(config)})


def _qwen(url: str) -> Setup:
    env = {"OPENAI_BASE_URL": f"{url}/v1", "OPENAI_API_KEY": ANY_KEY, "OPENAI_MODEL": "auto"}
    return Setup(env, {".qwen/settings.json": json.dumps({"general": {"disableAutoUpdate": True}})})


TOOLS: Mapping[str, Tool] = {
    tool.name: tool
    for tool in (
        Tool(
            "claude",
            ("claude", "-p", PROMPT, "--permission-mode", "acceptEdits", "--model", "auto"),
            _claude,
        ),
        Tool(
            "codex",
            ("codex", "exec", "--skip-git-repo-check", "--dangerously-bypass-approvals-and-sandbox", PROMPT),
            _codex,
        ),
        Tool(
            "gemini",
            ("gemini", "-p", PROMPT, "--approval-mode", "yolo", "-m", "auto:medium"),
            _gemini,
        ),
        Tool("opencode", ("opencode", "run", "-m", "router/auto", PROMPT), _opencode),
        Tool("qwen", ("qwen", "-p", PROMPT, "--yolo", "--auth-type", "openai"), _qwen),
    )
}


def write_files(home: Path, files: Mapping[str, str]) -> None:
    """Write a tool's files below its home."""
    for name, text in files.items():
        path = home / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text, "utf-8")


def base_env(home: Path) -> dict[str, str]:
    """Return the variables of every tool's process: nothing of the caller's but the path."""
    return {"PATH": os.environ["PATH"], "HOME": str(home), "TERM": "dumb", "LANG": "C.UTF-8"}
