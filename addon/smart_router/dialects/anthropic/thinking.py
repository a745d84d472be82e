"""Signed thinking of earlier turns: put back in its place, and only where its signature is still good.

A signature is good only where its block stood. The newest models bind it to all that came before, too: the
system prompt, the tools, the earlier turns, and the blocks before it in its own (Claude docs, preserved
thinking; thinking blocks of the latest turn "cannot be modified"). So each detail says its `place`, and in
`prefix` a digest of what came before. A turn whose thinking is no longer good goes back without any, and so
does one whose blocks cannot be put together as they were: two texts in a row are one text in the hub.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Mapping, Sequence
from hashlib import sha256
from typing import Any

from pydantic_core import to_json

from smart_router.dialects.fold import join_details
from smart_router.dialects.hub import ReasoningDetail

Block = dict[str, Any]

THINKING_BLOCKS = frozenset({"thinking", "redacted_thinking"})
_PREFIX = "prefix"
_INDEX = "index"
_NOTES = frozenset({_PREFIX, _INDEX})
"""Fields that `interleave` leaves in thinking blocks for `settle`."""

_DIGEST = 16


class Prefix:
    """All that a request puts before its answer. Nothing is computed until an answer thinks.

    Also what the reader of an answer needs to know of its request: `keys` are the names of properties of
    tools by those that they were written under.
    """

    def __init__(
        self, system: Sequence[Block], tools: Sequence[Block], turns: Sequence[Block], keys: Mapping[str, str]
    ) -> None:
        self.keys = keys
        self._parts = (system, tools, turns)
        self._hasher: Any = None

    def digest(self, before: Iterable[Block]) -> str:
        """Return the digest of the request and the blocks of its answer so far."""
        if self._hasher is None:
            system, tools, turns = self._parts
            self._hasher = _begin(system, tools)
            for turn in turns:
                _add_turn(self._hasher, turn)
        hasher = self._hasher.copy()
        for block in before:
            hasher.update(_mark(block))
        return str(hasher.hexdigest()[:_DIGEST])


def settle(system: Sequence[Block], tools: Sequence[Block], turns: Sequence[Block], *, bound: bool) -> None:
    """Take out the notes that `interleave` left in the turns, and the thinking of turns in which it does not
    stand where it did: for models that bind their thinking, also of those after other turns than it did."""
    if not any(block["type"] in THINKING_BLOCKS for turn in turns for block in turn["content"]):
        return
    hasher = _begin(system, tools)
    for turn in turns:
        blocks = turn["content"]
        good = _keeps_order(blocks) and (
            not bound or turn["role"] != "assistant" or _is_good(hasher.copy(), blocks)
        )
        turn["content"] = [
            {name: value for name, value in block.items() if name not in _NOTES}
            if block["type"] in THINKING_BLOCKS
            else block
            for block in blocks
            if good or block["type"] not in THINKING_BLOCKS
        ]
        _add_turn(hasher, turn)


def interleave(details: list[ReasoningDetail], said: list[Block], own_format: str) -> list[Block]:
    """Return a turn's blocks with its thinking in place; before all others if the places are unknown.

    Without any thinking if a place is no longer there. Notes stay in its blocks until `settle`.
    """
    thoughts = list(_thinking_blocks(details, own_format))
    if not thoughts:
        return said
    text = "".join(block["text"] for block in said if block["type"] == "text")
    others = [block for block in said if block["type"] != "text"]
    if all(place is None for place, _ in thoughts):
        return [*(block for _, block in thoughts), *said]
    placed: list[Block] = []
    at, count = 0, 0
    for place, block in thoughts:
        offset, calls = place[:2] if place else (at, count)
        if not (at <= offset <= len(text) and count <= calls <= len(others)):
            return said
        placed += [*_text(text[at:offset]), *others[count:calls], block]
        at, count = offset, calls
    if (at, count) == (0, 0):
        return [*placed, *said]
    rest = _text(text[at:])
    marks = [block["cache_control"] for block in said if "cache_control" in block]
    if rest and marks:
        rest[0]["cache_control"] = marks[-1]
    return [*placed, *rest, *others[count:]]


def _text(text: str) -> list[Block]:
    return [{"type": "text", "text": text}] if text.strip() else []


def _thinking_blocks(
    details: list[ReasoningDetail], own_format: str
) -> Iterator[tuple[tuple[int, ...] | None, Block]]:
    """Our own details as thinking blocks, with their places. What has no signature was cut off, and would be
    refused."""
    for detail in join_details([details]) if details else ():
        if detail.get("format") != own_format:
            continue
        block: Block
        if detail.get("type") == "reasoning.text" and (signature := detail.get("signature")):
            block = {"type": "thinking", "thinking": detail.get("text") or "", "signature": signature}
        elif detail.get("type") == "reasoning.encrypted" and (data := detail.get("data")):
            block = {"type": "redacted_thinking", "data": data}
        else:
            continue
        if prefix := detail.get("prefix"):
            block[_PREFIX] = prefix
        place = _read_place(detail.get("place"))
        if place and place[2:]:
            block[_INDEX] = place[2]
        yield place, block


def place_of(text: int, calls: int, index: int) -> str:
    """A detail's `place`: the characters of text, the number of calls and that of blocks before it in its
    turn."""
    return f"{text}:{calls}:{index}"


def _read_place(place: object) -> tuple[int, ...] | None:
    numbers = place.split(":") if isinstance(place, str) else []
    return tuple(map(int, numbers)) if numbers[1:] and all(map(str.isdecimal, numbers)) else None


def _begin(system: Sequence[Block], tools: Sequence[Block]) -> Any:
    return sha256(to_json([[_bare(block) for block in blocks] for blocks in (system, tools)]))


def _add_turn(hasher: Any, turn: Mapping[str, Any]) -> None:
    hasher.update(turn["role"].encode())
    for block in turn["content"]:
        hasher.update(_mark(block))


def _keeps_order(blocks: Sequence[Block]) -> bool:
    """True if no thought has another number of blocks before it than in its answer, and none is the last
    block, which is refused: its client has left out what followed."""
    if blocks and blocks[-1]["type"] in THINKING_BLOCKS:
        return False
    return all(block.get(_INDEX, number) == number for number, block in enumerate(blocks))


def _is_good(hasher: Any, blocks: Sequence[Block]) -> bool:
    """True if each thought stands where its digest says."""
    for block in blocks:
        if block["type"] in THINKING_BLOCKS and hasher.hexdigest()[:_DIGEST] != block.get(_PREFIX):
            return False
        hasher.update(_mark(block))
    return True


def _mark(block: Block) -> bytes:
    """Return a block's part of the digests of later ones, without cache marks, which may move."""
    if block["type"] == "tool_use":
        arguments = json.dumps(block["input"], sort_keys=True)
        return to_json(["tool_use", block["id"], block["name"], arguments])
    return to_json(_bare(block))


def _bare(block: Block) -> Block:
    return {name: value for name, value in block.items() if name != "cache_control" and name not in _NOTES}
