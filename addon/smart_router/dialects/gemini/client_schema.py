"""The pydantic schema of clients' `GenerateContentRequest`s (Gemini API reference), in camelCase.

Protocol buffers' JSON takes each field's name in both spellings, and a number as text; Google's own clients
mix the spellings. Only what the router or a dialect relies upon is named; every other field passes unseen.
"""

from __future__ import annotations

from functools import lru_cache
from typing import Annotated, Any, Literal, NotRequired, Required, TypedDict

from pydantic import BeforeValidator, FailFast, Field, TypeAdapter

from smart_router.dialects.client_schema import Count, Number, Text, lenient

_OPAQUE = frozenset(
    ("args", "response", "parameters", "parametersJsonSchema", "responseSchema", "responseJsonSchema")
)
"""Fields whose content is the user's, or a schema: names in it are not the API's."""


def in_camel_case(value: Any) -> Any:
    """The request with the API's fields spelt in camelCase."""
    if isinstance(value, list):
        return [in_camel_case(item) for item in value]
    if not isinstance(value, dict):
        return value
    renamed = {_camel(name) if "_" in name else name: inner for name, inner in value.items()}
    return {
        name: inner if name in _OPAQUE else in_camel_case(inner)
        for name, inner in renamed.items()
        if inner is not None
    }


@lru_cache(1024)
def _camel(name: str) -> str:
    first, *others = name.split("_")
    return first + "".join(word[:1].upper() + word[1:] for word in others)


def _as_list(value: Any) -> Any:
    """A single object in place of a list, as Google's own examples have it."""
    return [value] if isinstance(value, dict) else value


_Whole = Annotated[int, Field(strict=False)]


@lenient
class Blob(TypedDict):
    """Data within the request, as base64."""

    mimeType: Text
    data: Text


@lenient
class FileData(TypedDict):
    """Data at an address."""

    fileUri: Text
    mimeType: NotRequired[str]


@lenient
class _ResultPart(TypedDict, total=False):
    inlineData: Blob
    fileData: FileData


@lenient
class _CalledFunction(TypedDict):
    name: Text
    args: NotRequired[dict[str, Any] | None]
    id: NotRequired[str]


@lenient
class _FunctionResponse(TypedDict):
    name: Text
    response: NotRequired[dict[str, Any] | None]
    id: NotRequired[str]
    parts: NotRequired[list[_ResultPart]]


@lenient
class _ExecutableCode(TypedDict):
    code: str
    language: NotRequired[str]


@lenient
class _CodeResult(TypedDict):
    outcome: NotRequired[str]
    output: NotRequired[str]


@lenient
class _Part(TypedDict, total=False):
    text: str
    thought: bool
    thoughtSignature: str
    inlineData: Blob
    fileData: FileData
    functionCall: _CalledFunction
    functionResponse: _FunctionResponse
    executableCode: _ExecutableCode
    codeExecutionResult: _CodeResult


_Parts = Annotated[list[_Part], FailFast(), BeforeValidator(_as_list)]


@lenient
class _Content(TypedDict, total=False):
    role: Literal["user", "model", "function", ""]
    parts: _Parts


@lenient
class _SystemInstruction(TypedDict, total=False):
    role: str
    parts: Required[_Parts]


@lenient
class _Declaration(TypedDict):
    name: Text
    description: NotRequired[str]
    parameters: NotRequired[dict[str, Any] | None]
    parametersJsonSchema: NotRequired[dict[str, Any] | None]


@lenient
class _Tool(TypedDict, total=False):
    functionDeclarations: list[_Declaration]


@lenient
class _CallingConfig(TypedDict, total=False):
    mode: Literal["MODE_UNSPECIFIED", "AUTO", "ANY", "NONE", "VALIDATED"]
    allowedFunctionNames: list[Text]


@lenient
class _ToolConfig(TypedDict, total=False):
    functionCallingConfig: _CallingConfig


@lenient
class _ThinkingConfig(TypedDict, total=False):
    includeThoughts: bool
    thinkingBudget: Annotated[_Whole, Field(ge=-1)]
    thinkingLevel: str


@lenient
class _GenerationConfig(TypedDict, total=False):
    temperature: Number
    topP: Number
    topK: Annotated[Number, Field(strict=False)]
    candidateCount: Annotated[Count, Field(strict=False)]
    maxOutputTokens: Annotated[Count, Field(strict=False)]
    stopSequences: list[str]
    seed: _Whole
    presencePenalty: Number
    frequencyPenalty: Number
    responseLogprobs: bool
    logprobs: Annotated[_Whole, Field(ge=0)]
    responseMimeType: str
    responseSchema: dict[str, Any]
    responseJsonSchema: dict[str, Any]
    responseModalities: list[str]
    thinkingConfig: _ThinkingConfig


@lenient
class _GenerateRequest(TypedDict, total=False):
    contents: Required[Annotated[list[_Content], Field(min_length=1), FailFast(), BeforeValidator(_as_list)]]
    systemInstruction: _SystemInstruction
    tools: Annotated[list[_Tool], BeforeValidator(_as_list)]
    toolConfig: _ToolConfig
    generationConfig: _GenerationConfig
    safetySettings: list[dict[str, Any]]
    cachedContent: str


GENERATE_REQUEST = TypeAdapter[Any](_GenerateRequest)
"""Reads a request in camelCase; unknown fields are kept."""
