"""The requests of a soak, and the answer that each must get. Pure: the same seed gives the same requests.

Every request carries a marker of its own, and every word of its answer repeats the marker with the word's
number. So an answer that belongs to another request, is doubled, or is cut shows in its text.
"""

from __future__ import annotations

import random
import re
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from tests.testbed.client_formats import FORMATS

AUTO = "auto"
EXPLICIT = {
    "chat": "openai/gpt-6-luna",
    "anthropic": "anthropic/claude-haiku-5-5",
    "gemini": "google/gemini-3.1-flash-lite",
}
"""The model asked for by name, by provider wire."""

PROVIDERS = ("openai", "anthropic", "google")
CLIENTS = tuple(FORMATS)
"""The formats that clients speak. Two of them have the provider's own bytes passed: Anthropic's and Gemini's;
Responses clients at OpenAI make the fourth provider wire."""

AUTO_SHARE = 0.77
STREAM_SHARE = 0.6
WORDS = 8
"""Words of an answer."""

MARKER = re.compile(r"soak-[a-z]+-\d{6}")
_PROMPTS = (
    "Say hello to {}.",
    "Write a short product description of a kettle called {}, for a shop.",
    "Refactor the parser of {} so that it streams, keep its public interface, and add tests for each error.",
    "Prove that every bounded sequence {} of real numbers has a convergent subsequence, step by step.",
)


@dataclass(frozen=True, slots=True)
class Ask:
    """One request: `kind` is `auto` or the provider wire of its explicit model, `client` its format."""

    run: str
    number: int
    kind: str
    streams: bool
    prompt: str
    client: str = "chat"

    @property
    def marker(self) -> str:
        return f"soak-{self.run}-{self.number:06}"

    @property
    def model(self) -> str:
        return EXPLICIT.get(self.kind, AUTO)

    @property
    def text(self) -> str:
        return self.prompt.format(self.marker)

    @property
    def body(self) -> dict[str, Any]:
        """The chat request, for the SDK."""
        messages = [{"role": "user", "content": self.text}]
        return {"model": self.model, "messages": messages, "stream": self.streams}

    @property
    def expected(self) -> str:
        """The only right answer."""
        return answer_text(self.marker)


def answer_text(marker: str) -> str:
    """The answer to the request with this marker."""
    return " ".join(f"{marker}:{number}" for number in range(WORDS))


def asks(run: str, seed: int, count: int) -> Iterator[Ask]:
    """The requests of a run. `run` is lower-case letters; other runs of the seed ask the same questions."""
    rng = random.Random(seed)  # noqa: S311  # repeatable on purpose
    for number in range(count):
        kind = AUTO if rng.random() < AUTO_SHARE else rng.choice(list(EXPLICIT))
        streams, prompt = rng.random() < STREAM_SHARE, rng.choice(_PROMPTS)
        yield Ask(run, number, kind, streams, prompt, rng.choice(CLIENTS))
