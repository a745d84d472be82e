"""The schema of chat completion requests (OpenAI API reference, chat/create)."""

from __future__ import annotations

from smart_router.dialects import client_schema as t

_PART = t.by_type(
    text=t.TEXT_PART,
    image_url=t.record({"image_url": t.record({"url": t.TEXT})}),
    input_audio=t.record({"input_audio": t.record({"data": t.TEXT, "format": t.TEXT})}),
    file=t.record({"file": t.OBJECT}),
    refusal=t.REFUSAL_PART,
)
_CONTENT = t.text_or(_PART)

_FUNCTION_CALL = t.record({"name": t.TEXT, "arguments": t.STRING})
_CALLS = {
    "function": t.record({"id": t.TEXT, "function": _FUNCTION_CALL}),
    "custom": t.record({"id": t.TEXT, "custom": t.record({"name": t.TEXT, "input": t.STRING})}),
}
_TOOL_CALL = t.by_field("type", _CALLS)

_INPUT = t.record({"content": _CONTENT}, name=t.STRING)
_MESSAGES = {
    "developer": _INPUT,
    "system": _INPUT,
    "user": _INPUT,
    "assistant": t.record(
        content=_CONTENT,
        name=t.STRING,
        refusal=t.STRING,
        tool_calls=t.listed(_TOOL_CALL),
        function_call=_FUNCTION_CALL,
        reasoning_content=t.STRING,
        reasoning_details=t.listed(t.OBJECT),
    ),
    "tool": t.record({"content": _CONTENT, "tool_call_id": t.TEXT}),
    "function": t.record({"content": t.nullable(t.STRING), "name": t.TEXT}),
}
_MESSAGE = t.by_field("role", _MESSAGES)

_JSON_SCHEMA = t.record({"name": t.TEXT}, schema=t.OBJECT)

CHAT_REQUEST = t.RequestSchema(
    t.record(
        {"model": t.TEXT, "messages": t.listed(_MESSAGE, at_least=1)},
        stream=t.BOOL,
        stream_options=t.record(include_usage=t.BOOL),
        tools=t.listed(t.by_type(function=t.record({"function": t.FUNCTION}))),
        tool_choice=t.TOOL_CHOICE,
        parallel_tool_calls=t.BOOL,
        response_format=t.by_type(json_schema=t.record({"json_schema": _JSON_SCHEMA})),
        max_tokens=t.COUNT,
        max_completion_tokens=t.COUNT,
        temperature=t.NUMBER,
        top_p=t.NUMBER,
        n=t.COUNT,
        stop=t.text_or(t.STRING),
        seed=t.INTEGER,
        presence_penalty=t.NUMBER,
        frequency_penalty=t.NUMBER,
        logit_bias=t.NUMBERS,
        logprobs=t.BOOL,
        top_logprobs=t.integer(ge=0),
        reasoning_effort=t.TEXT,
        service_tier=t.STRING,
        user=t.STRING,
        safety_identifier=t.STRING,
        prompt_cache_key=t.STRING,
        metadata=t.OBJECT,
        modalities=t.listed(t.STRING),
        store=t.BOOL,
    )
)
