"""Recorded errors and what they say, read by a person."""

from __future__ import annotations

from smart_router.errors import ErrorClass, Scope

Reading = tuple[ErrorClass, Scope, str | None]

BAD: Reading = ("bad_request", "none", None)
UNSUPPORTED: Reading = ("unsupported", "none", None)
AUTH: Reading = ("auth", "profile", "invalid_api_key")
UNAFFORDABLE: Reading = ("quota", "none", "insufficient_quota")
AUTH_MODEL: Reading = ("auth", "model", "invalid_api_key")
NO_MODEL: Reading = ("model_not_found", "model", "model_not_found")
TOO_LONG: Reading = ("context_length", "none", "context_length_exceeded")
FILTERED: Reading = ("content_filter", "none", "content_filter")
LIMITED: Reading = ("rate_limit", "model", "rate_limit_exceeded")
SPENT: Reading = ("quota", "profile", "insufficient_quota")
MODEL_SPENT: Reading = ("quota", "model", "insufficient_quota")
OVERLOADED: Reading = ("overloaded", "model", "server_is_overloaded")
BROKEN: Reading = ("server", "model", None)

RECORDED: dict[str, Reading] = {
    "anthropic-messages/anthropic/anthropic-beta-claude-sonnet-4-0-0-n-401": AUTH,
    "anthropic-messages/anthropic/anthropic-claude-sonnet-4-0-0-n-401": AUTH,
    "anthropic-messages/anthropic/anthropic-completion-error-0-n-400": BAD,
    "anthropic-messages/anthropic/anthropic-completion-invalid-api-key-0-n-401": AUTH,
    "anthropic-messages/anthropic/error-429-input-tokens-per-minute": LIMITED,
    "anthropic-messages/anthropic/error-529-overloaded": OVERLOADED,
    "anthropic-messages/anthropic/error-envelope-nonexistent-model-error-preserves-status-and-body-0-n-404": NO_MODEL,  # noqa: E501
    "anthropic-messages/anthropic/error-identity-edge-auth-rejection-carries-identity-0-n-401": AUTH,
    "anthropic-messages/anthropic/error-in-stream-overloaded": OVERLOADED,
    "anthropic-messages/anthropic/strict-schema-matrix-cyclic-root-ref-aliases-are-rejected-0-n-400": UNSUPPORTED,  # noqa: E501
    "anthropic-messages/anthropic/test-model-name-suggestion-anthropic-0-n-404": NO_MODEL,
    "anthropic-messages/minimax/error-401-login-fail": AUTH,
    "cloudcode/antigravity/error-429-individual-quota": MODEL_SPENT,
    "cloudcode/antigravity/error-429-model-capacity": OVERLOADED,
    "cloudcode/antigravity/error-503-model-capacity": OVERLOADED,
    "gemini/google/dling-with-gemini-gemini-2-5-flash-raises-appropriate-auth-error-0-n-400": AUTH,
    "gemini/google/error-503-overloaded": OVERLOADED,
    "gemini/google/error-envelope-nonexistent-model-error-preserves-status-and-body-0-n-404": NO_MODEL,
    "gemini/google/google-429-retry-info-0-n-429": LIMITED,
    "gemini/google/google-gemini-2-5-flash-0-n-404": NO_MODEL,
    "gemini/google/test-model-name-suggestion-google-0-n-404": NO_MODEL,
    "openai-chat/deepseek/chat-completion-rejects-an-unknown-model-with-the-provider-body-0-n-400": NO_MODEL,
    "openai-chat/deepseek/ndling-with-deepseek-deepseek-chat-raises-appropriate-auth-error-0-n-401": AUTH,
    "openai-chat/deepseek/os-deepseek-deepseek-chat-handles-context-length-exceeded-errors-0-n-400": TOO_LONG,
    "openai-chat/deepseek/wire-shape-matrix-blocking-image-base64-part-reaches-the-wire-0-n-400": UNSUPPORTED,
    "openai-chat/deepseek/wire-shape-matrix-blocking-image-only-message-reaches-the-wire-0-n-400": UNSUPPORTED,  # noqa: E501
    "openai-chat/groq/error-429-tpm": LIMITED,
    "openai-chat/groq/response-identity-edge-auth-rejection-classifies-with-contract-0-n-401": AUTH,
    "openai-chat/groq/test-model-name-suggestion-groq-0-n-404": NO_MODEL,
    "openai-chat/groq/test-tool-regular-error-0-n-404": NO_MODEL,
    "openai-chat/groq/test-tool-use-failed-error-0-n-400": ("server", "none", "tool_use_failed"),
    "openai-chat/openai/error-429-insufficient-quota": SPENT,
    "openai-chat/openai/error-429-rate-limit": LIMITED,
    "openai-chat/openai/error-500-server": BROKEN,
    "openai-chat/openai/error-502-html": BROKEN,
    "openai-chat/openai/identity-edge-chat-completions-validation-error-carries-identity-0-n-400": BAD,
    "openai-chat/openai/st-multimodal-tool-return-matrix-direct-binary-audio-openai-chat-1-n-400": UNSUPPORTED,  # noqa: E501
    "openai-chat/openai/test-async-chat-completion-404-0-n-404": NO_MODEL,
    "openai-chat/openai/test-model-name-suggestion-openai-chat-0-n-404": NO_MODEL,
    "openai-chat/openai/test-openai-web-search-tool-model-not-supported-0-n-400": UNSUPPORTED,
    "openai-chat/openai/testlm-test-exception-event-recorded-on-lm-error-0-n-401": AUTH,
    "openai-chat/openrouter/error-402-credits": UNAFFORDABLE,
    "openai-chat/openrouter/error-in-200-nonstream": BROKEN,
    "openai-chat/openrouter/g-with-openrouter-claude-haiku-4-5-raises-appropriate-auth-error-0-n-401": AUTH,
    "openai-chat/openrouter/response-identity-edge-routed-failure-error-shape-0-n-400": NO_MODEL,
    "openai-chat/openrouter/test-openrouter-stream-error-0-s": TOO_LONG,
    "openai-chat/openrouter/testopenrouterstreaming-1-n-429": LIMITED,
    "openai-chat/qwen-dashscope/error-400-data-inspection": FILTERED,
    "openai-chat/xai/error-429-rate-limit": LIMITED,
    "openai-responses/deepseek/test-deepseek-responses-rejects-interleaved-function-calls-0-n-400": BAD,
    "openai-responses/openai-codex/error-429-usage-limit": SPENT,
    "openai-responses/openai/enarios-openai-gpt-5-nano-handles-context-length-exceeded-errors-0-n-400": TOO_LONG,  # noqa: E501
    "openai-responses/openai/identity-edge-extractor-failure-surfaces-provider-error-context-0-n-400": NO_MODEL,  # noqa: E501
    "openai-responses/openai/openai-error-1-0-s": SPENT,
    "openai-responses/openai/reasoning-model-temperature-error-0-n-400": UNSUPPORTED,
    "openai-responses/openai/test-model-call-with-tools-1-n-400": UNSUPPORTED,
    "openai-responses/openai/test-openai-responses-model-http-error-0-n-400": BAD,
    "openai-responses/openai/test-parallel-chat-error-continue-mode-0-n-401": AUTH,
    "openai-responses/xai/response-identity-auth-rejection-classifies-with-contract-0-n-400": AUTH,
}
"""Class, scope and the client's code, by recording."""

RECORDED_DELAYS = {
    "anthropic-messages/anthropic/error-429-input-tokens-per-minute": 12,
    "cloudcode/antigravity/error-429-individual-quota": 5256.139434956,
    "cloudcode/antigravity/error-503-model-capacity": 6,
    "gemini/google/google-429-retry-info-0-n-429": 34.4,
    "openai-chat/groq/error-429-tpm": 8,
    "openai-chat/openai/error-429-rate-limit": 1.244,
    "openai-chat/openrouter/testopenrouterstreaming-1-n-429": 0,  # a point in time long past
    "openai-responses/openai-codex/error-429-usage-limit": 173470,
}

IN_200 = {
    "anthropic-messages/anthropic/error-in-stream-overloaded": 503,
    "openai-chat/openrouter/error-in-200-nonstream": 502,
    "openai-chat/openrouter/test-openrouter-stream-error-0-s": 400,
    "openai-responses/openai/openai-error-1-0-s": 429,
}
"""The client's status for errors inside a 200."""
