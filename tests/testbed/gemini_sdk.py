"""Google's own client on the router's Gemini endpoint, and its answers in the terms of `oracle.compare`."""

from __future__ import annotations

import json
from collections.abc import Iterable
from typing import Any

import httpx
from google import genai
from google.genai import types

from tests.testbed.cases import Case
from tests.testbed.harness import NO_TLS

SHOW_THOUGHTS = types.GenerateContentConfig(
    thinking_config=types.ThinkingConfig(include_thoughts=True),
    # with it, which is for tools that are Python functions, all chunks are converted again at each chunk
    automatic_function_calling=types.AutomaticFunctionCallingConfig(disable=True),
)
REASONS = {"STOP": "stop", "MAX_TOKENS": "length", "SAFETY": "content_filter"}


def gemini_client(url: str, http: httpx.AsyncClient, version: str = "v1beta") -> genai.Client:
    """Google's client with this base URL, which speaks through `http`."""
    no_tls = {"verify": NO_TLS}
    options = types.HttpOptions(
        base_url=url,
        api_version=version,
        httpx_async_client=http,
        client_args=no_tls,
        async_client_args=no_tls,
    )
    return genai.Client(api_key="client-key", http_options=options)


async def ask_gemini(client: genai.Client, model: str, *, stream: bool) -> dict[str, Any]:
    """Google's reading of an answer, as a chat completion."""
    models = client.aio.models
    if not stream:
        answer = await models.generate_content(model=model, contents="Hi", config=SHOW_THOUGHTS)
        return as_completion([answer])
    chunks = await models.generate_content_stream(model=model, contents="Hi", config=SHOW_THOUGHTS)
    return as_completion([chunk async for chunk in chunks])


def as_completion(answers: Iterable[types.GenerateContentResponse]) -> dict[str, Any]:
    """The first candidate of an answer, or of a stream's pieces, as a chat completion."""
    parts: list[types.Part] = []
    reason, usage = None, None
    for answer in answers:
        firsts = [one for one in answer.candidates or () if not one.index]
        candidate = (firsts or [types.Candidate()])[0]
        parts += (candidate.content.parts or ()) if candidate.content else ()
        reason = candidate.finish_reason or reason
        usage = answer.usage_metadata or usage
    calls = [
        {
            "id": part.function_call.id,
            "type": "function",
            "function": {"name": part.function_call.name, "arguments": json.dumps(part.function_call.args)},
        }
        for part in parts
        if part.function_call
    ]
    assert reason is not None, "the answer has no finish reason"
    finish = REASONS[reason.value]
    message = {
        "content": "".join(part.text for part in parts if part.text and not part.thought),
        "reasoning_content": "".join(part.text for part in parts if part.text and part.thought),
        "tool_calls": calls,
    }
    choice = {"message": message, "finish_reason": "tool_calls" if calls and finish == "stop" else finish}
    return {"choices": [choice], "usage": _usage(usage) if usage else None}


def _usage(usage: types.GenerateContentResponseUsageMetadata) -> dict[str, Any]:
    thoughts = usage.thoughts_token_count or 0
    return {
        "prompt_tokens": usage.prompt_token_count or 0,
        "completion_tokens": (usage.candidates_token_count or 0) + thoughts,
        "total_tokens": usage.total_token_count or 0,
        "prompt_tokens_details": {"cached_tokens": usage.cached_content_token_count or 0},
        "completion_tokens_details": {"reasoning_tokens": thoughts},
    }


ONE_REASON = {"stop+tools": "tool_calls"}
"""STOP stands for both: chat models that were told which function to call say "stop"."""


def expect_of_gemini(case: Case) -> None:
    """Change a case's oracle to what Gemini's format can carry.

    - A refusal is a text: the format has no field for it.
    - Tokens written to a cache have no field, and are part of the prompt.
    - The input of a custom tool, which is no JSON object, is wrapped in one.
    """
    oracle = case.oracle
    oracle["text"] += oracle["refusal"] or ""
    oracle["refusal"] = None
    if oracle["usage_openai"]:
        oracle["usage_openai"]["cache_write"] = 0
    for call in oracle["tool_calls"]:
        if "custom_input" in call:
            call["arguments"] = {"arguments": call.pop("custom_input")}
