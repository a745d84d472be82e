"""A routing decision and its reasons, as plain values."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from typing import Any, Literal, get_args

from smart_router.routing.requirements import Needs
from smart_router.routing.weighing import Signal, Weighed

Tier = Literal["SIMPLE", "MEDIUM", "COMPLEX", "REASONING"]
"""How much model a request needs, weakest first."""

TIERS: tuple[Tier, ...] = get_args(Tier)


def rank(tier: Tier) -> int:
    """A tier's place in the order, 0 for SIMPLE."""
    return TIERS.index(tier)


@dataclass(frozen=True, slots=True)
class Candidate:
    """A model of a provider that an attempt can be made with; the profile is picked when it is made.

    `name` is `provider/model`, put together once: each request says it many times.
    """

    provider: str
    model: str
    name: str = field(init=False, repr=False, compare=False)

    def __post_init__(self) -> None:
        object.__setattr__(self, "name", f"{self.provider}/{self.model}")

    def __str__(self) -> str:
        return self.name


@dataclass(slots=True)
class Decision:
    """The route of one request: candidates in the order in which to try them, and the reasons. Never changed,
    but not frozen: each request makes one, which would cost four times as much.

    `asked` is the request's `model`. For an explicit model score, tier, confidence and signals are empty.
    `score` is the difficulty, 0..1, `confidence` the probability of `tier`, and `chances` those of all tiers,
    in order. `sticky` says that the conversation's earlier candidate comes first; `why` is one readable line.
    `needs` are the request's requirements, None for an explicit model.
    """

    asked: str
    explicit: bool
    score: float | None
    tier: Tier | None
    confidence: float | None
    weighed: Weighed | None
    candidates: tuple[Candidate, ...]
    sticky: bool
    why: str
    chances: tuple[float, ...] = ()
    needs: Needs | None = None

    @property
    def signals(self) -> tuple[Signal, ...]:
        """The signals, those that weigh most first."""
        return self.weighed.signals if self.weighed else ()

    def noting(self, *notes: str | None) -> Decision:
        """This decision with further reasons before its own; None is none."""
        said = [note for note in notes if note]
        return replace(self, why="; ".join([*said, self.why])) if said else self

    def to_dict(self) -> dict[str, Any]:
        """The decision for JSON; candidates as `provider/model`."""
        return {
            "asked": self.asked,
            "explicit": self.explicit,
            "score": self.score,
            "tier": self.tier,
            "confidence": self.confidence,
            "signals": [one.to_dict() for one in self.signals],
            "candidates": [str(candidate) for candidate in self.candidates],
            "sticky": self.sticky,
            "why": self.why,
            "chances": dict(zip(TIERS, self.chances, strict=False)),
        }
