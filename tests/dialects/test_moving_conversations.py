"""Conversations that move between vendors: every provider's request rules accept the client's requests.

Random histories, made with answers of any provider, go on at any other; the vendors' emulators are in
tests/testbed/validators. `scripts/check_conversations.py` runs as many as one likes.
"""

from __future__ import annotations

from collections import defaultdict

import pytest
from hypothesis import HealthCheck, Phase, given, settings

from tests.testbed.moving.conversations import MODELS, Conversation, conversations, play
from tests.testbed.moving.findings import Findings

EXAMPLES = 40


@pytest.fixture(scope="module")
def findings() -> Findings:
    """The outcomes of the conversations, which are the same in every run."""
    found = Findings()

    @settings(
        max_examples=EXAMPLES,
        derandomize=True,
        database=None,
        deadline=None,
        phases=[Phase.generate],
        suppress_health_check=list(HealthCheck),
    )
    @given(conversations())
    def converse(conversation: Conversation) -> None:
        for outcome in play(conversation):
            found.add(conversation, outcome)

    converse()
    return found


@pytest.mark.parametrize("provider", MODELS)
def test_provider_takes_the_conversations_of_every_other(findings: Findings, provider: str) -> None:
    assert findings.sent[provider] >= EXAMPLES
    assert findings.of(provider) == []


def test_router_itself_refuses_few_conversations(findings: Findings) -> None:
    refused = sum(findings.ours.values())
    assert refused / sum(findings.sent.values()) < 0.15, findings.ours.most_common()


def test_names_of_tools_come_back_as_the_client_declared_them(findings: Findings) -> None:
    assert findings.names == defaultdict(list)
