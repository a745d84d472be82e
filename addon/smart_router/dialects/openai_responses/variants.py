"""Differences between the services that speak OpenAI Responses, as data."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from smart_router.dialects.names import names

REASONING_FORMAT = "openai-responses-v1"
"""Marks reasoning details as OpenAI's (the name is OpenRouter's): encrypted reasoning means nothing to
others."""

_SAMPLING = {name: name for name in ("temperature", "top_p", "top_logprobs")}


@dataclass(frozen=True, slots=True)
class ResponsesFlavour:
    """The parts of a Responses request that one service accepts.

    `chatgpt` is the backend of ChatGPT logins: it answers with a stream whatever is asked, wants
    instructions, gives encrypted reasoning of every model, keeps no response, and takes no audio, log
    probabilities or web search. `system_role` replaces the roles system and developer, None keeps them.
    `fields` are the chat fields that are passed on and their names here; of several with one name the first
    that is set wins. `service_tiers` are the values taken, None meaning any. `min_output_tokens` is the
    smallest limit that is not refused. `refused` are fields of this API that the service does not take.
    `headers` maps `Call.extras` to the headers they are sent as.
    """

    chatgpt: bool = False
    system_role: str | None = None
    fields: Mapping[str, str] = field(default_factory=dict)
    service_tiers: frozenset[str] | None = None
    min_output_tokens: int = 1
    refused: frozenset[str] = frozenset()
    headers: Mapping[str, str] = field(default_factory=dict)


PUBLIC = ResponsesFlavour(
    fields={
        **_SAMPLING,
        "max_completion_tokens": "max_output_tokens",
        "max_tokens": "max_output_tokens",
        "metadata": "metadata",
        "moderation": "moderation",
        "prompt_cache_key": "prompt_cache_key",
        "prompt_cache_options": "prompt_cache_options",
        "prompt_cache_retention": "prompt_cache_retention",
        "safety_identifier": "safety_identifier",
        "user": "safety_identifier",
    },
    min_output_tokens=16,
)
"""The documented API (api.openai.com)."""

CODEX = ResponsesFlavour(
    chatgpt=True,
    system_role="developer",
    fields={"prompt_cache_key": "prompt_cache_key", "user": "prompt_cache_key"},
    service_tiers=frozenset({"priority"}),
    refused=names("""
        temperature top_p top_logprobs max_output_tokens metadata user safety_identifier truncation
        previous_response_id prompt_cache_retention prompt_cache_options stream_options context_management
    """),
    headers={
        "account_id": "chatgpt-account-id",
        "originator": "originator",
        "user_agent": "user-agent",
        "session": "session-id",
    },
)
"""The backend of ChatGPT logins: streams only, stores nothing, and refuses whatever limits or samples."""
