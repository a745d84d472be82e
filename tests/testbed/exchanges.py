"""Exchanges for the tests of who is tried next and what the client is told: no mitmproxy runs, no socket."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from mitmproxy.test import tflow

from smart_router.attempts.attempt import Attempt
from smart_router.attempts.builder import AttemptBuilder
from smart_router.attempts.exchange import Exchange, Services
from smart_router.attempts.limits import Limits
from smart_router.attempts.reasoning_cache import ReasoningCache
from smart_router.attempts.retries import RetryBudget
from smart_router.auth.store import AuthStore
from smart_router.dialects.openai_chat.client import CHAT
from smart_router.errors import ErrorClass, Scope, UpstreamError
from smart_router.providers.openai_compatible import declared_provider
from smart_router.routing.decision import Candidate, Decision
from smart_router.routing.sticky import StickyTable

PROVIDERS = {
    name: declared_provider(name, f"http://{name}.invalid/v1", key_env=f"{name.upper()}_KEY")
    for name in ("a", "b", "c")
}
ENV = {"A_KEY": "key-a1,key-a2", "B_KEY": "key-b", "C_KEY": "key-c"}
"""Provider `a` has two profiles, the others have one."""

SCOPES: Mapping[ErrorClass, Scope] = {
    "quota": "profile",
    "auth": "profile",
    "auth_permanent": "profile",
    "context_length": "none",
    "content_filter": "none",
    "bad_request": "none",
    "unsupported": "none",
}
"""Of the classes that do not speak of a model."""


def candidate(name: str) -> Candidate:
    """`a/m`"""
    provider, _, model = name.partition("/")
    return Candidate(provider, model)


def decision(*names: str, explicit: bool = False) -> Decision:
    """A decision for these candidates."""
    chain = tuple(map(candidate, names))
    if explicit:
        return Decision(names[0], True, None, None, None, None, chain, False, f"asked for {names[0]}")
    return Decision("auto", False, 0.25, "SIMPLE", 0.9, None, chain, False, "SIMPLE; first of the chain")


def exchange(
    *names: str,
    explicit: bool = False,
    auth: AuthStore | None = None,
    limits: Limits | None = None,
    budget: RetryBudget | None = None,
    started: float = 0.0,
    **body: Any,
) -> Exchange:
    """An exchange with candidates of these names, whose random numbers are all 0."""
    auth = auth or AuthStore(ENV, PROVIDERS)
    build = AttemptBuilder(PROVIDERS, ENV, lambda: 1_700_000_000.0).build
    services = Services(
        auth, StickyTable(), ReasoningCache(), build, budget=budget or RetryBudget(), jitter=lambda: 0.0
    )
    request: Any = {"model": "auto", "messages": [{"role": "user", "content": "Hi"}], **body}
    return Exchange(
        id="request-1",
        started=started,
        limits=limits or Limits(),
        request=request,
        decision=decision(*names, explicit=explicit),
        session="session-1",
        client_flow=tflow.tflow(),
        services=services,
        dialect=CHAT,
        sticky_keys=("session-1",),
    )


def error(kind: ErrorClass, retry_after: float | None = None, status: int = 500) -> UpstreamError:
    """A failure of a class, as providers mean it."""
    return UpstreamError(kind, SCOPES.get(kind, "model"), status, f"{kind} happened", retry_after=retry_after)


def tried(step: object) -> str:
    """`a/m a:env` of an attempt, the step's type otherwise."""
    if isinstance(step, Attempt):
        return f"{step.candidate} {step.profile_id}"
    return type(step).__name__


A1, A2, B, C = "a/m a:env", "a/m a:env2", "b/m b:env", "c/m c:env"
"""Attempts with model m, as `tried` writes them."""
