from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from smart_router.stats.rows import thousandths

ties = st.integers(-(10**7), 10**7).map(lambda number: number / 2000)


@given(st.lists(st.floats(allow_nan=False) | st.floats(-20, 20) | ties))
def test_weights_are_rounded_as_python_rounds(values: list[float]) -> None:
    assert list(map(repr, thousandths(values))) == [repr(round(value, 3)) for value in values]
