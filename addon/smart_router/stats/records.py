"""Records of requests and their attempts.

They hold no text of prompts or answers, except `RequestRecord.content`, which is empty unless the user asked
for it.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, NamedTuple, get_args

from smart_router.providers.base import Basis

if TYPE_CHECKING:
    from smart_router.routing.decision import Candidate, Decision

CLIENT_LEFT = "client_left"
"""The failure of a request or attempt whose client left before the end; nobody's error."""

_NONE: Mapping[str, Any] = {}


class Tokens(NamedTuple):
    """Tokens in OpenAI's convention: `input` includes `cached` and `cache_write`, `output` includes
    `reasoning`.

    `estimated`: the provider gave no counts. `stated` is the cost in USD that the provider stated
    (OpenRouter), `service_tier` the one that the answer names. Of `cache_write`, `hour_write`
    went to Anthropic's one-hour cache.
    """

    input: int = 0
    cached: int = 0
    cache_write: int = 0
    output: int = 0
    reasoning: int = 0
    estimated: bool = False
    stated: float | None = None
    service_tier: str | None = None
    hour_write: int = 0

    @classmethod
    def of(cls, usage: Mapping[str, Any], service_tier: str | None = None) -> Tokens:
        """The counts of a hub `Usage`."""
        prompt = usage.get("prompt_tokens_details") or _NONE
        completion = usage.get("completion_tokens_details") or _NONE
        return cls(  # by place, which takes half as long
            usage["prompt_tokens"],
            prompt.get("cached_tokens") or 0,
            prompt.get("cache_write_tokens") or 0,
            usage["completion_tokens"],
            completion.get("reasoning_tokens") or 0,
            False,
            usage.get("cost"),
            service_tier,
            prompt.get("cache_write_1h_tokens") or 0,
        )


class Cost(NamedTuple):
    """An amount in US dollars."""

    usd: float
    basis: Basis


class Saving(NamedTuple):
    """The cost of a request, and that of its baseline for the same tokens (USD)."""

    cost: float
    baseline: float


@dataclass(slots=True)
class AttemptRecord:
    """One exchange with a provider. Times are seconds: `started` from the request's start, `ttft` (time to
    the first content, streams only) and `duration` from the attempt's.

    `status` is the provider's HTTP status, None if it sent none. `failure` is an ErrorClass, CLIENT_LEFT, or
    None for the attempt that answered. `answered_model` is the model as the answer names it. `tokens` are
    None when nothing came. `cost` is filled in by the writer's thread, or before at a price that is known.
    """

    number: int
    candidate: Candidate
    profile: str
    dialect: str
    answered_model: str | None
    status: int | None
    failure: str | None
    started: float
    ttft: float | None
    duration: float
    tokens: Tokens | None
    cost: Cost | None = None


@dataclass(slots=True)
class RequestRecord:
    """One request that was routed. `time` is unix seconds at its start; times are seconds.

    `operation` is the client dialect's. `client` is the name of the key that was shown, `address` where it
    came from. `status` is what the client got, None if it left before; `failure` an ErrorClass, an error code
    of the router, CLIENT_LEFT, or None. `ttft` counts from the request's start, attempts that failed
    included. `overhead` is `duration` without the time in which providers were waited for. The cost is
    compared with that of `baseline`, the dearest of `baselines`; it and `baseline_cost` are filled in off the
    request's path. `mark` is that of a `smart-router run`.
    """

    id: str
    time: float
    session: str | None
    operation: str
    client: str | None
    address: str
    decision: Decision
    streamed: bool
    status: int | None
    failure: str | None
    ttft: float | None
    duration: float
    overhead: float
    attempts: tuple[AttemptRecord, ...]
    baselines: tuple[Candidate, ...]
    baseline: Candidate | None = None
    baseline_cost: Cost | None = None
    content: Any = None
    mark: str | None = None

    @property
    def last(self) -> AttemptRecord | None:
        """The attempt that answered, or the last one that failed."""
        return self.attempts[-1] if self.attempts else None

    @property
    def cost(self) -> Cost | None:
        """Cost of all attempts, None if a price is unknown or nothing was used."""
        if len(self.attempts) == 1:  # nearly always
            only = self.attempts[0]
            return only.cost if only.tokens else None
        used = [attempt for attempt in self.attempts if attempt.tokens]
        costs = [attempt.cost for attempt in used if attempt.cost]
        if not used or len(costs) < len(used):
            return None
        weakest = max((cost.basis for cost in costs), key=_BASES.index)
        return Cost(sum(cost.usd for cost in costs), weakest)

    @property
    def saving(self) -> Saving | None:
        """The saving; None for a request whose model the client chose, or if a cost is unknown."""
        if self.decision.explicit or self.baseline_cost is None or (cost := self.cost) is None:
            return None
        return Saving(cost.usd, self.baseline_cost.usd)


_BASES: tuple[Basis, ...] = get_args(Basis)
"""Bases of amounts, the most certain first."""


@dataclass(frozen=True, slots=True)
class RefusalRecord:
    """A request that was refused before it was routed; for the audit log alone.

    `action` is method and path; `outcome` the error's code.
    """

    time: float
    client: str | None
    address: str
    action: str
    status: int
    outcome: str
    request_id: str | None = None
