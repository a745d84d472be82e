"""Shell completion: commands, their arguments and options."""

from __future__ import annotations

import pytest
from click.testing import CliRunner

from smart_router.cli.main import main


@pytest.mark.parametrize(
    ("words", "place", "completed"),
    [
        ("smart-router se", 1, ["plain,serve", "plain,service", "plain,setup"]),
        ("smart-router setup co", 2, ["plain,codex", "plain,continue"]),
        ("smart-router config ch", 2, ["plain,check"]),
        ("smart-router run --vi", 2, ["plain,--via"]),
    ],
)
def test_words_are_completed(words: str, place: int, completed: list[str]) -> None:
    env = {
        "_SMART_ROUTER_COMPLETE": "bash_complete",
        "COMP_WORDS": words,
        "COMP_CWORD": str(place),
    }
    result = CliRunner().invoke(main, prog_name="smart-router", env=env)
    assert result.output.splitlines() == completed
