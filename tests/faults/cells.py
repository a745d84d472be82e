"""The cells of the table: a row by client format, provider wire, form, and choice of the model."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field

from tests.faults.provider_faults import NEXT, Outcome, Row
from tests.testbed.client_formats import FORMATS, Got

Pair = tuple[str, str]

PAIRS: tuple[Pair, ...] = (
    ("chat", "chat"), ("messages", "chat"), ("responses", "chat"), ("gemini", "chat"),
    ("messages", "anthropic"), ("responses", "responses"), ("gemini", "gemini"),
)  # fmt: skip
"""Client formats and provider wires: each format translated, and each native."""

SOCKETS = (("socket", "chat"), ("socket", "responses"))
"""The same of WebSockets, whose turns are streams of Responses."""


@dataclass(frozen=True, slots=True)
class Cell:
    """One request. `auto` asks for a virtual model, otherwise the model is named."""

    row: Row
    client: str
    wire: str
    stream: bool
    auto: bool

    @property
    def id(self) -> str:
        """The name of the virtual model and of the provider's."""
        name = re.sub(r"[^a-z0-9]+", "-", self.row.name.lower())
        form, asked = "stream" if self.stream else "whole", "auto" if self.auto else "named"
        return f"{name}.{self.client}.{self.wire}.{form}.{asked}"

    @property
    def http2(self) -> bool:
        """True if the client uses HTTP/2: only then does the router use it to the provider."""
        return self.row.upstream == "h2"

    @property
    def outcome(self) -> Outcome | None:
        return self.row.streamed if self.stream else self.row.whole


@dataclass(slots=True)
class Result:
    """The outcome of one request: its answer, the providers that saw it, in order, and recorded failures."""

    got: Got = field(default_factory=Got)
    seconds: float = 0.0
    asked: list[str] = field(default_factory=list)
    recorded: list[str] = field(default_factory=list)


def in_turn(number: int, pairs: Sequence[Pair], most: int) -> list[Pair]:
    """Return at most so many of the pairs, different ones for successive rows."""
    return [pairs[(number * most + place) % len(pairs)] for place in range(most)]


def _pairs(number: int, row: Row, *, full: bool) -> Sequence[Pair]:
    """Return fewer pairs for large answers, which take seconds, and faults below HTTP, alike on each wire."""
    if row.large or row.upstream == "h2":
        return (PAIRS[0], PAIRS[4 if row.large else 1])
    if row.upstream != "plain":
        return PAIRS[: len(FORMATS)]
    return PAIRS if full else [PAIRS[0], *in_turn(number, PAIRS[1 : len(FORMATS)], 1), *PAIRS[len(FORMATS) :]]


def cells(number: int, row: Row, *, full: bool) -> Iterator[Cell]:
    """Requests of the row of this number; a model that is named makes no difference where nothing fails.

    Each client format on each wire asks in both forms: for a virtual model in one, and by name in the other.
    One format is translated for another wire in each row, in turn, and one WebSocket has a turn. With `full`
    all formats are translated in each row, both forms ask in both ways, and so do WebSockets on both wires.
    """
    for place, (client, wire) in enumerate(_pairs(number, row, full=full)):
        for stream in (True, False):
            for auto in (True, False):
                cell = Cell(row, client, wire, stream, auto)
                if cell.outcome == NEXT:
                    if full or auto == ((place + stream) % 2 == 0):
                        yield cell
                elif cell.outcome and auto:
                    yield cell
    if row.streamed and row.upstream == "plain" and not row.large:
        turns = [Cell(row, *pair, True, auto) for pair in SOCKETS for auto in (True, False)]
        yield from turns if full else [turns[number % len(turns)]]


assert {client for client, _ in PAIRS} == set(FORMATS)
