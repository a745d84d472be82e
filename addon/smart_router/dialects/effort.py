"""`reasoning_effort`: the words that clients use, fitted to those that a model takes."""

from __future__ import annotations

from collections.abc import Collection

EFFORTS = ("none", "minimal", "low", "medium", "high", "xhigh", "max")
"""All that OpenAI's models know, least first (openai SDK, `ReasoningEffort`)."""


def fit_effort(asked: str | None, taken: Collection[str]) -> str | None:
    """The effort asked for if the model takes it, else the next one below, else the model's lowest.

    `taken` empty means any. None for nothing asked and for a word that means nothing to this model.
    """
    if asked is None or not taken or asked in taken:
        return asked
    known = [effort for effort in EFFORTS if effort in taken]
    if asked not in EFFORTS or not known:
        return None
    below = [effort for effort in known if EFFORTS.index(effort) < EFFORTS.index(asked)]
    return (below[-1:] or known)[0]
