"""Recorded answers of Anthropic's API that its own SDK reads otherwise than the router."""

from __future__ import annotations

import pytest

from tests.testbed.cases import Case

REFUSALS = {
    "anthropic-refusal-0-s": (
        "This request triggered restrictions on violative cyber content and was blocked under Anthropic's "
        "Usage Policy."
    ),
    "sdk-refusal-response-0-s": "This request was refused due to policy.",
    "sdk-stream-a-toolrefusal-0-s": "Here's a summary of this year's solar eclipses and how",
}
"""The texts that the router reads as `refusal`, a field that Anthropic's SDK lacks."""

OWN_EXPECTATION = {
    "sdk-incomplete-partial-json-response-0-s": "the SDK completes arguments that max_tokens cut off",
    "m2-cut-off-mid-thinking": "the SDK takes a stream without message_stop for complete",
}
"""Cases with a test of their own, and why."""


def prepare(case: Case) -> None:
    """Complete the oracle of a case; skip a case with a test of its own."""
    name = case.folder.name
    if name in OWN_EXPECTATION:
        pytest.skip(OWN_EXPECTATION[name])
    case.oracle["refusal"] = REFUSALS.get(name)
