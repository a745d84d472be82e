"""Verdicts on the answers of a soak, and the bounds that they must keep. Pure."""

from __future__ import annotations

import enum
import math
from collections import Counter
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field

from scripts.gateway_soak.plan import AUTO, EXPLICIT, MARKER
from tests.testbed.client_formats import Got

SDK = "SDK"
"""The kind of the requests that the official SDK makes straight at the provider."""


class Verdict(enum.StrEnum):
    """One answer's verdict. An error counts as told if the client gets it in its API's format."""

    OK = "ok"
    UNTRIED = "refused, no attempt"
    TRIED = "failed before content"
    SPENT = "every attempt met a fault"
    AFTER = "failed after content"
    LOST = "connection lost"
    CUT = "silently cut"
    DOUBLED = "doubled"
    MIXED = "mixed"
    WRONG = "wrong"


BEFORE = (Verdict.UNTRIED, Verdict.TRIED)
NEVER = (Verdict.LOST, Verdict.CUT, Verdict.DOUBLED, Verdict.MIXED, Verdict.WRONG)
"""Verdicts that no answer of the router may get."""


@dataclass(frozen=True, slots=True)
class Received:
    """One answer as a client read it.

    `finished`: it has a finish reason and, if streamed, its terminal marker. `error` is the code of a told
    error, "" without one. `broken`: the connection ended before the answer did. `attempts` is None if the
    answer does not state them.
    """

    text: str = ""
    finished: bool = False
    error: str = ""
    broken: bool = False
    attempts: int | None = None


def read(got: Got) -> Received:
    """Read an answer of the router. One that is not in the client's format becomes a wrong text."""
    if got.malformed and not got.broken:
        return Received(f"unreadable: {got.malformed}", attempts=got.attempts)
    error = got.error or {}
    code = str(error.get("code") or error.get("status") or error.get("type") or "") if got.error else ""
    return Received(got.text, got.finished, code, got.broken, got.attempts)


def judge(received: Received, expected: str) -> Verdict:
    """The verdict on an answer, given the only right text."""
    text, own = received.text, expected.partition(":")[0]
    if any(marker != own for marker in MARKER.findall(text)):
        return Verdict.MIXED
    if text.count(f"{own}:0") > 1:
        return Verdict.DOUBLED
    if not expected.startswith(text):
        return Verdict.WRONG
    if received.error:
        if text:
            return Verdict.AFTER
        return Verdict.UNTRIED if received.attempts == 0 else Verdict.TRIED
    if received.broken:
        return Verdict.LOST
    return Verdict.OK if received.finished and text == expected else Verdict.CUT


@dataclass(slots=True)
class Tally:
    """The verdicts on the answers to one kind of request, and the seconds that they took."""

    verdicts: Counter[Verdict] = field(default_factory=Counter)
    seconds: list[float] = field(default_factory=list)
    errors: Counter[str] = field(default_factory=Counter)

    def add(self, verdict: Verdict, seconds: float, error: str) -> None:
        self.verdicts[verdict] += 1
        self.seconds.append(seconds)
        if error:
            self.errors[f"{verdict.value}: {error}"] += 1

    def share(self, *verdicts: Verdict) -> float:
        """The share of answers with one of these verdicts."""
        return sum(self.verdicts[one] for one in verdicts) / max(1, self.verdicts.total())

    @property
    def failed(self) -> float:
        """The share of answers that are not right and whole."""
        return 1 - self.share(Verdict.OK) if self.verdicts else 0.0

    def __add__(self, other: Tally) -> Tally:
        return Tally(self.verdicts + other.verdicts, self.seconds + other.seconds, self.errors + other.errors)


Tallies = Mapping[str, Tally]
"""By kind of request: `auto`, each wire asked explicitly, `SDK`."""


def explicit(tallies: Tallies) -> Tally:
    """All explicit requests to the router."""
    return sum((tallies[kind] for kind in EXPLICIT if kind in tallies), Tally())


def noise(one: Tally, other: Tally) -> float:
    """Two standard deviations of the difference of two failure shares."""
    variances = [tally.failed * (1 - tally.failed) / max(1, tally.verdicts.total()) for tally in (one, other)]
    return 2 * math.sqrt(sum(variances))


def broken_bounds(tallies: Tallies, keys: int) -> Iterator[str]:
    """A sentence for each bound that the answers do not keep."""
    auto = tallies.get(AUTO, Tally())
    if count := sum(auto.verdicts[one] for one in BEFORE):
        yield f"{count} auto requests failed before content, though a candidate was left that works"
    by_name, direct = explicit(tallies), tallies.get(SDK, Tally())
    most = direct.failed + noise(by_name, direct)
    if keys == 1 and direct.verdicts and by_name.failed > most:
        yield (
            f"{by_name.failed:.2%} of the explicit requests failed, more than the {direct.failed:.2%} of the "
            f"SDK without a router and its noise ({most:.2%} together)"
        )
    routed = auto + by_name
    for verdict in NEVER:
        if count := routed.verdicts[verdict]:
            yield f"{count} answers of the router: {verdict.value}"
