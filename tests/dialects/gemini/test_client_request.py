"""Gemini clients' requests: read into the hub, or refused with the field that is wrong."""

from __future__ import annotations

import json
from typing import Any

import pytest
from pydantic_core import to_json

from smart_router.dialects.gemini.client import GENERATE, STREAM_GENERATE
from smart_router.dialects.gemini.dialect import GeminiDialect
from smart_router.dialects.gemini.openapi_schema import to_json_schema
from smart_router.dialects.gemini.signatures import GEMINI_FORMAT, SKIP_VALIDATION, UNSIGNED
from smart_router.dialects.model_rules import ModelRules
from smart_router.dialects.native import Received
from smart_router.dialects.packed_reasoning import MARK, pack
from smart_router.errors import ClientError
from tests.dialects.gemini.gemini_cases import make_call

HI = [{"role": "user", "parts": [{"text": "Hi"}]}]
ASKED = {"model": "m", "stream": False, "x_router": {"thoughts": False, "hosted_tools": [], "array": False}}


def read(body: Any, **parameters: str) -> Any:
    return GENERATE.read_request(to_json(body), {"model": "m", **parameters})


def said(*turns: Any) -> list[Any]:
    return list(read({"contents": [*turns]})["messages"])


def user(*parts: Any) -> dict[str, Any]:
    return {"role": "user", "parts": list(parts)}


def model(*parts: Any) -> dict[str, Any]:
    return {"role": "model", "parts": list(parts)}


def call(name: str = "f", id_: str | None = None, **part: Any) -> dict[str, Any]:
    return {"functionCall": {"name": name, "args": {"a": 1}, **({"id": id_} if id_ else {})}, **part}


def result(response: Any = None, name: str = "f", **fields: Any) -> dict[str, Any]:
    return {"functionResponse": {"name": name, "response": response or {"output": "done"}, **fields}}


def config(**fields: Any) -> dict[str, Any]:
    return {"contents": HI, "generationConfig": fields}


def test_least_request() -> None:
    assert read({"contents": HI}) == {**ASKED, "messages": [{"role": "user", "content": "Hi"}]}


FORMS = [
    ({"alt": "sse"}, False),
    ({"$alt": "sse"}, False),
    ({"alt": "SSE"}, False),
    ({}, True),
    ({"alt": "json"}, True),
]


@pytest.mark.parametrize(("parameters", "array"), FORMS)
def test_stream_is_an_array_unless_events_are_asked_for(parameters: dict[str, str], array: bool) -> None:
    request: Any = STREAM_GENERATE.read_request(to_json({"contents": HI}), {"model": "m", **parameters})
    assert (request["stream"], request["x_router"]["array"]) == (True, array)


SETTINGS: list[tuple[Any, dict[str, Any]]] = [
    (config(temperature=0, topP=0.5, seed=3), {"temperature": 0.0, "top_p": 0.5, "seed": 3}),
    (config(top_p=0.5, max_output_tokens=9), {"top_p": 0.5, "max_tokens": 9}),
    (config(maxOutputTokens="9", candidateCount=2.0), {"max_tokens": 9, "n": 2}),
    (config(stopSequences=["x"], presencePenalty=1), {"stop": ["x"], "presence_penalty": 1.0}),
    (config(stopSequences=[], temperature=None), {}),
    (config(responseLogprobs=True, logprobs=2), {"logprobs": True, "top_logprobs": 2}),
    (config(logprobs=2), {}),
    (config(responseModalities=["TEXT"]), {}),
    (config(responseModalities=["TEXT", "IMAGE"]), {"modalities": ["text", "image"]}),
    (config(responseMimeType="application/json"), {"response_format": {"type": "json_object"}}),
    (config(thinkingConfig={"thinkingBudget": 0}), {"reasoning_effort": "none"}),
    (config(thinkingConfig={"thinking_budget": 1024}), {"reasoning_effort": "low"}),
    (config(thinkingConfig={"thinkingBudget": 8192}), {"reasoning_effort": "medium"}),
    (config(thinkingConfig={"thinkingBudget": 8193}), {"reasoning_effort": "high"}),
    (config(thinkingConfig={"thinkingBudget": -1}), {}),
    (config(thinkingConfig={"thinkingLevel": "LOW"}), {"reasoning_effort": "low"}),
    ({"contents": HI, "safetySettings": [{"category": "x"}], "labels": {"a": "b"}}, {}),
    ({"contents": HI[0]}, {}),
]


@pytest.mark.parametrize(("body", "expected"), SETTINGS, ids=[json.dumps(body)[:60] for body, _ in SETTINGS])
def test_settings(body: Any, expected: dict[str, Any]) -> None:
    assert read(body) == {**ASKED, "messages": [{"role": "user", "content": "Hi"}], **expected}


@pytest.mark.parametrize("name", ["responseSchema", "response_schema", "responseJsonSchema"])
def test_answers_schema(name: str) -> None:
    schema = {"type": "OBJECT", "properties": {"snake_name": {"type": "STRING"}}}
    if name == "responseJsonSchema":
        schema = to_json_schema(schema)
    body = config(responseMimeType="application/json", **{name: schema})
    assert read(body)["response_format"]["json_schema"]["schema"] == {
        "type": "object",
        "properties": {"snake_name": {"type": "string"}},
    }


def test_choice_of_one_word_is_asked_for_in_words() -> None:
    body = config(responseMimeType="text/x.enum", responseSchema={"type": "STRING", "enum": ["yes", "no"]})
    assert read(body)["messages"][0] == {
        "role": "system",
        "content": "Answer with exactly one of these and nothing else: yes, no",
    }


SCHEMAS: list[tuple[Any, Any]] = [
    ({"type": "STRING", "nullable": True}, {"type": ["string", "null"]}),
    ({"type": "STRING", "nullable": True, "enum": ["a"]}, {"type": ["string", "null"], "enum": ["a", None]}),
    ({"any_of": [{"type": "STRING"}], "nullable": True}, {"anyOf": [{"type": "string"}, {"type": "null"}]}),
    ({"type": "ARRAY", "items": {"type": "INTEGER"}, "minItems": "2"},
     {"type": "array", "items": {"type": "integer"}, "minItems": 2}),
    ({"type": "TYPE_UNSPECIFIED", "example": 1, "description": "d"}, {"description": "d"}),
    ({"type": ["string", "null"], "format": "date"}, {"type": ["string", "null"], "format": "date"}),
    ("nothing", {}),
]  # fmt: skip


@pytest.mark.parametrize(("schema", "expected"), SCHEMAS)
def test_schemas(schema: Any, expected: Any) -> None:
    assert to_json_schema(schema) == expected


def test_properties_have_the_order_in_which_they_are_to_be_written() -> None:
    properties = {name: {"type": "STRING"} for name in "abc"}
    schema = {"type": "OBJECT", "properties": properties, "property_ordering": ["c", "a", "missing"]}
    assert list(to_json_schema(schema)["properties"]) == ["c", "a", "b"]


def test_tools() -> None:
    function = {"name": "f", "description": "d", "parameters": {"type": "OBJECT", "properties": {}}}
    tools = [
        {"functionDeclarations": [function, {"name": "g"}]},
        {"googleSearch": {}},
        {"code_execution": {}},
    ]
    request = read({"contents": HI, "tools": tools})
    assert [tool["function"] for tool in request["tools"]] == [
        {"name": "f", "description": "d", "parameters": {"type": "object", "properties": {}}},
        {"name": "g", "parameters": {"type": "object", "properties": {}}},
    ]
    assert request["x_router"]["hosted_tools"] == ["googleSearch", "codeExecution"]


FUNCTION = {"type": "function", "function": {"name": "f"}}
CHOICES: list[tuple[dict[str, Any], Any]] = [
    ({"mode": "AUTO"}, "auto"),
    ({"mode": "NONE"}, "none"),
    ({"mode": "ANY"}, "required"),
    ({"mode": "VALIDATED"}, "auto"),
    ({}, None),
    ({"mode": "ANY", "allowedFunctionNames": ["f"]}, FUNCTION),
    ({"mode": "ANY", "allowed_function_names": ["f", "f"]},
     {"type": "allowed_tools", "allowed_tools": {"mode": "required", "tools": [FUNCTION, FUNCTION]}}),
]  # fmt: skip


@pytest.mark.parametrize(("calling", "choice"), CHOICES)
def test_tool_choice(calling: dict[str, Any], choice: Any) -> None:
    tools = [{"functionDeclarations": [{"name": "f"}]}]
    body = {"contents": HI, "tools": tools, "toolConfig": {"function_calling_config": calling}}
    assert read(body).get("tool_choice") == choice


MEDIA = [
    ({"inlineData": {"mimeType": "image/png", "data": "QQ=="}},
     {"type": "image_url", "image_url": {"url": "data:image/png;base64,QQ=="}}),
    ({"inline_data": {"mime_type": "audio/mpeg", "data": "QQ=="}},
     {"type": "input_audio", "input_audio": {"data": "QQ==", "format": "mp3"}}),
    ({"inlineData": {"mimeType": "application/pdf", "data": "QQ==", "displayName": "a.pdf"}},
     {"type": "file", "file": {"file_data": "data:application/pdf;base64,QQ==", "filename": "a.pdf"}}),
    ({"fileData": {"fileUri": "https://x/y.png", "mimeType": "image/png"}},
     {"type": "image_url", "image_url": {"url": "https://x/y.png"}}),
    ({"fileData": {"fileUri": "https://x/files/1"}}, {"type": "file", "file": {"file_id": "https://x/files/1"}}),
]  # fmt: skip


@pytest.mark.parametrize(("part", "expected"), MEDIA)
def test_media(part: Any, expected: Any) -> None:
    (message,) = said(user({"text": "Look"}, part))
    assert message["content"] == [{"type": "text", "text": "Look"}, expected]


def test_calls_and_results_without_ids_are_matched_by_name_and_order() -> None:
    messages = said(
        *HI,
        model({"text": "Well."}, call(), call("g"), call()),
        user(result({"output": "1"}), result({"n": 2}, "g"), result({"result": "3"}), {"text": "Go on"}),
    )
    ids = [called["id"] for called in messages[1]["tool_calls"]]
    assert len(set(ids)) == 3
    assert [(one["tool_call_id"], one["content"]) for one in messages[2:5]] == [
        (ids[0], "1"),
        (ids[1], '{"n":2}'),
        (ids[2], "3"),
    ]
    assert messages[5] == {"role": "user", "content": "Go on"}


def test_results_with_ids_may_come_in_any_order() -> None:
    messages = said(*HI, model(call(id_="a"), call(id_="b")), user(result(id="b"), result(id="a")))
    assert [one["tool_call_id"] for one in messages[2:]] == ["b", "a"]


def test_result_with_an_image() -> None:
    image = {"inlineData": {"mimeType": "image/png", "data": "QQ=="}}
    messages = said(*HI, model(call(id_="a")), user(result(id="a", parts=[image])))
    assert messages[2]["content"] == [
        {"type": "text", "text": "done"},
        {"type": "image_url", "image_url": {"url": "data:image/png;base64,QQ=="}},
    ]


def test_thoughts_are_reasoning_and_gemini_gets_its_signatures_back() -> None:
    (_, answer) = said(*HI, model({"text": "Hm", "thought": True}, call(id_="a", thoughtSignature="c2ln")))
    assert answer["reasoning_content"] == "Hm"
    assert answer["reasoning_details"] == [
        {"type": "reasoning.encrypted", "data": "c2ln", "format": GEMINI_FORMAT, "index": 0, "id": "a"}
    ]


def test_placeholder_is_no_signature() -> None:
    (_, answer) = said(*HI, model(call(thoughtSignature=SKIP_VALIDATION)))
    assert "reasoning_details" not in answer


DETAIL: Any = {"type": "reasoning.text", "text": "Hm", "signature": "s" * 50, "format": "f", "index": 0}


@pytest.mark.parametrize("alphabet", ["+/", "-_"])
def test_reasoning_of_others_comes_back_in_either_alphabet(alphabet: str) -> None:
    sealed = pack([DETAIL | {"text": "ÿþ>>>???"}]).translate(str.maketrans("+/", alphabet))
    (_, answer) = said(*HI, model(call(thoughtSignature=sealed)))
    assert answer["reasoning_details"] == [DETAIL | {"text": "ÿþ>>>???"}]


def test_unsigned_reasoning_comes_back() -> None:
    (_, answer) = said(*HI, model(call(thoughtSignature=pack([{"type": UNSIGNED, "text": "Hm"}]))))
    assert answer["reasoning_content"] == "Hm"


@pytest.mark.parametrize("text", [MARK, f"{MARK}!", pack([DETAIL])[:-5], f"{MARK}ÿ"])
def test_damaged_reasoning_goes_nowhere(text: str) -> None:
    (_, answer) = said(*HI, model(call(thoughtSignature=text)))
    assert not answer.get("reasoning_details")


WRONG: list[tuple[str, dict[str, Any]]] = [
    ("contents", {}),
    ("contents", {"contents": []}),
    ("contents", {"contents": "Hi"}),
    ("contents", {"contents": [{"role": "user", "parts": []}]}),
    ("contents[0]", {"contents": ["Hi"]}),
    ("contents[0].role", {"contents": [{"role": "bot", "parts": [{"text": "Hi"}]}]}),
    ("contents[0].parts", {"contents": [{"parts": "Hi"}]}),
    ("contents[0].parts[0]", {"contents": [user("Hi")]}),
    ("contents[0].parts[0].text", {"contents": [user({"text": 5})]}),
    ("contents[0].parts[0].inlineData.mimeType", {"contents": [user({"inline_data": {"data": "QQ=="}})]}),
    ("contents[0].parts[0].inlineData.data", {"contents": [user({"inlineData": {"mimeType": "image/png"}})]}),
    ("contents[0].parts[0].fileData.fileUri", {"contents": [user({"fileData": {}})]}),
    ("contents[0].parts[0].functionCall.name", {"contents": [model({"functionCall": {}})]}),
    ("contents[0].parts[0].functionCall.args",
     {"contents": [model({"functionCall": {"name": "f", "args": "{}"}})]}),
    ("contents[0].parts[0].functionResponse", {"contents": [user(result())]}),
    ("contents[0].parts[0].functionResponse.response",
     {"contents": [user({"functionResponse": {"name": "f", "response": "x"}})]}),
    ("contents[0].parts[0].thoughtSignature", {"contents": [model(call(thought_signature=5))]}),
    ("systemInstruction", {"contents": HI, "systemInstruction": "Be brief"}),
    ("systemInstruction.parts", {"contents": HI, "systemInstruction": {}}),
    ("tools", {"contents": HI, "tools": "f"}),
    ("tools[0]", {"contents": HI, "tools": ["f"]}),
    ("tools[0].functionDeclarations[0].name", {"contents": HI, "tools": [{"functionDeclarations": [{}]}]}),
    ("tools[0].functionDeclarations[0].parameters",
     {"contents": HI, "tools": [{"functionDeclarations": [{"name": "f", "parameters": "{}"}]}]}),
    ("toolConfig.functionCallingConfig.mode",
     {"contents": HI, "toolConfig": {"functionCallingConfig": {"mode": "MAYBE"}}}),
    ("generationConfig", {"contents": HI, "generationConfig": []}),
    ("generationConfig.temperature", config(temperature="0.5")),
    ("generationConfig.topK", config(topK=[1])),
    ("generationConfig.maxOutputTokens", config(maxOutputTokens=0)),
    ("generationConfig.candidateCount", config(candidateCount="two")),
    ("generationConfig.stopSequences", config(stopSequences="x")),
    ("generationConfig.responseSchema", config(responseSchema="{}")),
    ("generationConfig.responseModalities", config(responseModalities="TEXT")),
    ("generationConfig.thinkingConfig", config(thinkingConfig=5)),
    ("generationConfig.thinkingConfig.thinkingBudget", config(thinkingConfig={"thinking_budget": -2})),
    ("generationConfig.thinkingConfig.includeThoughts", config(thinkingConfig={"includeThoughts": "yes"})),
    ("safetySettings", {"contents": HI, "safetySettings": {}}),
    ("cachedContent", {"contents": HI, "cachedContent": 5}),
]  # fmt: skip


@pytest.mark.parametrize(("field", "body"), WRONG, ids=[f"{field}-{n}" for n, (field, _) in enumerate(WRONG)])
def test_wrong_fields_are_named(field: str, body: dict[str, Any]) -> None:
    with pytest.raises(ClientError) as refused:
        read(body)
    assert (refused.value.status, refused.value.param) == (400, field)
    error = GENERATE.error_body(refused.value)["error"]
    assert (error["code"], error["status"]) == (400, "INVALID_ARGUMENT")
    assert error["details"][0]["fieldViolations"][0]["field"] == field


@pytest.mark.parametrize("body", [b"", b"hello", b"[]", b"null", b"\xff", b"[" * 100_000])
def test_what_is_no_request_is_refused(body: bytes) -> None:
    with pytest.raises(ClientError) as refused:
        GENERATE.read_request(body, {"model": "m"})
    assert refused.value.status == 400


def test_model_in_the_path_is_replaced() -> None:
    path = "/v1beta/models/gemini-3.8-flash:streamGenerateContent?alt=sse"
    assert STREAM_GENERATE.with_model(path, b"{}", "groq/a:b") == (
        "/v1beta/models/groq%2Fa%3Ab:streamGenerateContent?alt=sse",
        b"{}",
    )
    with pytest.raises(ValueError):
        STREAM_GENERATE.with_model("/v1beta/models", b"{}", "m")


# Google gets a Gemini client's own request.

LEVEL, BUDGET = ModelRules(thinking="level"), ModelRules(thinking="budget")


def native(body: bytes, *, rules: ModelRules = LEVEL, virtual: bool = False) -> bytes | None:
    received = Received("gemini", "/v1/models/m:generateContent?key=secret", {}, body)
    request = GENERATE.read_request(body, {"model": "m"})
    written = GeminiDialect().write_native(
        received, request, make_call("gemini-x", rules=rules, virtual=virtual)
    )
    assert written is None or written.path == "/models/gemini-x:generateContent"
    return written and written.body


@pytest.mark.parametrize("virtual", [False, True])
def test_body_passes_unchanged(virtual: bool) -> None:
    body = (
        b'{ "contents": [{"parts": [{"text": "Hi"}]}], "tools":[{"google_search":{}}],'
        b' "generation_config": {"temperature": 1.0, "thinkingConfig": {"thinkingLevel": "LOW"}}}'
    )
    assert native(body, virtual=virtual) == body


def test_array_streams_are_translated() -> None:
    request = STREAM_GENERATE.read_request(to_json({"contents": HI}), {"model": "m"})
    received = Received("gemini", "/v1/models/m:streamGenerateContent", {}, b"{}")
    assert GeminiDialect().write_native(received, request, make_call(stream=True)) is None


def test_google_does_not_get_the_reasoning_of_others() -> None:
    sealed = pack([DETAIL])
    body = to_json({"contents": [*HI, model(call(id_="a", thoughtSignature=sealed)), user(result(id="a"))]})
    written = native(body)
    assert written is not None
    part = json.loads(written)["contents"][1]["parts"][0]
    assert part["thoughtSignature"] == SKIP_VALIDATION
    assert "thoughtSignature" not in json.loads(native(body, rules=BUDGET) or b"")["contents"][1]["parts"][0]


THINKING: list[tuple[ModelRules, dict[str, Any], Any]] = [
    (
        LEVEL,
        {"thinkingBudget": 0, "includeThoughts": False},
        {"thinkingLevel": "MINIMAL", "includeThoughts": False},
    ),
    (LEVEL, {"thinkingLevel": "LOW"}, {"thinkingLevel": "LOW"}),
    (
        ModelRules(thinking="level", efforts=("low", "high")),
        {"thinkingLevel": "MINIMAL"},
        {"thinkingLevel": "LOW", "includeThoughts": True},
    ),
    (BUDGET, {"thinkingLevel": "low"}, {"thinkingBudget": 1024, "includeThoughts": True}),
    (
        BUDGET,
        {"thinkingBudget": -1, "includeThoughts": True},
        {"thinkingBudget": -1, "includeThoughts": True},
    ),
    (ModelRules(tools=False), {"thinkingBudget": 5}, None),
    (ModelRules(), {"thinkingBudget": 5}, {"thinkingBudget": 5}),
]  # fmt: skip


@pytest.mark.parametrize(("rules", "asked", "sent"), THINKING)
def test_chosen_model_is_asked_to_think_in_its_own_way(
    rules: ModelRules, asked: dict[str, Any], sent: Any
) -> None:
    written = native(to_json(config(thinkingConfig=asked)), rules=rules, virtual=True)
    assert json.loads(written or b"")["generationConfig"].get("thinkingConfig") == sent
