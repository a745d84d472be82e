"""Taking secrets out of text that others will read."""

from __future__ import annotations

import re

_PATTERNS = (
    # what follows "API key provided:" is a key, whatever it looks like
    re.compile(r"(?i)(\bapi[ _-]?key(?: provided)?: ?)[^\s\"'<>]*[^\s\"'<>.,;)]"),
    re.compile(r"(?i)(\bbearer )[\w.~+/=*-]{6,}"),
    re.compile(r"(\bsk-)[\w*-]{6,}(?:\.+[\w*-]+)*"),  # openai, anthropic, openrouter, deepseek, dashscope
    re.compile(r"(\bAIza)[\w*-]{10,}"),  # Google API keys
    re.compile(r"(\bya29\.)[\w*.-]{6,}"),  # Google access tokens
    re.compile(r"(\bgsk_)[\w*]{6,}"),  # groq
    re.compile(r"(\bxai-)[\w*-]{16,}"),
    re.compile(r"(\beyJ)[\w-]{10,}(?:\.[\w-]+)*"),  # JSON web tokens
)


def mask_secrets(text: str) -> str:
    """The text with whatever looks like a key or token cut to its prefix and `***`."""
    for pattern in _PATTERNS:
        text = pattern.sub(r"\1***", text)
    return text
