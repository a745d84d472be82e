"""Alibaba's Model Studio (DashScope): Qwen."""

from __future__ import annotations

from smart_router.dialects.base import PLAIN_MESSAGE, ChatQuirks
from smart_router.dialects.errors import ErrorRule
from smart_router.dialects.names import names
from smart_router.providers.base import PriceNames, Provider
from smart_router.providers.openai_compatible import CHAT, OPENAI_ONLY

PROVIDER = Provider(
    "qwen-dashscope",
    CHAT,
    # a key belongs to one region: China's and the US keys need their own address
    "https://dashscope-intl.aliyuncs.com/compatible-mode/v1",
    order=70,
    base_url_env="DASHSCOPE_BASE_URL",
    key_env=("DASHSCOPE_API_KEY", "ALIBABA_API_KEY"),
    quirks=ChatQuirks(
        dropped=OPENAI_ONLY | {"user", "logprobs", "top_logprobs"},
        renamed={"max_completion_tokens": "max_tokens"},
        accepted=names("""
            audio enable_code_interpreter enable_search enable_thinking max_tokens modalities n
            parallel_tool_calls presence_penalty preserve_thinking repetition_penalty search_options seed stop
            temperature thinking_budget top_k top_p
        """),
        accepted_of_messages=PLAIN_MESSAGE | {"partial"},
        cache_marks=True,
        refused_parts=frozenset({"file"}),
        developer_role="never",
        effort_as="enable_thinking",
        # "enable_thinking must be set to false for non-streaming calls"
        thinks_in_streams=True,
    ),
    key_prefixes=("sk-",),
    error_rules=(
        # a limit on tokens per minute, whatever its name says
        ErrorRule("rate_limit", "model", status=(429,)),
        ErrorRule("quota", "profile", code=("Arrearage",)),
        # [U] the free allowance is each model's own
        ErrorRule("quota", "model", code=("AllocationQuota.FreeTierOnly",)),
        ErrorRule("model_not_found", "model", code=("Model.AccessDenied", "AccessDenied.Unpurchased")),
    ),
    # resale prices: Alibaba's own in USD differ by region
    prices=PriceNames("openrouter/qwen/", basis="estimated"),
)
