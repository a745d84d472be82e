"""The wire formats that providers speak, in one list."""

from __future__ import annotations

from collections.abc import Mapping

from smart_router.dialects.anthropic.dialect import AnthropicDialect
from smart_router.dialects.base import Dialect
from smart_router.dialects.gemini.cloudcode import CloudCodeDialect
from smart_router.dialects.gemini.dialect import GeminiDialect
from smart_router.dialects.openai_chat.dialect import ChatDialect
from smart_router.dialects.openai_responses.dialect import PUBLIC, ResponsesDialect

DIALECTS: Mapping[str, Dialect] = {
    dialect.name: dialect
    for dialect in (
        ChatDialect(),
        AnthropicDialect(),
        CloudCodeDialect(),
        GeminiDialect(),
        ResponsesDialect(PUBLIC),
    )
}
"""Dialects by name. Cloud Code comes before Gemini, whose `request_path` finds it too."""
