"""OpenAI: chat completions at api.openai.com, and Responses where a model asks for it."""

from __future__ import annotations

from smart_router.dialects.base import OPENAI_MESSAGE, ChatQuirks
from smart_router.dialects.errors import ErrorRule
from smart_router.dialects.json_schema.subsets import OPENAI_TOOL
from smart_router.dialects.names import names
from smart_router.dialects.openai_responses.dialect import PUBLIC, ResponsesDialect
from smart_router.providers.base import PriceNames, Provider
from smart_router.providers.openai_compatible import CHAT

PROVIDER = Provider(
    "openai",
    CHAT,
    "https://api.openai.com/v1",
    order=10,
    base_url_env="OPENAI_BASE_URL",
    key_env=("OPENAI_API_KEY",),
    env_headers={"OpenAI-Organization": "OPENAI_ORG_ID", "OpenAI-Project": "OPENAI_PROJECT_ID"},
    quirks=ChatQuirks(
        renamed={"max_tokens": "max_completion_tokens"},
        accepted=names("""
            audio frequency_penalty function_call functions logit_bias logprobs max_completion_tokens
            max_tokens metadata modalities moderation n parallel_tool_calls prediction presence_penalty
            prompt_cache_key prompt_cache_options prompt_cache_retention safety_identifier seed service_tier
            stop store temperature top_logprobs top_p user verbosity web_search_options
        """),
        of_stored=frozenset({"metadata"}),
        accepted_of_messages=OPENAI_MESSAGE,
        schemas=OPENAI_TOOL,
        developer_role="reasoning",
    ),
    other_models=(  # [U] families by name
        "text-embedding-*",
        "*-moderation-*",
        "whisper-1",
        "tts-*",
        "gpt-*-tts*",
        "gpt-*-transcribe*",
        "gpt-image-*",
        "chatgpt-image-*",
        "dall-e-*",
        "gpt-3.5-turbo-instruct*",
        "davinci-002",
        "babbage-002",
    ),
    key_prefixes=("sk-proj-", "sk-svcacct-", "sk-admin-", "sk-"),
    error_rules=(
        # the model is there, but only for verified organizations
        ErrorRule("model_not_found", "model", status=(400, 403, 404), text=("must be verified to",)),
    ),
    responses=ResponsesDialect(PUBLIC),
    prices=PriceNames("openai/", {"gpt-6.2-astra": None, "gpt-6.2-sol": None}),
)
