"""A conversation that moves between providers: requests through the router, answers of emulators.

Everything between the sockets is the router's own: the client dialect's schema, the builder of attempts with
its memory of reasoning, the provider's dialect, and the reading of the answer.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from mitmproxy import http
from mitmproxy.test import tflow
from pydantic import SecretStr

from smart_router.attempts.answer import Answer
from smart_router.attempts.attempt import Attempt
from smart_router.attempts.builder import AttemptBuilder
from smart_router.attempts.exchange import Exchange, Services
from smart_router.attempts.limits import Limits
from smart_router.attempts.reasoning_cache import ReasoningCache
from smart_router.auth.profiles import Profile
from smart_router.auth.store import AuthStore
from smart_router.dialects.fold import fold
from smart_router.dialects.openai_chat.client import CHAT
from smart_router.errors import ClientError, UpstreamError
from smart_router.providers.registry import PROVIDERS
from smart_router.routing.decision import Candidate, Decision
from smart_router.routing.sticky import StickyTable
from tests.testbed.moving.answers import Said, answer_to
from tests.testbed.validators import Refusal, check

EXTRAS = {"antigravity": {"project": "project-1"}, "openai-codex": {"account_id": "account-1"}}
"""The further fields of a login's profile, by provider."""

Message = dict[str, Any]


@dataclass(frozen=True)
class Outcome:
    """The outcome of one request: answered with `message`, refused by the vendor, or by the router itself."""

    candidate: str
    message: Message | None = None
    refusal: Refusal | None = None
    ours: ClientError | None = None
    sent: bytes = b""


def _profile(provider: str) -> Profile:
    kind: Any = PROVIDERS[provider].kind
    secret, extras = SecretStr("secret"), EXTRAS.get(provider, {})
    return Profile(f"{provider}:test", provider, kind, secret, "fingerprint", extras=extras)


PROFILES = {provider: _profile(provider) for provider in PROVIDERS}
_FLOW = tflow.tflow()
_AUTH = AuthStore({}, {})
_BUILDER = AttemptBuilder(PROVIDERS, {}, lambda: 1_760_000_000.0)


class Router:
    """The router's memory of one conversation of one client, and that conversation's requests."""

    def __init__(self) -> None:
        self._services = Services(_AUTH, StickyTable(), ReasoningCache(), _BUILDER.build)
        self._requests = 0

    def send(self, candidate: str, request: Mapping[str, Any], said: Said) -> Outcome:
        """Send a client's request to `provider/model`, whose emulator checks it and says this."""
        provider, _, model = candidate.partition("/")
        self._requests += 1
        try:
            exchange = self._exchange(json.dumps({**request, "model": candidate}).encode(), provider, model)
            attempt = _BUILDER.build(exchange, exchange.decision.candidates[0], PROFILES[provider])
        except ClientError as error:
            return Outcome(candidate, ours=error)
        exchange.attempt = attempt
        sent = attempt.flow.request
        body = sent.content or b""
        if refusal := check(provider, sent.path, dict(sent.headers), body):
            return Outcome(candidate, refusal=refusal, sent=body)
        content_type, data = answer_to(provider, sent.path, json.loads(body), said)
        return Outcome(candidate, _read(exchange, attempt, content_type, data), sent=body)

    def _exchange(self, body: bytes, provider: str, model: str) -> Exchange:
        request = CHAT.read_request(body, {})
        chosen = (Candidate(provider, model),)
        decision = Decision("m", True, None, None, None, None, chosen, False, "asked for")
        return Exchange(
            id=f"request{self._requests}",
            started=0.0,
            limits=Limits(),
            request=request,
            decision=decision,
            session="session-1",
            client_flow=_FLOW,
            services=self._services,
            dialect=CHAT,
        )


def _read(exchange: Exchange, attempt: Attempt, content_type: str, data: bytes) -> Message:
    """The message of an answer as the client gets it; the router remembers its reasoning."""
    response = http.Response.make(200, data, {"content-type": content_type})
    attempt.flow.response = response
    attempt.head(response)
    events = attempt.feed(data)
    end = attempt.end()
    answer = Answer(exchange)
    completion: Any = end
    if isinstance(end, list):
        answer.take([*events, *end])
        completion = fold([*events, *end])
    else:
        answer.take_complete(end)
    assert not isinstance(completion, UpstreamError), f"{attempt.candidate}: {completion}: {data!r}"
    message: Message = dict(completion["choices"][0]["message"])
    return message
