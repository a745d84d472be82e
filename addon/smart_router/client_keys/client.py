"""A client: its name, and the rights of its key."""

from __future__ import annotations

from collections.abc import Collection, Iterator
from dataclasses import dataclass, field
from fnmatch import fnmatchcase
from hashlib import blake2b
from typing import Literal

from smart_router.client_keys.limits import Limit
from smart_router.errors import ClientError

OnLimit = Literal["refuse", "eco"]
OnAway = Literal["deny", "allow"]


@dataclass(frozen=True, slots=True)
class Allotment:
    """A limit of one owner: a client, or a tag, whose clients share it.

    `key` (16 bytes) names its count. It does not depend on the amount, so a limit that is raised keeps its
    count. `on_away` says if the limit holds for all machines of a cluster whose database is away (`deny`), or
    for this one alone (`allow`); None leaves it to the cluster's settings.
    """

    owner: str
    limit: Limit
    on_away: OnAway | None = None
    key: bytes = field(init=False, repr=False, compare=False)

    def __post_init__(self) -> None:
        name = f"{self.owner}\0{self.limit.unit}\0{self.limit.window}"
        object.__setattr__(self, "key", blake2b(name.encode(), digest_size=16).digest())

    @property
    def tag(self) -> str | None:
        """The tag whose clients share it, None for a client's own."""
        kind, _, name = self.owner.partition(":")
        return name if kind == "tag" else None

    def __str__(self) -> str:
        return str(self.limit) if self.tag is None else f"{self.limit} of the tag {self.tag}"


@dataclass(frozen=True, slots=True)
class Client:
    """A client that has shown its key.

    `models` are patterns of names that it may use, none for all. `allotments` are its own limits and those of
    its tag. `on_limit` is the behaviour of `auto` when its money is nearly used up, `on_cluster_away` is
    `on_away` of its allotments.
    """

    name: str
    admin: bool = False
    models: tuple[str, ...] = ()
    tag: str | None = None
    allotments: tuple[Allotment, ...] = ()
    on_limit: OnLimit = "refuse"
    on_cluster_away: OnAway | None = None
    expires: float | None = None

    @property
    def has_money_limit(self) -> bool:
        """True if prices decide on its requests."""
        return any(one.limit.unit == "USD" for one in self.allotments)

    def may_ask(self, *names: str) -> bool:
        """Return whether it may ask for a model that goes by any of these names."""
        return not self.models or any(_matches(name, self.models) for name in names)

    def not_allowed(self, name: str) -> ClientError:
        """Return the 403 for a model that it may not use."""
        return ClientError(
            403,
            f"the client {self.name!r} may not use {name}, only {', '.join(self.models)}",
            code="model_not_allowed",
            param="model",
        )

    def may_get(self, candidate: str, virtual: Collection[str]) -> bool:
        """Return whether `auto` may choose this `provider/model` for it.

        Only patterns that match no virtual model restrict that: with `auto` alone all may be chosen.
        """
        patterns = [one for one in self.models if not any(fnmatchcase(name, one) for name in virtual)]
        return not patterns or _matches(candidate, patterns)


def _matches(name: str, patterns: Collection[str]) -> bool:
    return any(fnmatchcase(name, pattern) for pattern in patterns)


def allotments(owner: str, limits: Collection[Limit], on_away: OnAway | None = None) -> Iterator[Allotment]:
    """Return an owner's limits as allotments."""
    return (Allotment(owner, limit, on_away) for limit in limits)
