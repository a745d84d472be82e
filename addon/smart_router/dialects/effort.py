"""`reasoning_effort`: the words that clients use, fitted to those that a model takes."""

from __future__ import annotations

from collections.abc import Collection

EFFORTS = ("none", "minimal", "low", "medium", "high", "xhigh", "max")
"""All that OpenAI's models know, least first (openai SDK, `ReasoningEffort`)."""


def fit_effort(asked: str | None, taken: Collection[str]) -> str | None:
    """Return the effort asked for if the model takes it, else the nearest that it takes.

    That is the next one below, else the lowest. "none" stands for nothing but itself: whoever asks for some
    thinking gets some. `taken` empty means any. None for nothing asked and for a word that means nothing to
    this model.
    """
    if asked is None or not taken or asked in taken:
        return asked
    if asked not in EFFORTS:
        return None
    known = [effort for effort in EFFORTS[1:] if effort in taken]
    if not known:  # Qwen at Groq: none or default
        return "default" if "default" in taken else None
    below = [effort for effort in known if EFFORTS.index(effort) < EFFORTS.index(asked)]
    return (below[-1:] or known)[0]
