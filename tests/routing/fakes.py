"""A small world of providers to route in."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Any, cast

from smart_router.dialects.base import Dialect
from smart_router.dialects.model_rules import ModelRules
from smart_router.providers.base import Model, Provider
from smart_router.routing.config import load_defaults
from smart_router.routing.decision import Tier
from smart_router.routing.scoring import score_request


def provider(name: str, *models: str, listed: bool = True, login: bool = False, **rules: Any) -> Provider:
    """A provider with these models, all with the same rules."""
    return Provider(
        id=name,
        dialect=cast(Dialect, None),  # routing never touches it
        base_url="https://example.invalid/v1",
        key_env=() if login else (f"{name.upper()}_API_KEY",),
        kind="login" if login else "key",
        models={model: Model(model, ModelRules(**rules)) for model in models},
        listed=listed,
    )


def world(*providers: Provider) -> dict[str, Provider]:
    return {p.id: p for p in providers}


def only(*names: str) -> Callable[..., bool]:
    """`usable` or `configured` for these providers (`openai`) or models (`openai/gpt`)."""
    return lambda name, model=None: name in names or f"{name}/{model}" in names


def score(prompt: str) -> float:
    """The score of a bare prompt under the default configuration."""
    return score_request(chat(prompt), load_defaults()).score


def tier(prompt: str) -> Tier:
    """The tier of a bare prompt under the default configuration."""
    return score_request(chat(prompt), load_defaults()).tier


def chat(*texts: str, **fields: Any) -> Any:
    """A request whose turns alternate between user and assistant."""
    roles: Iterable[str] = ("user", "assistant")
    messages = [{"role": list(roles)[i % 2], "content": text} for i, text in enumerate(texts)]
    return {"model": "auto", "messages": messages, **fields}
