"""Shortened tool names: within the limit, told apart, restored."""

from __future__ import annotations

from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from smart_router.dialects.hub import ChatRequest
from smart_router.dialects.tool_names import PLAIN, fit_name, fitted_names, tool_names

LONG = "mcp__a_server__" + "x" * 100


@given(st.text(max_size=200))
def test_names_fit_and_come_back(name: str) -> None:
    short = fit_name(name)
    assert len(short) <= PLAIN.longest
    assert short == fit_name(name)
    assert fitted_names([name]).get(short, short) == name


def test_names_with_one_beginning_are_told_apart() -> None:
    assert fit_name(LONG + "a") != fit_name(LONG + "b")


def test_a_name_that_fits_is_kept() -> None:
    name = "x" * PLAIN.longest
    assert fit_name(name) == name
    assert fitted_names([name]) == {}


def test_the_names_of_a_request() -> None:
    tools: list[dict[str, Any]] = [
        {"type": "function", "function": {"name": "f"}},
        {"type": "custom", "custom": {"name": "c"}},
        {"type": "function", "function": None},
        {"type": "function"},
        {"type": "hosted"},
        {},
    ]
    request: ChatRequest = {"tools": tools}
    assert tool_names(request) == ("f", "c")
    assert tool_names({"tools": None}) == tool_names({}) == ()
