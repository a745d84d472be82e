"""Estimates of requests: what is reserved of a client's limits before an answer."""

from __future__ import annotations

from typing import Any

import pytest

from smart_router.client_keys.estimates import estimate
from smart_router.client_keys.ledger import Need
from smart_router.client_keys.limits import NANO
from smart_router.dialects.model_rules import ModelRules
from smart_router.routing.decision import Candidate
from smart_router.routing.requirements import ASSUMED_ANSWER, MEDIA_TOKENS, MOST_RESERVED
from smart_router.stats.prices import PriceBook, PriceTable

MODEL = Candidate("local", "m")
TEXT = [{"role": "user", "content": "a" * 400}]
PROMPT = 101 + 16 + 4
"""Text and role, and what the model's template adds."""


REQUESTS: list[tuple[dict[str, Any], int | None, Need]] = [
    ({"max_tokens": 50}, None, Need(50, 50)),
    ({"max_completion_tokens": 50, "n": 3}, None, Need(150, 150)),
    ({"max_tokens": 5000}, 1000, Need(1000, 1000)),
    ({}, 64_000, Need(ASSUMED_ANSWER, 64_000)),
    ({}, 100, Need(100, 100)),
    ({}, None, Need(ASSUMED_ANSWER, MOST_RESERVED)),
]


@pytest.mark.parametrize(("fields", "max_output", "answer"), REQUESTS)
def test_answer_is_as_long_as_the_request_or_the_model_allows(
    fields: dict[str, Any], max_output: int | None, answer: Need
) -> None:
    rules = ModelRules(max_output=max_output)
    found = estimate({"messages": TEXT, **fields}, b"", MODEL, rules, None, 0.0)
    assert found.tokens == Need(PROMPT + answer.least, PROMPT + answer.most)
    assert found.usd is None


@pytest.mark.parametrize(("cache_write", "dearest"), [(None, 2.0), (2.5, 2.5)])
def test_cost_counts_the_prompt_as_dear_as_it_may_get(cache_write: float | None, dearest: float) -> None:
    table = PriceTable(input=2.0, output=10.0, cache_write=cache_write)
    prices = PriceBook({"local/m": table}, {"local": "http://127.0.0.1:1/v1"})
    found = estimate({"messages": TEXT, "max_tokens": 50}, b"", MODEL, ModelRules(), prices, 0.0)
    cost = round((PROMPT * dearest + 50 * 10.0) * NANO / 1e6)
    assert found.usd == Need(cost, cost)


def test_model_without_a_price_has_no_cost() -> None:
    request: Any = {"messages": TEXT}
    assert estimate(request, b"", MODEL, ModelRules(), PriceBook(), 0.0).usd is None


@pytest.mark.parametrize(
    ("body", "prompt"), [(b'{"input": "aaa"}', 4), (b"--form\r\n" + b"x" * 999_999, MEDIA_TOKENS)]
)
def test_untranslated_request_is_measured_by_its_body(body: bytes, prompt: int) -> None:
    found = estimate({"messages": [], "max_tokens": 1}, body, MODEL, ModelRules(), None, 0.0)
    assert found.tokens.least == prompt + 16 + 1
