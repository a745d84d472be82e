"""Shortened tool names: within the limit, told apart, restored."""

from __future__ import annotations

from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from smart_router.dialects.hub import ChatRequest
from smart_router.dialects.tool_names import MAX_TOOL_NAME, long_names, short_name, tool_names

LONG = "mcp__a_server__" + "x" * 100


@given(st.text(max_size=200))
def test_names_fit_and_come_back(name: str) -> None:
    short = short_name(name)
    assert len(short) <= MAX_TOOL_NAME
    assert short == short_name(name)
    assert long_names([name]).get(short, short) == name


def test_names_with_one_beginning_are_told_apart() -> None:
    assert short_name(LONG + "a") != short_name(LONG + "b")


def test_a_name_that_fits_is_kept() -> None:
    name = "x" * MAX_TOOL_NAME
    assert short_name(name) == name
    assert long_names([name]) == {}


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
