"""Made-up records, for tests and benchmarks."""

from __future__ import annotations

import random
from collections.abc import Iterator
from typing import Any

from smart_router.routing.decision import Candidate, Decision
from smart_router.routing.weighing import Reading, Weighed
from smart_router.stats.records import AttemptRecord, Cost, RequestRecord, Tokens

NOON = 1_795_000_000.0
"""Some noon in November 2026, unix seconds."""

LUNA = Candidate("openai", "gpt-6-luna")
SOL = Candidate("openai", "gpt-6.1-sol")
HAIKU = Candidate("anthropic", "claude-haiku-5-5")
FLASH = Candidate("google", "gemini-3.8-flash")
QWEN = Candidate("qwen-dashscope", "qwen3.7-flash")
CODEX = Candidate("openai-codex", "gpt-5.6-luna")


def decision(asked: str = "auto", tier: Any = "SIMPLE", candidate: Candidate = LUNA) -> Decision:
    """A decision; one without a tier is explicit."""
    facts: dict[str, Reading] = {"short": (1.0, "a secret word"), "length": (1.0, 7)}
    weighed = Weighed((0.0,) * 5, facts, list(facts), [1.0, 1.0], [(-0.6, 0.2)] * 5)
    why = f"{tier}, short +0.60; difficulty 0.12; first {candidate}"
    return Decision(
        asked, tier is None, 0.12 if tier else None, tier, 0.9, weighed, (candidate, SOL), False, why
    )


def attempt(candidate: Candidate = LUNA, number: int = 1, **fields: Any) -> AttemptRecord:
    """An attempt that answered in a second, unless `fields` say otherwise."""
    defaults: dict[str, Any] = {
        "profile": f"{candidate.provider}:env",
        "dialect": "chat",
        "answered_model": candidate.model,
        "status": 200,
        "failure": None,
        "started": 0.001,
        "ttft": 0.4,
        "duration": 1.0,
        "tokens": Tokens(input=1_000, cached=200, output=100, reasoning=40),
    }
    return AttemptRecord(number=number, candidate=candidate, **{**defaults, **fields})


def request(*attempts: AttemptRecord, id: str = "r1", **fields: Any) -> RequestRecord:
    """A streamed request for `auto` that went well, unless `fields` say otherwise."""
    made = attempts or (attempt(),)
    defaults: dict[str, Any] = {
        "time": NOON,
        "session": "s1",
        "operation": "chat",
        "client": None,
        "address": "127.0.0.1",
        "decision": decision(candidate=made[-1].candidate),
        "streamed": True,
        "status": 200,
        "failure": None,
        "ttft": 0.401,
        "duration": 1.003,
        "overhead": 0.003,
        "attempts": made,
        "baselines": (SOL,),
    }
    return RequestRecord(id=id, **{**defaults, **fields})


def many(count: int, until: float = NOON, days: float = 30.0, seed: int = 1) -> Iterator[RequestRecord]:
    """So many requests of all kinds, oldest first, prices on them."""
    dice = random.Random(seed)  # noqa: S311
    for number in range(count):
        yield _any_request(dice, number, until - days * 86_400 * (1 - (number + 1) / count))


def _any_request(dice: random.Random, number: int, at: float) -> RequestRecord:
    tier = dice.choice(("SIMPLE", "SIMPLE", "MEDIUM", "COMPLEX", "REASONING", None))
    made = [_any_attempt(dice, 1)]
    while made[-1].failure and len(made) < 3:
        made.append(_any_attempt(dice, len(made) + 1))
    last, overhead = made[-1], dice.lognormvariate(-6, 0.5)
    priced = Cost(dice.lognormvariate(-4, 0.5), "measured")
    return request(
        *made,
        id=f"{number:016x}",
        time=at,
        decision=decision("auto" if tier else str(last.candidate), tier, last.candidate),
        status=503 if last.failure else 200,
        failure=last.failure,
        ttft=None if last.failure else sum(one.duration for one in made[:-1]) + (last.ttft or 0.0),
        duration=sum(one.duration for one in made) + overhead,
        overhead=overhead,
        baseline=SOL,
        baseline_cost=None if last.failure else priced,
    )


def _any_attempt(dice: random.Random, number: int) -> AttemptRecord:
    candidate = dice.choice((LUNA, LUNA, SOL, HAIKU, FLASH, QWEN, CODEX))
    profile = f"{candidate.provider}:{dice.choice(('env', 'env2'))}"
    if dice.random() < 0.06:
        kind = dice.choice(("rate_limit", "overloaded", "timeout"))
        return attempt(
            candidate, number, profile=profile, status=429, failure=kind, ttft=None, duration=0.2, tokens=None
        )
    output = dice.randint(10, 2_000)
    tokens = Tokens(input=dice.randint(50, 20_000), output=output, estimated=dice.random() < 0.02)
    basis: Any = {"qwen-dashscope": "estimated", "openai-codex": "equivalent"}.get(
        candidate.provider, "estimated" if tokens.estimated else "measured"
    )
    cost = Cost(dice.lognormvariate(-5, 0.7), basis) if dice.random() < 0.97 else None
    ttft = dice.lognormvariate(-0.7, 0.5)
    return attempt(
        candidate,
        number,
        profile=profile,
        ttft=ttft,
        duration=ttft + output / 100,
        tokens=tokens,
        cost=cost,
    )
