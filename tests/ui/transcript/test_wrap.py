"""Wrapping of long lines at 78 columns; only line breaks and indents are added."""

from __future__ import annotations

import textwrap

import pytest
from hypothesis import given
from hypothesis import strategies as st
from rich.cells import cell_len

from smart_router.ui.transcript.wrap import wrap

CASES: dict[str, tuple[str, str]] = {
    "prose": ("one two three four five", "one two three\nfour five"),
    "what fits": ("  one two\n\nthree ", "  one two\n\nthree "),
    "list item": ("- one two three four five", "- one two\n  three four\n  five"),
    "numbered item": ("10. one two three four", "10. one two\n    three four"),
    "nested item": ("  - one two three", "  - one two\n    three"),
    "indented code": ("  call(one, two, three)", "  call(one,\n      two,\n      three)"),
    "fenced code": ("```\ncall(one, two, three)\n```", "```\ncall(one, two,\n    three)\n```"),
    "after the fence": ("```\n```\none two three four", "```\n```\none two three\nfour"),
    "spaces in a line": ("one   two   three  four", "one   two\nthree  four"),
    "a long word": ("see https://example.com/a/b/c now", "see\nhttps://example.com/a/b/c\nnow"),
    "JSON without spaces": ('{"a":1,"b":22,"c":333,"d":4}', '{"a":1,"b":22,\n"c":333,"d":4}'),
    "table row": ("| one | two | three | four |", "| one | two | three | four |"),
    "wide characters": ("日本語の文章はここで折れる", "日本語の文章は\nここで折れる"),
    "no full stop at the start": ("日本語の文章で。次", "日本語の文章\nで。次"),
    "wide and narrow": ("abc 日本語 def ghi jkl", "abc 日本語 def\nghi jkl"),
}


@pytest.mark.parametrize(("text", "wrapped"), CASES.values(), ids=CASES)
def test_lines_break_at_readable_places(text: str, wrapped: str) -> None:
    assert wrap(text, 14) == wrapped


def test_first_line_can_have_a_hanging_indent() -> None:
    assert wrap("← id: one two three\nfour", 14, first=2) == "← id: one two\n  three\nfour"


def test_deep_indent_is_limited_to_half_the_width() -> None:
    lines = wrap(" " * 60 + "word " * 30, 78).split("\n")
    assert all(cell_len(line) <= 78 for line in lines) and len(lines) < 30


TEXT = st.text(st.sampled_from("ab ,.。日本é-1|`\n\t{}\"'👍"), max_size=200)


@given(TEXT, st.integers(10, 80))
def test_only_breaks_and_indents_are_added(text: str, width: int) -> None:
    wrapped = wrap(text, width)
    assert "".join(wrapped.split()) == "".join(text.split())
    short = [line for line in text.split("\n") if cell_len(line) <= width]
    assert [line for line in short if line not in wrapped.split("\n")] == []


@given(st.lists(st.text(st.characters(codec="utf-8", categories=["L", "N"]), min_size=1, max_size=9)))
def test_no_line_of_ordinary_words_is_too_wide(words: list[str]) -> None:
    assert all(cell_len(line) <= 20 for line in wrap(" ".join(words), 20).split("\n"))


def test_prose_is_wrapped_as_textwrap_does() -> None:
    prose = "An answer of one paragraph is cut at some ninety letters, with sideways scrolling. " * 9
    assert wrap(prose.strip(), 78).split("\n") == textwrap.wrap(prose, 78)
