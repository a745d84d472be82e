"""Google's generateContent: the public Gemini API, and Cloud Code's envelope around it (antigravity)."""

from __future__ import annotations

import re
from collections.abc import Iterator

from tests.testbed.validators.base import (
    Body,
    Json,
    Rule,
    Sent,
    Validator,
    fits,
    limited,
    matches,
    objects,
    one_of,
    unknown,
)
from tests.testbed.validators.schemas import gemini_json, gemini_openapi, media_type, nodes
from tests.testbed.validators.signatures import is_sealed, thought_is_genuine

FACTS = "provider facts, section 4.1 (google-genai 3.4.0, AI SDK google provider), 2026-11"
CLOUD_FACTS = "provider facts, section 4.3 (CLIProxyAPI, opencode-antigravity-auth), 2026-11"
_NAME = r"[A-Za-z_][A-Za-z0-9_.:-]{0,63}"
SENTINEL = "skip_thought_signature_validator"


def google_error(status: int, message: str) -> Json:
    """Google's error object."""
    return {"error": {"code": status, "message": message, "status": "INVALID_ARGUMENT"}}


def _model_of(path: str, body: Body) -> str:
    found = re.search(r"/models/([^:?]+):", path)
    return found[1] if found else str(body.get("model"))


GEMINI = Validator("google", google_error, _model_of)
CLOUD_CODE = Validator("antigravity", google_error)


def _inner(sent: Sent) -> Body:
    """The request, out of Cloud Code's envelope."""
    inner = sent.body.get("request")
    return inner if isinstance(inner, dict) else sent.body


def _config(sent: Sent) -> Body:
    return _inner(sent).get("generationConfig") or {}


def _declared(sent: Sent) -> list[Body]:
    return [one for tool in _inner(sent).get("tools") or () for one in tool.get("functionDeclarations") or ()]


def _parts(sent: Sent) -> Iterator[Body]:
    for turn in _inner(sent).get("contents") or ():
        yield from turn.get("parts") or ()


def _parameters(sent: Sent) -> Iterator[str]:
    names = (
        "contents systemInstruction tools toolConfig generationConfig safetySettings cachedContent sessionId "
        "labels serviceTier store"
    )
    yield from unknown(_inner(sent), "", *names.split())
    config = (
        "stopSequences responseMimeType responseSchema responseJsonSchema responseModalities candidateCount "
        "maxOutputTokens temperature topP topK seed presencePenalty frequencyPenalty responseLogprobs "
        "logprobs thinkingConfig imageConfig speechConfig mediaResolution enableEnhancedCivicAnswers"
    )
    yield from unknown(_config(sent), "generationConfig", *config.split())


def _turns(sent: Sent) -> Iterator[str]:
    contents = _inner(sent).get("contents") or []
    if not contents:
        yield "* GenerateContentRequest.contents: contents is not specified"
        return
    for number, turn in enumerate(contents):
        if turn.get("role") not in ("user", "model"):
            yield f"Please use a valid role: user, model. (contents[{number}])"
        if not turn.get("parts"):
            yield f"* GenerateContentRequest.contents[{number}].parts: contents.parts must not be empty."
    if contents[0]["role"] != "user":
        yield "Please ensure that the first turn is the user's."
    system = _inner(sent).get("systemInstruction")
    if system is not None and not system.get("parts"):
        yield "* GenerateContentRequest.system_instruction.parts: must not be empty."


_PARTS = ("text", "inlineData", "fileData", "functionCall", "functionResponse")


def _part_data(sent: Sent) -> Iterator[str]:
    for part in _parts(sent):
        yield from unknown(part, "contents.parts", *_PARTS, "thought", "thoughtSignature", "videoMetadata")
        kinds = [name for name in _PARTS if name in part]
        if len(kinds) != 1 or (part.get("text") == "" and "thoughtSignature" not in part):
            yield "contents.parts.data: required oneof field 'data' must have one initialized field"
        called = part.get("functionCall")
        if called is not None and not isinstance(called.get("args", {}), dict):
            yield "contents.parts.function_call.args: not an object"
        answered = part.get("functionResponse")
        if answered is not None and not isinstance(answered.get("response"), dict):
            yield "contents.parts.function_response.response: required field is not an object"


def _pairs(sent: Sent) -> Iterator[str]:
    contents = _inner(sent).get("contents") or []
    waiting: list[Body] = []
    for number, turn in enumerate(contents):
        found = [part["functionResponse"] for part in turn["parts"] if "functionResponse" in part]
        if found and len(found) != len(waiting):
            yield (
                "Please ensure that the number of function response parts is equal to the number of function "
                f"call parts of the function call turn. (contents[{number}])"
            )
        elif found and [one.get("name") for one in found] != [one.get("name") for one in waiting]:
            yield f"Function response names do not match the calls. (contents[{number}])"
        elif waiting and not found:
            yield "Please ensure that function call turn is followed by its function responses."
        waiting = [part["functionCall"] for part in turn["parts"] if "functionCall" in part]
        if waiting and number and contents[number - 1]["role"] != "user":
            yield "Please ensure that function call turn comes immediately after a user turn."
    if waiting:
        yield "Please ensure that function call turn is followed by its function responses."


def _names(sent: Sent) -> Iterator[str]:
    named = [one.get("name") for one in _declared(sent)]
    if len(named) != len(set(named)):
        yield f"Duplicate function declaration found: {named}"
    called = (part.get("functionCall") or part.get("functionResponse") for part in _parts(sent))
    for name in [*named, *(one.get("name") for one in called if one)]:
        for message in fits(name, "function_declarations.name", _NAME):
            yield f"* GenerateContentRequest: Invalid function name. {message}"


def _tool_choice(sent: Sent) -> Iterator[str]:
    config = _inner(sent).get("toolConfig")
    if config is None:
        return
    calling = config.get("functionCallingConfig") or {}
    yield from one_of(calling.get("mode"), "mode", "AUTO", "ANY", "NONE", "VALIDATED")
    allowed = calling.get("allowedFunctionNames") or []
    if allowed and calling.get("mode") not in ("ANY", "VALIDATED"):
        yield "Function calling config: allowed_function_names is only for mode ANY."
    if set(allowed) - {one.get("name") for one in _declared(sent)}:
        yield "Function calling config: allowed_function_names not in function_declarations."
    if not _declared(sent):
        yield "Function calling config is set without function_declarations."


def _declarations(sent: Sent) -> Iterator[str]:
    for one in _declared(sent):
        known = ("name", "description", "parameters", "parametersJsonSchema", "response", "behavior")
        yield from unknown(one, "function_declarations", *known)
    if "tools" in _inner(sent) and not _declared(sent):
        yield "tools: no function declarations"


def _references(sent: Sent) -> Iterator[str]:
    for part in _parts(sent):
        for node in objects((part.get("functionResponse") or {}).get("response") or {}):
            if isinstance(node.get("$ref"), str):
                yield (
                    f"The referenced name `{node['$ref']}` in function_response.response does not match to a "
                    "display_name in the function_response.parts."
                )


def _media(sent: Sent) -> Iterator[str]:
    taken = r"image/(png|jpeg|webp|heic|heif)|audio/(wav|mp3|mpeg|aiff|aac|ogg|flac)|video/.+|text/.+"
    taken = rf"{taken}|application/pdf"
    for part in _parts(sent):
        data = part.get("inlineData")
        if data is not None and not re.fullmatch(taken, str(data.get("mimeType"))):
            yield f"Unsupported MIME type: {data.get('mimeType')}"
        if data is not None and media_type(str(data.get("data"))) is None:
            yield "Invalid value at 'inline_data.data' (TYPE_BYTES), Base64 decoding failed"
        file = part.get("fileData")
        if file is not None and not str(file.get("fileUri")).startswith("https://"):
            yield "Cannot fetch content from the provided URL."
        if file is not None and matches(sent.model, "gemini-2.0"):
            yield "Invalid or unsupported file uri"


def _ranges(sent: Sent) -> Iterator[str]:
    config = _config(sent)
    seed = config.get("seed")
    if seed is not None and not (isinstance(seed, int) and -(2**31) <= seed < 2**31):
        yield f"Invalid value at 'generation_config.seed' (TYPE_INT32), {seed}"
    yield from limited(config.get("temperature"), "temperature", 0, 2)
    yield from limited(config.get("topP"), "topP", 0, 1)
    yield from limited(config.get("maxOutputTokens"), "maxOutputTokens", 1, 65_536)
    stop = config.get("stopSequences")
    if stop is not None and (not 1 <= len(stop) <= 5 or not all(stop)):
        yield f"stop_sequences: between 1 and 5 that are not empty, but got {len(stop)}"


def _thinking(sent: Sent) -> Iterator[str]:
    asked = _config(sent).get("thinkingConfig")
    if asked is None:
        return
    yield from unknown(asked, "thinkingConfig", "includeThoughts", "thinkingBudget", "thinkingLevel")
    budget, level = asked.get("thinkingBudget"), asked.get("thinkingLevel")
    if budget is not None and level is not None:
        yield "You can only set only one of thinking budget and thinking level."
    if level is not None:
        if matches(sent.model, r"gemini-2"):
            yield "Thinking level is not supported for this model."
        lowest = () if matches(sent.model, r"gemini-(3\.[78]-flash|3\.1-pro|pro-agent|4)") else ("MINIMAL",)
        for message in one_of(level, "thinkingLevel", *lowest, "LOW", "MEDIUM", "HIGH"):
            yield f"Thinking level {level} is not supported for this model. {message}"
    if budget == 0 and (asked.get("includeThoughts") or matches(sent.model, "gemini-2.5-pro")):
        yield "Budget 0 is invalid. This model only works in thinking mode."


for _validator, _facts in ((GEMINI, FACTS), (CLOUD_CODE, CLOUD_FACTS)):
    _validator.use(
        Rule("known_parameters", "google-genai 3.4.0, types.GenerateContentConfig; " + _facts, _parameters),
        Rule("turns", _facts + "; Gemini API reference (Content)", _turns),
        Rule("part_data", "Gemini API reference (Part)", _part_data),
        Rule("pairs", "gemini-cli issues 3814, 17208; quarkus-langchain4j pull 1271", _pairs),
        Rule(
            "names",
            "cline issue 7339, CLIProxyAPI issue 218; duplicates: Gemini function calling [U]",
            _names,
        ),
        Rule("tool_choice", "Gemini API reference (FunctionCallingConfig)", _tool_choice),
        Rule("declarations", "Gemini API reference (FunctionDeclaration)", _declarations),
        Rule(
            "references", "hermes-agent issue 93014, vercel/ai issue 14369, twenty issue 21712", _references
        ),
        Rule("media", "ai.google.dev, file input methods; cherry-studio pull 3088 (image/jpg)", _media),
        Rule("ranges", "ai.google.dev, GenerationConfig; stop sequences: 5", _ranges),
        Rule("thinking", "ai.google.dev, what's new in Gemini 3.7; litellm issue 37314", _thinking),
    )


@GEMINI.rule("google-genai 3.4.0 (responseJsonSchema); opencode issue 12295")
def json_schemas(sent: Sent) -> Iterator[str]:
    config = _config(sent)
    for one in _declared(sent):
        if "parametersJsonSchema" in one:
            yield from gemini_json(one["parametersJsonSchema"])
        if "parameters" in one:
            yield from gemini_openapi(one["parameters"])
            if one["parameters"].get("type") and not one["parameters"].get("properties"):
                yield "parameters.properties: should be non-empty for OBJECT type"
    if "responseJsonSchema" in config:
        yield from gemini_json(config["responseJsonSchema"])
    if "responseSchema" in config:
        yield from gemini_openapi(config["responseSchema"])


@GEMINI.rule("google-gemini/cookbook issue 1290, vercel/ai issue 8943")
def penalties(sent: Sent) -> Iterator[str]:
    given = _config(sent).get("presencePenalty") or _config(sent).get("frequencyPenalty")
    if given and not matches(sent.model, "gemini-2.0"):
        yield "Penalty is not enabled for this model"


@GEMINI.rule("python-genai issue 1921, litellm issue 7248")
def logprobs(sent: Sent) -> Iterator[str]:
    config = _config(sent)
    if ("responseLogprobs" in config or "logprobs" in config) and not matches(sent.model, "gemini-2.0"):
        yield f"Logprobs is not enabled for models/{sent.model}"


@GEMINI.rule("js-genai issue 1609, python-genai issue 1723")
def candidates(sent: Sent) -> Iterator[str]:
    if matches(sent.model, "gemini-[34]") and (_config(sent).get("candidateCount") or 1) > 1:
        yield "Multiple candidates is not enabled for this model"


@GEMINI.rule("python-genai issue 867, openai-agents-python issue 656, symfony/ai issue 803")
def json_beside_tools(sent: Sent) -> Iterator[str]:
    mime = _config(sent).get("responseMimeType")
    if matches(sent.model, "gemini-2") and _declared(sent) and mime == "application/json":
        yield "Function calling with a response mime type: 'application/json' is unsupported"


@GEMINI.rule("LibreChat agents pull 323, opencode issues 45359 and 47034, pipecat pull 5821")
def last_turn(sent: Sent) -> Iterator[str]:
    last = _inner(sent)["contents"][-1]
    if matches(sent.model, r"gemini-(3\.5-flash-lite|3\.[6-9]|4)") and last["role"] == "model":
        yield "Requests ending with a model turn are not supported."


@GEMINI.rule("ai.google.dev, thought signatures; " + FACTS + " (sentinel)")
def thought_signatures(sent: Sent) -> Iterator[str]:
    yield from _signatures(sent, ("google", "antigravity"))


def _signatures(sent: Sent, vendors: tuple[str, ...]) -> Iterator[str]:
    contents = _inner(sent)["contents"]
    for part in _parts(sent):
        signature = part.get("thoughtSignature")
        if signature not in (None, SENTINEL) and not any(is_sealed(one, signature) for one in vendors):
            yield "Corrupted thought signature."
    if matches(sent.model, r"gemini-([34]|pro-agent)"):
        asked = [n for n, turn in enumerate(contents) if turn["role"] == "user" and _speaks(turn)]
        for turn in contents[max(asked, default=0) :]:
            calls = [part for part in turn["parts"] if "functionCall" in part]
            if calls and "thoughtSignature" not in calls[0]:
                yield "Function call is missing a thought_signature in functionCall parts."


def _speaks(turn: Body) -> bool:
    return any("functionResponse" not in part for part in turn["parts"])


@CLOUD_CODE.rule(CLOUD_FACTS)
def envelope(sent: Sent) -> Iterator[str]:
    known = ("project", "model", "userAgent", "requestType", "requestId", "request", "enabledCreditTypes")
    yield from unknown(sent.body, "", *known)
    for name in ("project", "model", "request"):
        if not sent.body.get(name):
            yield f"Required field '{name}' is missing"
    if "safetySettings" in _inner(sent):
        yield "safetySettings are not allowed"
    if (_inner(sent).get("systemInstruction") or {"role": "user"}).get("role") != "user":
        yield "systemInstruction.role: must be user"


@CLOUD_CODE.rule(CLOUD_FACTS)
def cloud_schemas(sent: Sent) -> Iterator[str]:
    for one in _declared(sent):
        if "parametersJsonSchema" in one:
            yield "parametersJsonSchema is not supported: use parameters"
        schema = one.get("parameters")
        if schema is not None:
            yield from gemini_openapi(schema)
            if any("anyOf" in node for _, node in nodes(schema)):
                yield "anyOf is not supported in parameters"
        if "claude" in sent.model and not (schema or {}).get("required"):
            yield f"tool {one.get('name')}: at least one required property"
    if "responseSchema" in _config(sent):
        yield from gemini_openapi(_config(sent)["responseSchema"])


@CLOUD_CODE.rule(CLOUD_FACTS)
def cloud_config(sent: Sent) -> Iterator[str]:
    config = _config(sent)
    if "claude" not in sent.model:
        if "maxOutputTokens" in config:
            yield "maxOutputTokens is not supported for this model"
        yield from _signatures(sent, ("google", "antigravity"))
        return
    mode = ((_inner(sent).get("toolConfig") or {}).get("functionCallingConfig") or {}).get("mode")
    if _declared(sent) and mode not in ("VALIDATED", "ANY", "NONE"):
        yield "functionCallingConfig.mode must be VALIDATED"
    yield from limited(config.get("maxOutputTokens"), "maxOutputTokens", 1, 64_000)
    thinking = config.get("thinkingConfig") or {}
    if thinking.get("thinkingBudget", 0) >= config.get("maxOutputTokens", 64_000):
        yield "`max_tokens` must be greater than `thinking.budget_tokens`."


@CLOUD_CODE.rule(CLOUD_FACTS + ": a Claude's thoughts are genuine, calls' ids fit Anthropic's pattern")
def cloud_claude_turns(sent: Sent) -> Iterator[str]:
    if "claude" not in sent.model:
        return
    for part in _parts(sent):
        for called in (part.get("functionCall"), part.get("functionResponse")):
            if called:
                yield from fits(called.get("id"), "id", r"[a-zA-Z0-9_-]+")
        if part.get("thought"):
            if not thought_is_genuine("antigravity", part.get("text"), part.get("thoughtSignature")):
                yield "Invalid `signature` in `thinking` block"
        elif "thoughtSignature" in part:
            yield "thoughtSignature is not supported on this part"
        elif "text" in part and not part["text"].strip():
            yield "text content blocks must contain non-whitespace text"
