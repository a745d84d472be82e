"""The choice of a request's answer: rules in order, set by a test or read from JSON."""

from __future__ import annotations

import json
from collections import deque
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from tests.testbed.answers import Answer, Fault, Framing, recorded
from tests.testbed.chat import chat_answer, chat_clock, chat_error, chat_stream, stream_error
from tests.testbed.record import Request
from tests.testbed.wires import echo, gemini_answer, gemini_stream, messages_answer, messages_stream

Reply = Answer | Callable[[Request], Answer]
"""An answer, or a function that makes one for a request."""


@dataclass
class Rule:
    """A queue of replies for the requests that it matches; `always` keeps the last one for all that follow.

    `path` is a prefix, `host` and `model` are whole values, `nth` counts the provider's requests from 1.
    An empty value matches everything.
    """

    replies: deque[Reply]
    path: str = ""
    host: str = ""
    model: str = ""
    nth: int | None = None
    always: bool = False

    def matches(self, request: Request, number: int) -> bool:
        """Return whether the rule matches the `number`-th request, and has a reply left."""
        return (
            bool(self.replies)
            and request.path.startswith(self.path)
            and self.host in ("", request.headers.get("host", ""))
            and self.model in ("", request.model)
            and self.nth in (None, number)
        )

    def next(self) -> Reply:
        """The next reply."""
        return self.replies[0] if self.always and len(self.replies) == 1 else self.replies.popleft()


class Script:
    """The rules of one provider. The first that matches answers; none: `default`."""

    def __init__(self) -> None:
        self.rules: list[Rule] = []
        self.default: Reply = echo

    def on(self, *replies: Reply, always: bool = False, **match: Any) -> None:
        """Add a rule: `on(chat_error(429), chat_answer("Hi"), path="/groq")`. See Rule for the conditions."""
        self.rules.append(Rule(deque(replies), always=always, **match))

    def answer(self, request: Request, number: int) -> Answer:
        """The answer to the `number`-th request."""
        rule = next((rule for rule in self.rules if rule.matches(request, number)), None)
        reply = rule.next() if rule else self.default
        if rule and not rule.replies:
            self.rules.remove(rule)  # of a module's hundreds each request looked through all
        return reply if isinstance(reply, Answer) else reply(request)

    def load(self, text: str) -> None:
        """Add the rules of a JSON object, given itself or as the path of its file.

        `{"rules": [{"path", "host", "model", "nth", "always", "answers": [...]}], "default": ANSWER}`. An
        answer names its maker and that one's arguments, `{"stream": {"pieces": ["a", "b"]}}` (see `MAKERS`),
        and beside it any field of Answer: `{"error": {"status": 429}, "fault": "DRIP"}`.
        """
        data = json.loads(text if text.lstrip().startswith("{") else Path(text).read_text())
        for rule in data.get("rules", []):
            replies = [read_answer(answer) for answer in rule.pop("answers")]
            self.on(*replies, **rule)
        if "default" in data:
            self.default = read_answer(data["default"])


MAKERS: Mapping[str, Callable[..., Answer]] = {
    "chat": chat_answer,
    "stream": chat_stream,
    "error": chat_error,
    "stream_error": stream_error,
    "clock": chat_clock,
    "messages": messages_answer,
    "messages_stream": messages_stream,
    "gemini": gemini_answer,
    "gemini_stream": gemini_stream,
    "recorded": lambda folder: recorded(Path(folder)),
    "raw": lambda body="", **fields: Answer(body=body.encode(), **fields),
}


def read_answer(data: Mapping[str, Any]) -> Answer:
    """An answer in its JSON form; `{}` is an ordinary one. Raises ValueError for an unknown name."""
    fields = dict(data)
    makers = [name for name in MAKERS if name in fields] or ["chat"]
    answer = MAKERS[makers[0]](**fields.pop(makers[0], {}))
    if "fault" in fields:
        fields["fault"] = Fault[fields["fault"]]
    if "framing" in fields:
        fields["framing"] = Framing(fields["framing"])
    return answer.but(**fields)
