"""The structure of a transcript and its layout as text."""

from __future__ import annotations

import json
import textwrap
from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Any, Literal, NamedTuple

from smart_router.ui.transcript.wrap import wrap

Kind = Literal["text", "reasoning", "call", "result", "other"]

WIDTH = 78
"""Columns of a wrapped transcript and of the rules between turns."""

_UNWRAPPED = 1 << 30
_BAR = "│ "
_HANG = 2
_LONG_ARGUMENTS = 60
"""Tool call arguments above this many characters get their own lines."""


class Block(NamedTuple):
    """One piece of a turn. `name` is the called tool, or the id of the call a result belongs to."""

    kind: Kind
    text: str
    name: str = ""


class Turn(NamedTuple):
    """Consecutive blocks of one role."""

    role: str
    blocks: list[Block]


@dataclass(slots=True)
class Page:
    """A request or an answer: `facts` are names and values, `turns` the conversation in order, `notes`
    further remarks."""

    facts: list[tuple[str, str]] = field(default_factory=list)
    turns: list[Turn] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)


def render(page: Page, width: int = _UNWRAPPED) -> str:
    """Lay out the page as text, in lines of at most `width` columns where they can be broken."""
    names = max((len(name) for name, _ in page.facts), default=0)
    facts = [wrap(f"{name:<{names}}  {value}", width, first=names + 2) for name, value in page.facts]
    turns = [_turn(turn, width) for turn in page.turns]
    notes = [wrap(f"[{note}]", width) for note in page.notes]
    return "\n\n".join(part for part in ("\n".join(facts), *turns, "\n".join(notes)) if part) + "\n"


def _turn(turn: Turn, width: int) -> str:
    head = f"── {turn.role} ".ljust(WIDTH, "─")
    return "\n".join([head, *(_block(block, width) for block in turn.blocks)])


def _block(block: Block, width: int) -> str:
    match block.kind:
        case "reasoning":
            return textwrap.indent(wrap(block.text, width - len(_BAR)), _BAR, lambda line: True)
        case "call":
            return wrap(f"→ {block.name}({_arguments(block.text)})", width, first=_HANG)
        case "result":
            name = f"{block.name}: " if block.name else ""
            return wrap(f"← {name}{block.text}", width, first=_HANG)
        case "other":
            return wrap(f"[{block.text}]", width)
        case "text":
            return wrap(block.text, width)


def _arguments(text: str) -> str:
    """JSON on one line if it is short; other text unchanged."""
    try:
        value = json.loads(text)
    except ValueError:
        return text
    line = compact(value)
    if len(line) <= _LONG_ARGUMENTS:
        return line
    return json.dumps(value, ensure_ascii=False, indent=2)


def compact(value: Any) -> str:
    """Format any JSON value on one line; text is unchanged."""
    return value if isinstance(value, str) else json.dumps(value, ensure_ascii=False, default=str)


def size(count: int) -> str:
    """Format a number of bytes."""
    return f"{count} bytes" if count < 1024 else f"{count / 1024:.0f} kB"


def turns_of(pairs: Iterable[tuple[str, list[Block]]]) -> list[Turn]:
    """Make turns of these roles, without empty ones."""
    return [Turn(role, blocks) for role, blocks in pairs if blocks]
