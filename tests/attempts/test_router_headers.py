"""Values of `x-router-*` headers are printable ASCII on one line, and not too long."""

from __future__ import annotations

import pytest

from smart_router.attempts.router_headers import _safe

LONG = "x" * 400


@pytest.mark.parametrize(
    ("values", "safe"),
    [
        ([], []),
        (["MEDIUM", "a ~b"], ["MEDIUM", "a ~b"]),
        (["MEDIUM", "Zürich\r\nx: y\x7f"], ["MEDIUM", "Z?rich??x: y?"]),
        (["\ud800", "é"], ["?", "?"]),
        ([LONG, LONG], [LONG, LONG]),
        (["x" * 501, "why"], ["x" * 500, "why"]),
        (["é" * 501, "why"], ["?" * 500, "why"]),
    ],
)
def test_values_are_made_safe_each_by_itself(values: list[str], safe: list[str]) -> None:
    headers = {f"x-{number}": value for number, value in enumerate(values)}
    assert list(_safe(headers).values()) == safe
    assert _safe(headers).keys() == headers.keys()
