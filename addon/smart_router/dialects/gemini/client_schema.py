"""The schema of clients' `GenerateContentRequest`s (Gemini API reference), in camelCase.

Protocol buffers' JSON takes each field's name in both spellings, and a number as text; Google's own clients
mix the spellings.
"""

from __future__ import annotations

from functools import lru_cache
from typing import Any

from pydantic_core import CoreSchema, core_schema

from smart_router.dialects import client_schema as t

_OPAQUE = frozenset(
    ("args", "response", "parameters", "parametersJsonSchema", "responseSchema", "responseJsonSchema")
)
"""Fields whose content is the user's, or a schema: names in it are not the API's."""


def in_camel_case(value: Any) -> Any:
    """Return the request with the API's fields spelt in camelCase."""
    if isinstance(value, list):
        return [in_camel_case(item) for item in value]
    if not isinstance(value, dict):
        return value
    renamed = {camel_case(name) if "_" in name else name: inner for name, inner in value.items()}
    return {
        name: inner if name in _OPAQUE else in_camel_case(inner)
        for name, inner in renamed.items()
        if inner is not None
    }


@lru_cache(1024)
def camel_case(name: str) -> str:
    """Return a name that is spelt with underscores in camelCase."""
    first, *others = name.split("_")
    return first + "".join(word[:1].upper() + word[1:] for word in others)


def _as_list(value: Any) -> Any:
    return [value] if isinstance(value, dict) else value


def _one_or_more(item: CoreSchema, *, at_least: int | None = None) -> CoreSchema:
    """Return the schema of a list, or of one object in its place, as in Google's own examples."""
    return core_schema.no_info_before_validator_function(_as_list, t.listed(item, at_least=at_least))


_WHOLE = t.integer(strict=False)
_COUNT = t.integer(strict=False, ge=1)

_BLOB = t.record({"mimeType": t.TEXT, "data": t.TEXT})
_FILE = t.record({"fileUri": t.TEXT}, mimeType=t.STRING)
_RESPONSE = t.record(
    {"name": t.TEXT},
    response=t.OBJECT,
    id=t.STRING,
    parts=t.listed(t.record(inlineData=_BLOB, fileData=_FILE)),
)
_PARTS = _one_or_more(
    t.record(
        text=t.STRING,
        thought=t.BOOL,
        thoughtSignature=t.STRING,
        inlineData=_BLOB,
        fileData=_FILE,
        functionCall=t.record({"name": t.TEXT}, args=t.OBJECT, id=t.STRING),
        functionResponse=_RESPONSE,
        executableCode=t.record({"code": t.STRING}, language=t.STRING),
        codeExecutionResult=t.record(outcome=t.STRING, output=t.STRING),
    )
)
_CONTENT = t.record(role=t.literal(["user", "model", "function", ""]), parts=_PARTS)

_DECLARATION = t.record(
    {"name": t.TEXT}, description=t.STRING, parameters=t.OBJECT, parametersJsonSchema=t.OBJECT
)
_CALLING = t.record(
    mode=t.literal(["MODE_UNSPECIFIED", "AUTO", "ANY", "NONE", "VALIDATED"]),
    allowedFunctionNames=t.listed(t.TEXT),
)
_THINKING = t.record(
    includeThoughts=t.BOOL, thinkingBudget=t.integer(strict=False, ge=-1), thinkingLevel=t.STRING
)
_CONFIG = t.record(
    temperature=t.NUMBER,
    topP=t.NUMBER,
    topK=core_schema.float_schema(strict=False, allow_inf_nan=False),
    candidateCount=_COUNT,
    maxOutputTokens=_COUNT,
    stopSequences=t.listed(t.STRING),
    seed=_WHOLE,
    presencePenalty=t.NUMBER,
    frequencyPenalty=t.NUMBER,
    responseLogprobs=t.BOOL,
    logprobs=t.integer(strict=False, ge=0),
    responseMimeType=t.STRING,
    responseSchema=t.OBJECT,
    responseJsonSchema=t.OBJECT,
    responseModalities=t.listed(t.STRING),
    thinkingConfig=_THINKING,
)

GENERATE_REQUEST = t.RequestSchema(
    t.record(
        {"contents": _one_or_more(_CONTENT, at_least=1)},
        systemInstruction=t.record({"role": t.maybe(t.STRING), "parts": _PARTS}),
        tools=_one_or_more(t.record(functionDeclarations=t.listed(_DECLARATION))),
        toolConfig=t.record(functionCallingConfig=_CALLING),
        generationConfig=_CONFIG,
        safetySettings=t.listed(t.OBJECT),
        cachedContent=t.STRING,
    )
)
"""A request in camelCase, in which nothing is null."""
