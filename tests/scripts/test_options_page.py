"""docs/options.md is what the options say."""

from __future__ import annotations

from scripts.options_page import PAGE, page


def test_the_page_is_up_to_date() -> None:
    assert PAGE.read_text("utf-8") == page(), "run scripts/options_page.py"
