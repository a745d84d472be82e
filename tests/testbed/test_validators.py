"""The vendors' emulators refuse what they should: each takes a good request, and refuses mutations of it."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

import pytest

from tests.testbed.validators import VALIDATORS
from tests.testbed.validators.good_requests import GOOD, HEADERS
from tests.testbed.validators.mutations import MUTATIONS, mutate

ROWS = [(name, *row) for name, rows in MUTATIONS.items() for row in rows]


@pytest.mark.parametrize("name", VALIDATORS)
def test_validator_takes_a_good_request(name: str) -> None:
    path, body = GOOD[name]
    assert VALIDATORS[name].check(path, HEADERS, json.dumps(body).encode()) is None


@pytest.mark.parametrize(("name", "rule", "changes"), ROWS, ids=[f"{row[0]}-{row[1]}" for row in ROWS])
def test_validator_refuses_a_mutation(name: str, rule: str, changes: Mapping[str, Any]) -> None:
    path, body = GOOD[name]
    refusal = VALIDATORS[name].check(path, HEADERS, json.dumps(mutate(body, changes)).encode())
    assert refusal is not None, "taken"
    assert (refusal.rule, refusal.status) == (rule, 400), refusal.message
    assert refusal.message in json.dumps(json.loads(refusal.body), ensure_ascii=False).replace('\\"', '"')


@pytest.mark.parametrize("name", VALIDATORS)
def test_validator_has_ten_mutations_and_sources(name: str) -> None:
    assert len(MUTATIONS[name]) >= 10
    assert all(len(rule.source) > 3 for rule in VALIDATORS[name].rules)
