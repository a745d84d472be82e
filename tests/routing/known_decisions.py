"""Scores, tiers and explanations of all routing prompts of the repository, as they were when they were last
accepted. After a fit: `uv run python -m tests.routing.known_decisions`.
"""

from __future__ import annotations

import tomllib
from collections.abc import Iterator
from hashlib import blake2b
from pathlib import Path
from typing import Any

from smart_router.routing.config import load_defaults
from smart_router.routing.explanation import merged, tier_line
from smart_router.routing.scoring import score_request
from tests.routing.agent_turns import turns
from tests.routing.fakes import chat
from tests.testbed.harness import ROOT

FILE = Path(__file__).with_name("known_decisions.txt")
"""A line for each request: score, tier, and a digest of what is said about them."""

_ODD = (
    "", "?", "C++ is c++", "go on", "think step by step", "“Ärger” naïve café", "x" * 5000, "word " * 40_000,
    "１２３ ٣ ² 5", "\n\n\n", "A. 1\nB. 2\nC. 3\nD. x/2 1/2", "İstanbul ﬃ", "$5 and $6.50 cost 1,500",
    "\udc80 half", " lead", "def f():\n    return {1}\n;\n",
)  # fmt: skip


def requests() -> Iterator[dict[str, Any]]:
    """All prompts as requests, some of them with a conversation, and the turns of agents."""
    texts = [*_ODD]
    for name in ("routing_prompts.toml", "routing_probes.toml"):
        for tiers in tomllib.loads((ROOT / "scripts" / name).read_text("utf-8")).values():
            for prompts in tiers.values():
                texts += prompts
    yield from map(chat, texts)
    for text in texts[::20]:
        for follow_up in ("prove it", "thanks!"):
            yield chat(text, "Well.", follow_up, tools=[{"type": "function"}] * 3)
    for turn in turns():
        yield turn.request


def decision(request: dict[str, Any]) -> str:
    """Return the line of a request. Twelve digits of the score: the last ones differ between C libraries."""
    scored = score_request(request, load_defaults())  # type: ignore[arg-type]
    shown = [(one.name, f"{one.weight:.6f}", f"{one.for_tier:.6f}", one.evidence) for one in scored.signals]
    facts = [(one.name, one.evidence) for one in merged(scored.signals)]
    said = repr((tier_line(scored.tier, scored.chances, scored.weighed), shown, facts))
    return f"{scored.score:.12f} {scored.tier} {blake2b(said.encode(), digest_size=6).hexdigest()}"


if __name__ == "__main__":
    FILE.write_text("".join(f"{decision(request)}\n" for request in requests()), "utf-8")
