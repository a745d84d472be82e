"""MiniMax's Messages API: Anthropic's rules where they are not a model's own, and its limits."""

from __future__ import annotations

from collections.abc import Iterator

from tests.testbed.validators.anthropic import ANTHROPIC, anthropic_error
from tests.testbed.validators.base import Sent, Validator, limited, matches, objects, one_of
from tests.testbed.validators.signatures import thought_is_genuine

FACTS = "provider facts, section 3.5 (platform.minimax.io docs), 2026-11"

MINIMAX = Validator("minimax-portal", anthropic_error)
_OWN = {"thinking", "thoughts", "forced_tool", "sampling", "max_tokens", "prefill", "open_turn", "values"}
MINIMAX.use(*(rule for rule in ANTHROPIC.rules if rule.name not in _OWN))


@MINIMAX.rule(FACTS)
def minimax_sampling(sent: Sent) -> Iterator[str]:
    for name in ("temperature", "top_p"):
        yield from limited(sent.body.get(name), name, 1e-9, 1)
    if "max_tokens" not in sent.body:
        yield "max_tokens: Field required"


@MINIMAX.rule(FACTS + ": thinking is adaptive or disabled on M3; M2 always thinks")
def minimax_thinking(sent: Sent) -> Iterator[str]:
    asked = sent.body.get("thinking")
    if asked is not None and matches(sent.model, "MiniMax-M3"):
        yield from one_of(asked.get("type"), "thinking.type", "adaptive", "disabled")
    elif asked is not None:
        yield "thinking: not supported for this model"


@MINIMAX.rule(FACTS + ": content goes back with its thinking blocks; of others they mean nothing [U]")
def minimax_thoughts(sent: Sent) -> Iterator[str]:
    for block in objects(sent.body["messages"]):
        thought = block.get("thinking")
        if block.get("type") == "thinking" and not thought_is_genuine(
            "minimax-portal", thought, block.get("signature")
        ):
            yield "Invalid `signature` in `thinking` block"


@MINIMAX.rule(FACTS + ": images only on M3")
def minimax_images(sent: Sent) -> Iterator[str]:
    if not matches(sent.model, "MiniMax-M3$"):
        for block in objects(sent.body["messages"]):
            if block.get("type") in ("image", "document"):
                yield "images are not supported for this model"


@MINIMAX.rule("Anthropic's, which MiniMax copies [U]")
def minimax_values(sent: Sent) -> Iterator[str]:
    if sum("cache_control" in one for one in objects(sent.body)) > 4:
        yield "A maximum of 4 blocks with cache_control may be provided."
    for text in sent.body.get("stop_sequences") or ():
        if not text.strip():
            yield "stop_sequences: each stop sequence must contain non-whitespace"
