"""Variables and arguments with which `smart-router run` makes one process of a tool use the router.

`tests/clients/` runs the tools of the table. Sources: the tools' documentation and programs, November 2026
(Claude Code 2.1: "LLM gateway configuration"; Codex 0.171: "config.md"; gemini-cli 0.61: "configuration.md";
opencode 1.18: "Config"; qwen-code 0.24: "settings.md"; aider: "OpenAI compatible APIs").
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from json import dumps
from pathlib import PurePath
from typing import NamedTuple

ANY_KEY = "unused"
"""The key for a router on this machine, which requires none; most tools do not start without one."""


@dataclass(frozen=True, slots=True)
class ModelLimits:
    """A model's name for clients, and its limits in tokens, None where unknown."""

    name: str
    context: int | None = None
    output: int | None = None


@dataclass(frozen=True, slots=True)
class RouterAccess:
    """A router for tools: its URL without a path, the client's key, its virtual models.

    `own_logins` are the providers for which the tool's own credential may serve (`[clients.own_login]`).
    """

    url: str
    models: Sequence[ModelLimits] = ()
    key: str = ANY_KEY
    own_logins: frozenset[str] = frozenset()

    def limits(self, name: str) -> ModelLimits:
        """The limits of a model; unknown ones for a name that the router does not list."""
        return next((one for one in self.models if one.name == name), ModelLimits(name))


@dataclass(frozen=True, slots=True)
class Launch:
    """Additions to a process: variables (None removes one), and arguments right after the program."""

    env: Mapping[str, str | None] = field(default_factory=dict)
    arguments: Sequence[str] = ()


CAUTIOUS_OUTPUT, CAUTIOUS_CONTEXT = 16_384, 128_000
"""Limits in tokens for tools that want a figure, where the models' own are unknown."""

AUTO, ECO, PREMIUM = "auto", "auto:eco", "auto:premium"

STANDARD = "auto:standard"
"""`auto` for tools to which that name means a choice of their own."""


def claude_variables(router: RouterAccess) -> dict[str, str]:
    """Claude Code's variables, for its process or for `env` in its settings."""
    # a token comes before a login, and Claude Code does not ask about it as about a key
    login = {} if "anthropic" in router.own_logins else {"ANTHROPIC_AUTH_TOKEN": router.key}
    return {
        "ANTHROPIC_BASE_URL": router.url,
        "ANTHROPIC_MODEL": AUTO,
        "ANTHROPIC_DEFAULT_OPUS_MODEL": PREMIUM,
        "ANTHROPIC_DEFAULT_SONNET_MODEL": AUTO,
        "ANTHROPIC_DEFAULT_HAIKU_MODEL": ECO,
        **login,
    }


def _claude(router: RouterAccess) -> Launch:
    variables = claude_variables(router)
    key = {"ANTHROPIC_API_KEY": None} if "ANTHROPIC_AUTH_TOKEN" in variables else {}  # both are a conflict
    return Launch({**variables, **key})


CODEX_KEY = "SMART_ROUTER_KEY"


def codex_settings(router: RouterAccess, *, env_key: bool) -> dict[str, str | int | bool]:
    """Codex's settings by dotted key. `env_key`: a variable has the key, in a process of ours."""
    provider = "model_providers.router"
    settings: dict[str, str | int | bool] = {
        "model": AUTO,
        "model_provider": "router",
        f"{provider}.name": "Smart Router",
        f"{provider}.base_url": f"{router.url}/v1",
        f"{provider}.wire_api": "responses",
    }
    if router.own_logins & {"openai", "openai-codex"}:
        settings[f"{provider}.requires_openai_auth"] = True
    elif env_key:
        settings[f"{provider}.env_key"] = CODEX_KEY
    elif router.key != ANY_KEY:
        settings[f"{provider}.experimental_bearer_token"] = router.key
    if context := router.limits(AUTO).context:
        settings["model_context_window"] = context
    return settings


def _codex(router: RouterAccess) -> Launch:
    settings = [
        arg
        for key, value in codex_settings(router, env_key=True).items()
        for arg in ("-c", f"{key}={dumps(value)}")
    ]
    return Launch({CODEX_KEY: router.key}, arguments=settings)


def _gemini(router: RouterAccess) -> Launch:
    """With "selectedType": "gemini-api-key" in the user's settings: else 0.61 takes no base URL."""
    return Launch({**_gemini_proxied(router).env, "GOOGLE_GEMINI_BASE_URL": router.url})


def _gemini_proxied(router: RouterAccess) -> Launch:
    # without a model it has a small one choose among Google's before each turn
    model = {"GEMINI_MODEL": STANDARD}
    return Launch(model if "google" in router.own_logins else {**model, "GEMINI_API_KEY": router.key})


def opencode_config(router: RouterAccess) -> dict[str, object]:
    """The part of opencode's config that adds the router and makes it the default."""
    models = {one.name: {"name": one.name, **_opencode_limit(one)} for one in router.models}
    provider = {
        "npm": "@ai-sdk/openai-compatible",
        "name": "Smart Router",
        "options": {"baseURL": f"{router.url}/v1", "apiKey": router.key},
        "models": models or {AUTO: {"name": AUTO}},
    }
    chosen = {"model": f"router/{AUTO}", "small_model": f"router/{ECO if models else AUTO}"}
    return {"provider": {"router": provider}, **chosen}


def _opencode_limit(model: ModelLimits) -> dict[str, dict[str, int]]:
    """opencode wants both figures or none."""
    if model.context is None:
        return {}
    return {"limit": {"context": model.context, "output": model.output or CAUTIOUS_OUTPUT}}


def _opencode(router: RouterAccess) -> Launch:
    return Launch({"OPENCODE_CONFIG_CONTENT": dumps(opencode_config(router))})


def _qwen(router: RouterAccess) -> Launch:
    return Launch({**_openai(router), "OPENAI_MODEL": AUTO, "QWEN_DEFAULT_AUTH_TYPE": "openai"})


def _aider(router: RouterAccess) -> Launch:
    models = {"AIDER_MODEL": f"openai/{AUTO}", "AIDER_WEAK_MODEL": f"openai/{ECO}"}
    access = {"AIDER_OPENAI_API_BASE": f"{router.url}/v1", "AIDER_OPENAI_API_KEY": router.key}
    # it knows nothing of the router's models, and would ask the user about it
    return Launch({**access, **models, "AIDER_SHOW_MODEL_WARNINGS": "false"})


def _openai(router: RouterAccess) -> dict[str, str]:
    return {"OPENAI_BASE_URL": f"{router.url}/v1", "OPENAI_API_KEY": router.key}


def _any(router: RouterAccess) -> Launch:
    env = {
        **_openai(router),
        "OPENAI_API_BASE": f"{router.url}/v1",
        "ANTHROPIC_BASE_URL": router.url,
        "ANTHROPIC_API_KEY": router.key,
        "GOOGLE_GEMINI_BASE_URL": router.url,
        "GEMINI_API_KEY": router.key,
    }
    return Launch(env)


class Tool(NamedTuple):
    """How a tool is launched with base URLs, and with the router as its proxy; `proxied`: the latter unless
    asked otherwise."""

    by_base_url: Callable[[RouterAccess], Launch]
    by_proxy: Callable[[RouterAccess], Launch] = lambda router: Launch()
    proxied: bool = False


TOOLS: Mapping[str, Tool] = {
    "aider": Tool(_aider),
    "claude": Tool(_claude),
    "codex": Tool(_codex),
    "gemini": Tool(_gemini, _gemini_proxied, proxied=True),
    "opencode": Tool(_opencode),
    "qwen": Tool(_qwen),
}
"""By the name of the tool's command."""

ANY_TOOL = Tool(_any, proxied=True)
"""A command that is not in the table: it gets the variables that SDKs read, and the proxy."""


def tool_of(program: str) -> str | None:
    """Name of the tool in the table that a command is, None if it is another."""
    name = PurePath(program).name.lower()
    stem = name.rsplit(".", 1)[0] if name.endswith((".exe", ".cmd", ".bat", ".js")) else name
    return stem if stem in TOOLS else None
