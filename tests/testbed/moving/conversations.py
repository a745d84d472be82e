"""Random conversations as clients send them in chat form, and their outcomes at each provider.

A conversation is a list of steps. A provider's answer goes through the router and comes back as some
client keeps it; a `Foreign` turn was made with another gateway.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any

from hypothesis import strategies as st

from smart_router.dialects.model_rules import ModelRules
from smart_router.providers.catalogue import rules_for
from smart_router.providers.registry import PROVIDERS
from tests.testbed.moving.answers import Said
from tests.testbed.moving.moves import Message, Outcome, Router
from tests.testbed.moving.requests import JPEG, PNG, parameters, schemas, tool_names
from tests.testbed.validators import VALIDATORS
from tests.testbed.validators.signatures import seal

MODELS = {provider: tuple(PROVIDERS[provider].models) for provider in PROVIDERS if provider in VALIDATORS}
ALL = tuple(f"{provider}/{model}" for provider, models in MODELS.items() for model in models)


@dataclass(frozen=True)
class Speaks:
    """A message of the client's: the user's, or instructions in the middle."""

    message: Message


@dataclass(frozen=True)
class Answered:
    """A provider's answer, how the client keeps it, and the results of its calls."""

    candidate: str
    said: Said
    kept: str
    results: tuple[Any, ...]
    turned: bool = False


@dataclass(frozen=True)
class Foreign:
    """An assistant's turn that another gateway made, with its results."""

    messages: tuple[Message, ...]


@dataclass(frozen=True)
class Changes:
    """The client changes earlier parts: its instructions, its tools, or the beginning of the history."""

    what: str


Step = Speaks | Answered | Foreign | Changes


@dataclass(frozen=True)
class Conversation:
    """A conversation, and the model of each provider that its last request goes to."""

    system: tuple[Message, ...]
    steps: tuple[Step, ...]
    tools: tuple[dict[str, Any], ...]
    parameters: dict[str, Any]
    targets: dict[str, str] = field(default_factory=dict)


# ------------------------------------------------------------------------------------------------ strategies
_TEXTS = st.sampled_from(
    ["Weather in Oslo?", "Hello", "Bitte weiter. 🙂", "a\n\nb  ", "", "   ", '{"a": 1}', "Answer as JSON."]
)
_MARK = {"cache_control": {"type": "ephemeral"}}


def _image(url: str) -> dict[str, Any]:
    return {"type": "image_url", "image_url": {"url": url}}


_PARTS = st.sampled_from(
    [
        {"type": "text", "text": "What is it?"},
        {"type": "text", "text": ""},
        {"type": "text", "text": "Look.", **_MARK},
        _image(f"data:image/png;base64,{PNG}"),
        _image(f"data:image/png;base64,{JPEG}"),
        _image(f"data:image/jpg;base64,{JPEG}"),
        _image("https://example.com/cat.png"),
    ]
)
_CONTENT: st.SearchStrategy[Any] = st.one_of(_TEXTS, _TEXTS, _TEXTS, _TEXTS, st.lists(_PARTS, max_size=3))
_USERS = st.builds(lambda content: Speaks({"role": "user", "content": content}), _CONTENT)
_INSTRUCTIONS = st.sampled_from(
    ["Be brief.", "", "It is 10:00.", [{"type": "text", "text": "Be brief.", **_MARK}]]
)
_SYSTEMS = st.builds(
    lambda role, content: {"role": role, "content": content},
    st.sampled_from(["system", "system", "developer"]),
    _INSTRUCTIONS,
)
_IDS = st.sampled_from(
    [
        "abc",
        "0",
        "call_0",
        "functions.look:0",
        "get_weather_0_" + "a" * 37,
        "call_" + "x" * 77 + "1",
        "ид/1",
        "a|b",
    ]
)
_CALL = st.tuples(st.just("call"), _IDS)
_WORDS = st.sampled_from([("text", "Let me look that up."), ("text", "So."), ("text", " ")])
_THOUGHT = st.sampled_from([("think", "I look it up."), ("think", "Then Rome.")])
_SAID = st.builds(
    lambda pieces: Said(_distinct(pieces)),
    st.lists(st.one_of(_THOUGHT, _WORDS, _CALL, _CALL), max_size=4),
)
_RESULTS = st.sampled_from(
    [
        "4 degrees",
        "",
        '{"type": "object", "properties": {"a": {"$ref": "#/$defs/A"}}}',
        '{"degrees": 4}',
        "[1, 2]",
        [{"type": "text", "text": "4 degrees"}],
        [{"type": "text", "text": ""}],
        [],
    ]
)
KEPT = ("whole", "plain", "nulls", "parts", "plain", "bare calls")
_ANSWERS = st.builds(
    Answered,
    st.sampled_from(ALL),
    _SAID,
    st.sampled_from(KEPT),
    st.lists(_RESULTS, min_size=1, max_size=3).map(tuple),
    st.booleans(),
)
_ARGUMENTS = st.sampled_from(['{"city":"Oslo"}', "", "{}", "null", "[1]", "not JSON", '{"a": {"$ref": "x"}}'])
_EXTRAS: st.SearchStrategy[Any] = st.sampled_from(
    [
        {},
        {"reasoning_content": "Hm."},
        {"reasoning": "Hm.", "refusal": None, "annotations": [], "audio": None, "function_call": None},
        {"reasoning_details": [{"type": "reasoning.text", "text": "Hm.", "format": "unknown", "index": 0}]},
        {
            "reasoning_details": [
                {"type": "reasoning.encrypted", "data": seal("openai", "x"), "format": "openai-responses-v1"}
            ]
        },
        {"provider_specific_fields": {"citations": None}, **_MARK},
        {"thinking_blocks": [{"type": "thinking", "thinking": "Hm.", "signature": "x"}]},
        {"images": [_image(f"data:image/png;base64,{PNG}")]},
    ]
)
_CALL_EXTRAS: st.SearchStrategy[Any] = st.sampled_from(
    [{}, {}, {"extra_content": {"google": {"thought_signature": seal("google", "x")}}}, {"index": 0}]
)


@st.composite
def _foreign(draw: st.DrawFn) -> Foreign:
    content = draw(st.one_of(_CONTENT.filter(_is_words), st.none()))
    message: Message = {"role": "assistant", "content": content, **draw(_EXTRAS)}
    ids = draw(st.lists(_IDS, max_size=2, unique=True))
    if ids:
        message["tool_calls"] = [
            {
                "id": id_,
                "type": "function",
                "function": {"name": draw(tool_names()), "arguments": draw(_ARGUMENTS)},
                **draw(_CALL_EXTRAS),
            }
            for id_ in ids
        ]
    results = [{"role": "tool", "tool_call_id": id_, "content": draw(_RESULTS)} for id_ in ids]
    if draw(st.booleans()):
        results.reverse()
    return Foreign((message, *results))


def _is_words(content: Any) -> bool:
    return isinstance(content, str) or all(part["type"] == "text" for part in content)


def _distinct(pieces: list[tuple[str, str]]) -> tuple[tuple[str, str], ...]:
    """The pieces, each id once: a vendor does not give one answer's calls the same id."""
    ids = [text for kind, text in pieces if kind == "call"]
    return tuple(
        (kind, text)
        for n, (kind, text) in enumerate(pieces)
        if kind != "call" or (kind, text) not in pieces[:n] or text not in ids
    )


_CHANGES = st.sampled_from([Changes("system"), Changes("tools"), Changes("compaction")])
_STEPS = st.one_of(_USERS, _ANSWERS, _ANSWERS, _foreign(), _CHANGES, _SYSTEMS.map(Speaks))
_TOOLS = st.lists(
    st.builds(
        lambda name, schema, extra: {"type": "function", "function": {"name": name, **schema}, **extra},
        tool_names(),
        schemas(),
        st.sampled_from([{}, {}, {}, _MARK]),
    ),
    max_size=4,
).map(tuple)


@st.composite
def conversations(draw: st.DrawFn, everywhere: bool = True) -> Conversation:
    """Conversations whose last request goes to a model of each provider, or to one model at one of them."""
    system = draw(st.lists(_SYSTEMS, max_size=2).map(tuple))
    steps: list[Step] = [draw(_USERS), *draw(st.lists(_STEPS, max_size=5))]
    if draw(st.integers(0, 3)):
        steps.append(Speaks({"role": "user", "content": "Go on. Answer as JSON if need be."}))
    tools = draw(_TOOLS)
    asked = draw(parameters(tools))
    targets = {}
    for provider, models in MODELS.items() if everywhere else ():
        able = [model for model in models if _is_able(rules_for(provider, model), steps, asked)]
        targets[provider] = f"{provider}/{draw(st.sampled_from(able or models))}"
    return Conversation(system, tuple(steps), tools, asked, targets)


def _is_able(rules: ModelRules, steps: Sequence[Step], asked: dict[str, Any]) -> bool:
    """Return whether a client may ask a model: it sees the images, and can be made to call the tool."""
    pictured = not rules.vision and any(
        isinstance(step, Speaks) and "image_url" in str(step.message["content"]) for step in steps
    )
    if asked.get("tool_choice") in (None, "auto", "none") or rules.forced_tools == "always":
        return not pictured
    return not pictured and rules.forced_tools == "without_thinking" and rules.can_stop_thinking


# ------------------------------------------------------------------------------------------------ the client
def keep(message: Message, how: str) -> Message:
    """An answer as a client keeps it: whole, with OpenAI's own fields alone, with nulls, with parts."""
    calls = message.get("tool_calls")
    plain: Message = {"role": "assistant", "content": message.get("content")}
    if calls:
        plain["tool_calls"] = [{name: call[name] for name in ("id", "type", "function")} for call in calls]
    match how:
        case "whole":
            return message
        case "nulls":
            nothing = dict.fromkeys(("refusal", "audio", "function_call", "annotations"))
            return {**nothing, **plain, "tool_calls": plain.get("tool_calls")}
        case "parts" if plain["content"]:
            return {**plain, "content": [{"type": "text", "text": plain["content"]}]}
        case "bare calls" if calls:
            return {name: value for name, value in plain.items() if name != "content"}
    return plain


class Client:
    """A client in the middle of its conversation."""

    def __init__(self, conversation: Conversation) -> None:
        self.router = Router()
        self.system = list(conversation.system)
        self.messages: list[Message] = []
        self.tools = list(conversation.tools)
        self._parameters = conversation.parameters

    def request(self) -> dict[str, Any]:
        """The next request."""
        messages = [*self.system, *self.messages]
        return {"messages": messages, **({"tools": self.tools} if self.tools else {}), **self._parameters}

    def take(self, step: Step) -> Outcome | None:
        """Do one step; the outcome of the request that it sends."""
        match step:
            case Speaks(message):
                self.messages.append(message)
            case Foreign(messages):
                self.messages += messages
            case Changes(what):
                self._change(what)
            case Answered():
                outcome = self.router.send(step.candidate, self.request(), step.said)
                self._keep(step, outcome.message or {"role": "assistant", "content": "All right."})
                return outcome
        return None

    def _keep(self, step: Answered, message: Message) -> None:
        results = [
            {"role": "tool", "tool_call_id": call["id"], "content": step.results[number % len(step.results)]}
            for number, call in enumerate(message.get("tool_calls") or ())
        ]
        self.messages += [keep(message, step.kept), *(reversed(results) if step.turned else results)]

    def _change(self, what: str) -> None:
        match what:
            case "system":
                self.system = [{"role": "system", "content": "It is 10:05."}]
            case "tools":
                function = {"name": "get_time", "parameters": {"type": "object", "properties": {}}}
                self.tools.append({"type": "function", "function": function})
            case "compaction":
                users = [n for n, message in enumerate(self.messages) if message["role"] == "user"]
                if users[1:]:
                    told = {"role": "user", "content": "(The user wants the weather.)"}
                    self.messages = [told, *self.messages[users[-1] :]]


FINAL = Said((("think", "I look."), ("text", "I look that up."), ("call", "abc"), ("call", "def")))
"""Every model's answer to the last request: its calls must come back under the client's names."""


def play(conversation: Conversation) -> Iterator[Outcome]:
    """Carry out a conversation: the outcomes of the requests on the way, then of the last at each target."""
    client = Client(conversation)
    for step in conversation.steps:
        if outcome := client.take(step):
            yield outcome
    for candidate in conversation.targets.values():
        yield client.router.send(candidate, client.request(), FINAL)


def foreign_names(conversation: Conversation, message: Message) -> set[str]:
    """Names and argument keys in an answer's calls that the client has not declared."""
    declared: dict[str, set[str]] = {"get_time": set()}
    for tool in conversation.tools:
        function = tool["function"]
        properties = (function.get("parameters") or {}).get("properties") or {}
        declared.setdefault(function["name"], set()).update(properties)
    found = set()
    for call in message.get("tool_calls") or ():
        name = call["function"]["name"]
        if name not in declared:
            found.add(name)
    return found
