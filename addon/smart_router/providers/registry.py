"""The providers: a row each, and how a row is made for a server that the user declares.

Sources: the vendors' API references and SDKs, the AI SDK's providers, November 2026.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import replace

from smart_router.dialects.anthropic.dialect import AnthropicDialect
from smart_router.dialects.base import ChatQuirks
from smart_router.dialects.gemini.cloudcode import CloudCodeDialect
from smart_router.dialects.gemini.dialect import GeminiDialect
from smart_router.dialects.openai_chat.dialect import ChatDialect
from smart_router.dialects.openai_responses.dialect import CODEX, ResponsesDialect
from smart_router.providers.base import Model, Provider
from smart_router.providers.catalogue import load_models
from smart_router.providers.error_rules import ERROR_RULES

_CHAT = ChatDialect()
_OPENAI_ONLY = frozenset(
    {
        "metadata",
        "store",
        "prediction",
        "prompt_cache_key",
        "prompt_cache_retention",
        "safety_identifier",
        "verbosity",
    }
)
"""Parameters that tune or label requests at OpenAI; others refuse or ignore them."""

_OPENAI = ChatQuirks(
    renamed={"max_tokens": "max_completion_tokens"},
    developer_role="reasoning",
    dropped_for=((r"o\d", frozenset({"stop"})),),
)
_DASHSCOPE = ChatQuirks(
    dropped=_OPENAI_ONLY | {"user", "logprobs", "top_logprobs"},
    renamed={"max_completion_tokens": "max_tokens"},
    refused_parts=frozenset({"file"}),
    developer_role="never",
    effort_as="enable_thinking",
    # "enable_thinking must be set to false for non-streaming calls"
    thinks_in_streams=True,
)
_DEEPSEEK = ChatQuirks(
    dropped=_OPENAI_ONLY | {"user", "n", "seed", "parallel_tool_calls"},
    renamed={"max_completion_tokens": "max_tokens"},
    refused_parts=frozenset({"input_audio", "file"}),
    developer_role="never",
    json_schema=False,
    effort_as="thinking",
    efforts={"minimal": "low", "medium": "high", "xhigh": "high", "ultra": "max"},
    history="tool_turns",
)
_XAI = ChatQuirks(
    dropped=_OPENAI_ONLY,
    dropped_reasoning=frozenset({"presence_penalty", "frequency_penalty", "stop"}),
    renamed={"max_tokens": "max_completion_tokens", "parallel_tool_calls": "parallel_function_calling"},
    refused_parts=frozenset({"input_audio"}),
    developer_role="never",
    reasoning_apart=True,
    session_header="x-grok-conv-id",
)
_GROQ = ChatQuirks(
    dropped=_OPENAI_ONLY | {"logprobs", "top_logprobs", "logit_bias"},
    # else thinking comes as <think> tags in the text; these models never write them and refuse the parameter
    fixed_reasoning={"reasoning_format": "parsed"},
    dropped_for=((r"openai/gpt-oss|groq/compound", frozenset({"reasoning_format"})),),
    dropped_of_messages=frozenset({"name"}),
    refused_parts=frozenset({"input_audio", "file"}),
    single_choice=True,
    developer_role="never",
    lowest_temperature=1e-8,
)
_OPENROUTER = ChatQuirks(
    dropped=frozenset({"n"}), fixed={"usage": {"include": True}}, effort_as="reasoning", history="details"
)
_DECLARED = ChatQuirks(developer_role="never")

_ROWS = (
    Provider(
        "openai",
        _CHAT,
        "https://api.openai.com/v1",
        base_url_env="OPENAI_BASE_URL",
        key_env=("OPENAI_API_KEY",),
        env_headers={"OpenAI-Organization": "OPENAI_ORG_ID", "OpenAI-Project": "OPENAI_PROJECT_ID"},
        quirks=_OPENAI,
    ),
    Provider(
        "anthropic",
        AnthropicDialect(),
        "https://api.anthropic.com",
        base_url_env="ANTHROPIC_BASE_URL",
        key_env=("ANTHROPIC_API_KEY", "ANTHROPIC_AUTH_TOKEN"),
        auth="x-api-key",
        headers={"anthropic-version": "2023-06-01"},
    ),
    Provider(
        "google",
        GeminiDialect(),
        "https://generativelanguage.googleapis.com/v1beta",
        base_url_env="GOOGLE_GEMINI_BASE_URL",  # with the version, unlike in Google's own SDK
        key_env=("GOOGLE_API_KEY", "GEMINI_API_KEY", "GOOGLE_GENERATIVE_AI_API_KEY"),
        auth="x-goog-api-key",
    ),
    Provider(
        "qwen-dashscope",
        _CHAT,
        # a key belongs to one region: China's and the US keys need their own address
        "https://dashscope-intl.aliyuncs.com/compatible-mode/v1",
        base_url_env="DASHSCOPE_BASE_URL",
        key_env=("DASHSCOPE_API_KEY", "ALIBABA_API_KEY"),
        quirks=_DASHSCOPE,
    ),
    Provider(
        "deepseek",
        _CHAT,
        "https://api.deepseek.com",
        base_url_env="DEEPSEEK_BASE_URL",
        key_env=("DEEPSEEK_API_KEY",),
        quirks=_DEEPSEEK,
    ),
    Provider(
        "xai",
        _CHAT,
        "https://api.x.ai/v1",
        base_url_env="XAI_BASE_URL",
        key_env=("XAI_API_KEY", "GROK_API_KEY"),
        quirks=_XAI,
    ),
    Provider(
        "groq",
        _CHAT,
        "https://api.groq.com/openai/v1",
        base_url_env="GROQ_BASE_URL",
        key_env=("GROQ_API_KEY",),
        quirks=_GROQ,
    ),
    Provider(
        "openrouter",
        _CHAT,
        "https://openrouter.ai/api/v1",
        base_url_env="OPENROUTER_BASE_URL",
        key_env=("OPENROUTER_API_KEY",),
        quirks=_OPENROUTER,
        listed=False,
    ),
    # Logins come last: a model that an API key reaches too is asked for there.
    Provider(
        "openai-codex",
        ResponsesDialect(CODEX),
        "https://chatgpt.com/backend-api/codex",
        kind="login",
        extras={"originator": "codex_cli_rs"},
    ),
    Provider(
        "minimax-portal",
        AnthropicDialect(),
        "https://api.minimax.io/anthropic",
        key_env=(
            "MINIMAX_OAUTH_TOKEN",
            "MINIMAX_CODE_PLAN_KEY",
            "MINIMAX_CODING_API_KEY",
            "MINIMAX_API_KEY",
        ),
        kind="login",
        resource_hosts=("minimax.io", "minimaxi.com"),
    ),
    Provider(
        "antigravity",
        CloudCodeDialect(),
        "https://daily-cloudcode-pa.googleapis.com",
        more_base_urls=("https://cloudcode-pa.googleapis.com",),
        kind="login",
    ),
    Provider(
        "qwen-portal",
        _CHAT,
        "https://portal.qwen.ai/v1",
        key_env=("QWEN_OAUTH_TOKEN", "QWEN_PORTAL_API_KEY"),
        kind="login",
        resource_hosts=("qwen.ai", "dashscope.aliyuncs.com", "dashscope-intl.aliyuncs.com"),
        quirks=_DASHSCOPE,
    ),
)

PROVIDERS: Mapping[str, Provider] = {
    row.id: replace(row, models=load_models(row.id), error_rules=ERROR_RULES[row.id]) for row in _ROWS
}
"""Every provider by id, in the order in which models of several are looked for."""


def declared_provider(
    id_: str, base_url: str, *, key_env: str | None = None, models: Iterable[str] = ()
) -> Provider:
    """An OpenAI-compatible server from the user's config; it may need no key and answers any model id."""
    return Provider(
        id_,
        _CHAT,
        base_url,
        key_env=(key_env,) if key_env else (),
        key_optional=key_env is None,
        quirks=_DECLARED,
        models={model: Model(model) for model in models},
        listed=False,
    )
