"""Names of models that tools use, and the models that they stand for: `[models]` of the config.

A name that no pattern matches, or one that is to be kept, means what it means without aliases.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from fnmatch import fnmatchcase

KEEP = "keep"

PRESETS: Mapping[str, Mapping[str, str]] = {
    "claude-code": {
        "claude-*haiku*": "auto:eco",
        "claude-*opus*": "auto:premium",
        "claude-*": "auto",
    },
    "codex": {
        "gpt-*-mini*": "auto:eco",
        "gpt-*-nano*": "auto:eco",
        "gpt-*": "auto",
        "codex-*": "auto",
    },
    "gemini-cli": {
        "gemini-*-flash-lite*": "auto:eco",
        "gemini-*-pro*": "auto:premium",
        "gemini-*": "auto",
    },
}
"""By tool: its model names. Small models serve its background calls, the largest its hardest turns."""


@dataclass(frozen=True, slots=True)
class Aliases:
    """Pairs of a pattern and the name that it stands for; the first that matches counts."""

    pairs: tuple[tuple[str, str], ...] = ()

    def find(self, model: str) -> str | None:
        """The router's name for a tool's, None if it is kept."""
        for pattern, name in self.pairs:
            if fnmatchcase(model, pattern):
                return None if name == KEEP else name
        return None


def make_aliases(own: Mapping[str, str], presets: Iterable[str]) -> Aliases:
    """The user's own aliases, then those of these presets."""
    known = [pair for preset in presets for pair in PRESETS[preset].items()]
    return Aliases((*own.items(), *known))
