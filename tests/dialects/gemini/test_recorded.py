"""Recorded answers in Gemini's format and in Cloud Code's envelope, compared with the vendor's SDK."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from smart_router.dialects.base import Dialect
from smart_router.dialects.fold import fold, unfold
from smart_router.dialects.gemini.cloudcode import CloudCodeDialect
from smart_router.dialects.gemini.dialect import GeminiDialect
from smart_router.errors import UpstreamError
from tests.dialects.gemini.gemini_cases import FINISH, case_call, cut, read_chunks
from tests.testbed.cases import Case, case_params
from tests.testbed.examples import byte_by_byte, examples
from tests.testbed.oracle import check_answer, check_stream

DIALECTS: dict[str, Dialect] = {"gemini": GeminiDialect(), "cloudcode": CloudCodeDialect()}
"""By wire."""


def recorded(*, stream: bool) -> list[Any]:
    """A dialect and a case of its wire each."""
    return [
        pytest.param(dialect, *case.values, id=f"{wire}-{case.id}", marks=case.marks)
        for wire, dialect in DIALECTS.items()
        for case in case_params(wire=wire, stream=stream)
    ]


@pytest.mark.parametrize(("dialect", "case"), recorded(stream=True))
def test_recorded_streams(dialect: Dialect, case: Case) -> None:
    events = read_chunks(dialect, case_call(case), [case.body])
    check_stream(case, events, FINISH)
    check_answer(case, fold(events), FINISH)


@pytest.mark.parametrize(("dialect", "case"), recorded(stream=False))
def test_recorded_answers(dialect: Dialect, case: Case) -> None:
    completion = dialect.read_answer(case.body, case_call(case))
    check_answer(case, completion, FINISH)
    if not isinstance(completion, UpstreamError):
        check_stream(case, unfold(completion), FINISH)


@pytest.mark.parametrize(("dialect", "case"), recorded(stream=True))
def test_one_byte_at_a_time(dialect: Dialect, case: Case) -> None:
    call = case_call(case)
    assert read_chunks(dialect, call, byte_by_byte(case.body)) == read_chunks(dialect, call, [case.body])


@pytest.mark.parametrize(("dialect", "case"), recorded(stream=True))
@settings(max_examples=examples(25), deadline=None)
@given(places=st.lists(st.integers(0, 1 << 20), max_size=8))
def test_any_split(dialect: Dialect, case: Case, places: list[int]) -> None:
    call = case_call(case)
    assert read_chunks(dialect, call, cut(case.body, places)) == read_chunks(dialect, call, [case.body])
