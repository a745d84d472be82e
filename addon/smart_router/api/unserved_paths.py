"""Paths of LLM APIs that the router does not serve, so that no prompt or key sent there goes anywhere else.

Serving one of them takes its row out of this table, and puts one into `endpoints`.
"""

from __future__ import annotations

from collections.abc import Sequence
from fnmatch import fnmatchcase
from typing import NamedTuple

from smart_router.dialects.client_errors import (
    ErrorBody,
    anthropic_error,
    gemini_error,
    ollama_error,
    openai_error,
)
from smart_router.errors import ClientError

_CHAT = "POST /v1/chat/completions"


class UnservedPath(NamedTuple):
    """One row. `pattern` is in lower case and may hold `*`; `hint` says what to do."""

    pattern: str
    error_body: ErrorBody
    what: str
    hint: str

    def covers(self, path: str) -> bool:
        """Return whether a lower-case path is this one, or below it."""
        return fnmatchcase(path, self.pattern) or fnmatchcase(path, f"{self.pattern}/*")

    def refusal(self) -> ClientError:
        """The answer to a request for it."""
        said = f"{self.what} is not served by this router; {self.hint}"
        return ClientError(404, said, code="not_found")


_OPENAI_HINT = f"send chat requests to {_CHAT}, and point clients of other APIs at their vendor"
_ANTHROPIC_HINT = (
    "POST /v1/messages and /v1/messages/count_tokens are; or unset ANTHROPIC_BASE_URL so that the client "
    "asks Anthropic itself"
)
_GEMINI_HINT = (
    "generateContent, streamGenerateContent and countTokens are; or unset GOOGLE_GEMINI_BASE_URL so that the "
    "client asks Google itself"
)
_BASE_URL_HINT = f"the base URL ends with /v1 right after the router's address: {_CHAT}"

UNSERVED: Sequence[UnservedPath] = (
    UnservedPath("/v1/messages/*", anthropic_error, "This part of Anthropic's Messages API", _ANTHROPIC_HINT),
    UnservedPath("/v1/complete", anthropic_error, "Anthropic's Text Completions API", _ANTHROPIC_HINT),
    UnservedPath("/anthropic", anthropic_error, "Anthropic's API", _ANTHROPIC_HINT),
    UnservedPath("/v1/audio", openai_error, "The Audio API", _OPENAI_HINT),
    UnservedPath("/v1/realtime", openai_error, "The Realtime API", _OPENAI_HINT),
    UnservedPath("/v1/files", openai_error, "The Files API", _OPENAI_HINT),
    UnservedPath("/v1/batches", openai_error, "The Batch API", _OPENAI_HINT),
    UnservedPath(
        "/v1beta/openai", openai_error, "This path of Google's OpenAI-compatible API", _BASE_URL_HINT
    ),
    UnservedPath("/openai", openai_error, "This path of an OpenAI-compatible API", _BASE_URL_HINT),
    UnservedPath("/api/v1", openai_error, "This path of an OpenAI-compatible API", _BASE_URL_HINT),
    *(
        UnservedPath(f"*/models/*:{action}", gemini_error, "This method of the Gemini API", _GEMINI_HINT)
        for action in ("embedcontent", "batchembedcontents", "predict")
    ),
    # all but models, media and the like
    UnservedPath("/v1beta/[!m]*", gemini_error, "This part of the Gemini API", _GEMINI_HINT),
    UnservedPath("/v1alpha/[!m]*", gemini_error, "This part of the Gemini API", _GEMINI_HINT),
    *(
        UnservedPath(f"/api/{name}", ollama_error, "Ollama's API", f"use an OpenAI client and {_CHAT}")
        for name in ("chat", "generate", "embed", "embeddings", "tags", "show", "ps", "version")
    ),
)
"""The first row that covers a path counts. Sources: the vendors' API references."""


def unserved(path: str) -> UnservedPath | None:
    """The row of a path in lower case, as it is or without its /v1; None if no LLM API has it."""
    for row in UNSERVED:
        if row.covers(path) or row.covers(f"/v1{path}"):
            return row
    return None
