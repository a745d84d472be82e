"""One model's abilities, limits and refusals: what a row of the model catalogue says."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Literal

Wire = Literal["chat", "chat_only", "responses", "responses_for_tools"]


@dataclass(frozen=True, slots=True)
class NameLimits:
    """Limits of a name or an id: its length, and the characters allowed (as in a class of a regular
    expression), at the first place only those of `first` unless that is empty."""

    longest: int
    characters: str = "a-zA-Z0-9_-"
    first: str = ""


@dataclass(frozen=True, slots=True)
class ModelRules:
    """One model's abilities, limits and refusals. The defaults are those of a model without any.

    Size: `max_output` and `context` are tokens, None where unknown.

    Abilities: `tools`, `vision`, `audio`, `files`, `json_schema`, `reasoning`. `wire` is the API to use of a
    provider that has two: chat completions, Responses, or Responses for function tools beside reasoning;
    `chat_only` where the provider's server has no Responses API, even for clients that speak it.

    Reasoning: `thinking` is how the model is told how much to reason: not at all, by a token budget,
    adaptively with an effort, by a level, or by `reasoning_effort`. `efforts` are the values taken, empty
    meaning any; without "none" thinking cannot be switched off. `nearest` are values that stand for one of
    `efforts`, where that is not the next one below. `default_effort` is the effort of a request that names
    none; None for models that do not reason unasked. `off_as` is Anthropic's name for no thinking.
    `forced_tools` says whether the model can be made to call a tool: always, only while it does not think,
    or never.

    Parameters: `sampling` says whether temperature, top_p, logprobs, penalties and
    logit_bias are taken: always, never, or only with
    reasoning_effort "none". `dropped` are parameters that only tune and that the model refuses or ignores.
    `service_tiers` are the values taken, empty meaning any. `min_temperature`, `max_temperature` and
    `max_seed` bound values, `max_stops` the number of stop sequences. `fixed` are parameters of the chat
    wire that are added unless the client sent them, `output_limit` is the name of the output limit there,
    where it is not the provider's own. `single_choice`: n is 1. `json_apart` are what a JSON format for the
    answer cannot be combined with. `prefill`: the conversation may end with the assistant's words.
    `bound_thinking`: signed thinking is good only after the very request that it was signed for.

    Limits of names, ids, schemas and media, None meaning no known limit: `tool_names`, `call_ids`,
    `unions_at_top` (anyOf, oneOf and allOf are taken at the top of a tool's parameters), `image_types`
    (empty: any), `image_urls` (http(s) addresses are read).
    """

    max_output: int | None = None
    context: int | None = None
    tools: bool = True
    vision: bool = False
    audio: bool = False
    files: bool = False
    json_schema: bool = True
    reasoning: bool = False
    wire: Wire = "chat"

    thinking: Literal["none", "budget", "adaptive", "level", "effort"] = "none"
    efforts: tuple[str, ...] = ()
    nearest: Mapping[str, str] = field(default_factory=dict)
    default_effort: str | None = None
    off_as: Literal["disabled", "between_tools"] = "disabled"
    forced_tools: Literal["always", "without_thinking", "never"] = "always"

    sampling: Literal["always", "never", "without_effort"] = "always"
    dropped: frozenset[str] = frozenset()
    fixed: Mapping[str, Any] = field(default_factory=dict)
    output_limit: str = ""
    service_tiers: tuple[str, ...] = ()
    min_temperature: float = 0.0
    max_temperature: float = 2.0
    max_seed: int | None = None
    max_stops: int | None = None
    single_choice: bool = False
    json_apart: frozenset[Literal["tools", "stream", "thinking"]] = frozenset()
    prefill: bool = True
    bound_thinking: bool = False

    tool_names: NameLimits | None = None
    call_ids: NameLimits | None = None
    unions_at_top: bool = True
    image_types: tuple[str, ...] = ()
    image_urls: bool = True

    @property
    def can_stop_thinking(self) -> bool:
        """True if thinking can be switched off."""
        return not self.efforts or "none" in self.efforts

    def takes_sampling(self, effort: str | None) -> bool:
        """Return whether sampling parameters may be sent with this `reasoning_effort`."""
        if self.sampling == "without_effort":
            return (effort or self.default_effort) == "none"
        return self.sampling == "always"


UNKNOWN_MODEL = ModelRules()
"""The rules of a model of which nothing is known, not even that it lacks an ability."""
