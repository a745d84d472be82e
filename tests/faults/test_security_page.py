"""SECURITY.md names tests and pages that exist."""

from __future__ import annotations

import re

from tests.testbed.harness import ROOT


def test_what_the_page_names_exists() -> None:
    page = (ROOT / "SECURITY.md").read_text()
    named = [*re.findall(r"`(tests/\S+?)`", page), *re.findall(r"\]\((docs/\S+?)\)", page)]
    assert len(named) > 10
    assert [one for one in named if not (ROOT / one).exists()] == []
