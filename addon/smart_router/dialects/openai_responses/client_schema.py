"""The schema of Responses requests (OpenAI API reference, responses/create; openai SDK 3.57)."""

from __future__ import annotations

from typing import Any

from smart_router.dialects import client_schema as t

_CONTENT = t.text_or(
    t.by_type(
        input_text=t.TEXT_PART,
        output_text=t.TEXT_PART,
        input_image=t.record(image_url=t.TEXT, file_id=t.TEXT, detail=t.TEXT),
        input_audio=t.record({"input_audio": t.OBJECT}),
        refusal=t.REFUSAL_PART,
        # of chat completions, which some clients mix in
        text=t.TEXT_PART,
        image_url=t.record({"image_url": t.record({"url": t.TEXT})}),
        file=t.record({"file": t.OBJECT}),
    )
)

_CUSTOM = t.record({"name": t.TEXT}, description=t.STRING, format=t.TYPED)
_NAMESPACED = t.listed(t.by_type(function=t.FUNCTION, custom=_CUSTOM))
_TOOLS = t.listed(
    t.by_type(
        function=t.FUNCTION,
        custom=_CUSTOM,
        namespace=t.record({"name": t.TEXT, "description": t.maybe(t.STRING), "tools": _NAMESPACED}),
    )
)

_CALL = {"call_id": t.TEXT, "name": t.TEXT, "namespace": t.maybe(t.STRING)}
_OUTPUT = t.record({"call_id": t.TEXT, "output": _CONTENT})
_ITEMS = {
    "message": t.record(
        {"role": t.literal(["user", "assistant", "system", "developer"]), "content": _CONTENT}
    ),
    "function_call": t.record({**_CALL, "arguments": t.STRING}),
    "function_call_output": _OUTPUT,
    "custom_tool_call": t.record({**_CALL, "input": t.STRING}),
    "custom_tool_call_output": _OUTPUT,
    "reasoning": t.record(
        summary=t.listed(t.TEXT_PART), content=t.listed(t.TEXT_PART), encrypted_content=t.STRING
    ),
    "item_reference": t.record({"id": t.TEXT}),
    "additional_tools": t.record({"tools": _TOOLS}),
}
_by_type = t.field_tag("type", _ITEMS)


def _item_tag(value: Any) -> str:
    """The type may be missing of messages and references."""
    if isinstance(value, dict) and value.get("type") is None:
        return "<message>" if "role" in value else "<item_reference>" if "id" in value else "<other>"
    return _by_type(value)


_MESSAGE_TYPE = {"properties": {"type": {"enum": ["message", None]}}}
_TOLD = t.told_by("type", _ITEMS) | {"message": _MESSAGE_TYPE}
_ITEM = t.union(_item_tag, {**_ITEMS, "other": t.TYPED}, _TOLD)
_TEXT_SCHEMA = t.record({"name": t.TEXT, "schema": t.OBJECT}, description=t.STRING, strict=t.BOOL)

RESPONSES_REQUEST = t.RequestSchema(
    t.record(
        {"model": t.TEXT, "input": t.text_or(_ITEM, at_least=1)},
        instructions=t.STRING,
        stream=t.BOOL,
        tools=_TOOLS,
        tool_choice=t.TOOL_CHOICE,
        parallel_tool_calls=t.BOOL,
        reasoning=t.record(effort=t.TEXT, summary=t.STRING),
        text=t.record(format=t.by_type(json_schema=_TEXT_SCHEMA), verbosity=t.TEXT),
        include=t.listed(t.STRING),
        max_output_tokens=t.COUNT,
        temperature=t.NUMBER,
        top_p=t.NUMBER,
        top_logprobs=t.integer(ge=0, le=20),
        metadata=t.OBJECT,
        store=t.BOOL,
        previous_response_id=t.TEXT,
        prompt_cache_key=t.STRING,
        prompt_cache_retention=t.STRING,
        safety_identifier=t.STRING,
        service_tier=t.STRING,
        truncation=t.TEXT,
        background=t.BOOL,
        user=t.STRING,
    )
)
