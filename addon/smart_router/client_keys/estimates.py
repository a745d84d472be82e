"""Estimates of a request's tokens and costs, reserved of its client's limits before each attempt.

Prompts are counted roughly, and no answer's length is known before. Where requests of a client used more than
was estimated, the next ones reserve more: those that run at the same time do not exceed a limit together.
"""

from __future__ import annotations

from typing import NamedTuple

from smart_router.client_keys.ledger import Need
from smart_router.client_keys.limits import NANO
from smart_router.dialects.hub import ChatRequest
from smart_router.dialects.model_rules import ModelRules
from smart_router.routing.decision import Candidate
from smart_router.routing.requirements import (
    ASSUMED_ANSWER,
    CHARACTERS_PER_TOKEN,
    MEDIA_TOKENS,
    MOST_RESERVED,
    prompt_tokens,
)
from smart_router.stats.prices import PriceBook
from smart_router.stats.records import Tokens

_FRAME, _FRAME_OF_MESSAGE = 16, 4
"""Tokens that models' templates add to a prompt and to each of its messages, rather too many than too few.
OpenAI's models add 3 to each message (OpenAI cookbook, "How to count tokens with tiktoken")."""

_FORGET = 0.95
"""Share of an earlier surplus that still counts at the next request."""


class Estimate(NamedTuple):
    """The needs of one attempt. `usd` is in 10⁻⁹ dollars, None if no price is known, or was asked for."""

    tokens: Need
    usd: Need | None


def estimate(
    request: ChatRequest,
    body: bytes,
    candidate: Candidate,
    rules: ModelRules,
    prices: PriceBook | None,
    at: float,
) -> Estimate:
    """Return the needs of a request to this model. `at` is unix seconds, for prices that change.

    The most is the prompt and the longest answer that the request allows, or else the model gives. A request
    that names no longest answer needs at least a short one: it would otherwise be refused while most of its
    limit is left. The first price of a model takes a while: see `PriceBook.knows`.
    """
    # a request that is passed on untranslated has no messages here; in a form there is a file
    size = MEDIA_TOKENS if body.startswith(b"--") else len(body) // CHARACTERS_PER_TOKEN
    frames = _FRAME + _FRAME_OF_MESSAGE * len(request.get("messages") or ())
    prompt = (prompt_tokens(request) or size) + frames
    answer = _answer(request, rules)
    tokens = Need(prompt + answer.least, prompt + answer.most)
    if prices is None:
        return Estimate(tokens, None)
    costs = {output: _nano(prompt, output, candidate, prices, at) for output in set(answer)}
    least, most = costs[answer.least], costs[answer.most]
    return Estimate(tokens, None if least is None or most is None else Need(least, most))


def _answer(request: ChatRequest, rules: ModelRules) -> Need:
    """The tokens of the answer, or of all answers that are asked for."""
    stated = request.get("max_completion_tokens") or request.get("max_tokens")
    choices = request.get("n")
    answers = choices if isinstance(choices, int) and choices > 1 else 1
    if isinstance(stated, int):
        most = least = min(stated, rules.max_output or stated)
    else:
        most = rules.max_output or MOST_RESERVED
        least = min(ASSUMED_ANSWER, most)
    return Need(least * answers, most * answers)


def _nano(prompt: int, output: int, candidate: Candidate, prices: PriceBook, at: float) -> int | None:
    """The cost in 10⁻⁹ dollars, with the prompt written to the provider's cache where that costs more."""
    most = 0.0
    for written in (0, prompt):
        tokens = Tokens(input=prompt, cache_write=written, output=output)
        cost = prices.cost(candidate.provider, candidate.model, tokens, at)
        if cost is None:
            return None
        most = max(most, cost.usd)
    return round(most * NANO)


class Experience:
    """The surplus over the estimates of one unit, as an amount and as a share of the estimate.

    The lower of the two is added: a short request's share says nothing of long ones, nor a long one's amount
    of short ones.
    """

    def __init__(self) -> None:
        self._amount = self._share = 0.0

    def add(self, estimated: int, used: int) -> None:
        """Take in a request that has ended."""
        surplus = max(0, used - estimated)
        self._amount = max(surplus, self._amount * _FORGET)
        self._share = max(surplus / max(1, estimated), self._share * _FORGET)

    def correct(self, need: Need) -> Need:
        """Return a need with the surplus that is to be expected."""
        if not self._amount:
            return need
        least = need.least + round(min(self._amount, self._share * need.least))
        return Need(least, max(need.most, least))
