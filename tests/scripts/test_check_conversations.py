"""A few random conversations through the script: a row for each provider, and its exit status."""

from __future__ import annotations

import io

import pytest
from rich.console import Console

from scripts import check_conversations
from tests.testbed.moving.conversations import MODELS
from tests.testbed.moving.findings import Finding, Findings


def told(found: Findings) -> tuple[int, str]:
    text = io.StringIO()
    failed = check_conversations.report(found, Console(file=text, width=200), requests=True)
    return failed, text.getvalue()


@pytest.mark.filterwarnings("ignore:.*use of fork:DeprecationWarning")  # numpy has threads
def test_conversations_are_counted_for_each_provider(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(check_conversations, "BLOCK", 2)  # two blocks, of which the processes take one each
    found = check_conversations.converse_in_blocks(4, 1, 1)
    assert found.conversations == 4
    failed, text = told(found)
    assert failed == 0
    assert all(f"│ {provider} " in text for provider in MODELS)


def test_refusals_of_all_processes_are_told_with_the_shortest_request() -> None:
    found, other = Findings(), Findings()
    for one, request in ((found, b"{'longer': 1}"), (other, b"{}"), (other, b"{'long': 1}")):
        one.count("openai", Finding("turns", 1, "openai/gpt-5.4", "No turn.", request))
    found.merge(other)
    failed, text = told(found)
    assert failed == 3
    assert "openai/gpt-5.4: 3 by turns: No turn.\n  {}\n" in text
