"""Emulators of every vendor's request rules: they refuse what it refuses, with its status and message.

Each rule names its source: a page or a package with its version, reports of other gateways' users (repository
and number), or [U] where nothing confirms it: such a rule is a cautious reading of the vendor's reference.
"""

from __future__ import annotations

from collections.abc import Mapping

from tests.testbed.validators.anthropic import ANTHROPIC
from tests.testbed.validators.base import Refusal, Rule, Validator
from tests.testbed.validators.compatible import DEEPSEEK, GROQ, OPENROUTER, QWEN, QWEN_PORTAL, XAI
from tests.testbed.validators.gemini import CLOUD_CODE, GEMINI
from tests.testbed.validators.minimax import MINIMAX
from tests.testbed.validators.openai_chat import CHAT
from tests.testbed.validators.openai_responses import CODEX, RESPONSES

__all__ = ["VALIDATORS", "Refusal", "Rule", "Validator", "check", "validator_for"]

VALIDATORS: Mapping[str, Validator] = {
    "openai": CHAT,
    "openai responses": RESPONSES,
    "anthropic": ANTHROPIC,
    "google": GEMINI,
    "qwen-dashscope": QWEN,
    "deepseek": DEEPSEEK,
    "xai": XAI,
    "groq": GROQ,
    "openrouter": OPENROUTER,
    "antigravity": CLOUD_CODE,
    "qwen-portal": QWEN_PORTAL,
    "minimax-portal": MINIMAX,
    "openai-codex": CODEX,
}
"""By provider; OpenAI has one for each of its two wires."""


def validator_for(provider: str, path: str) -> Validator:
    """Return the validator of the wire that a request to a provider is on."""
    return VALIDATORS["openai responses" if provider == "openai" and "/responses" in path else provider]


def check(provider: str, path: str, headers: Mapping[str, str], body: bytes) -> Refusal | None:
    """Return the provider's refusal of a request, None if it takes it."""
    return validator_for(provider, path).check(path, headers, body)
