"""200 turns of coding agents: 25 texts of users and clients, each in the shapes of eight agents' requests.

The shapes are those of recorded requests: instructions of thousands of words, tools, additions around the
user's words, results of tools after them. The texts and their tiers are the project's own; the tiers follow
this rule: a request of the client's own and a question that one look at the code answers are SIMPLE, a change
in one place is MEDIUM, work over several places or with an unknown cause is COMPLEX, and a plan, a proof or a
review that weighs alternatives is REASONING.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any, NamedTuple

from smart_router.routing.decision import Tier

Message = dict[str, Any]

TEXTS: tuple[tuple[Tier, str], ...] = (
    ("SIMPLE", "What does the --frozen flag of this command do?"),
    ("SIMPLE", "Where is MAX_RETRIES defined?"),
    ("SIMPLE", "Show me the last commit."),
    ("SIMPLE", "Which Python version does this project need?"),
    ("SIMPLE", "thanks!"),
    ("SIMPLE", "Rename the variable cnt to count in utils.py."),
    ("MEDIUM", "Add a docstring to the function parse_header in http.py."),
    ("MEDIUM", "Write a unit test for slugify that covers umlauts and empty strings."),
    ("MEDIUM", "Add a --verbose option to the command line and print the request ids with it."),
    ("MEDIUM", "Convert this callback to async/await."),
    ("MEDIUM", "Write a bash script that backs up the data folder every night and keeps seven copies."),
    ("MEDIUM", "Explain how the session middleware stores its data."),
    ("COMPLEX", "The upload test fails on CI once in ten runs, never on mine. Find out why and fix it."),
    ("COMPLEX", "Implement cursor pagination for the orders API: migration, endpoint, client and tests."),
    ("COMPLEX", "Refactor the billing module: split the 900-line class, keep its interface and tests green."),
    ("COMPLEX", "The worker's memory grows by 50 MB an hour. Profile it, find the leak and repair it."),
    ("COMPLEX", "Migrate the project from Flask to FastAPI, with authentication, errors and tests."),
    ("COMPLEX", "Make the importer stream its input: files of 20 GB must work with 200 MB of memory."),
    ("REASONING", "Plan the move of our session store to a replicated database without downtime: compare "
     "three designs, weigh consistency against latency, and say step by step how we roll back."),
    ("REASONING", "Review the lock-free queue in ring.c for ordering errors and prove that no item is lost."),
    ("REASONING", "Prove that the retry budget bounds the number of attempts, or give a counterexample."),
    ("REASONING", "Design a consensus protocol for our data centres and reason about each failure."),
)  # fmt: skip
"""Turns of users."""

OWN: tuple[str, ...] = (
    "Generate a concise title of 3-6 words for this conversation. Answer with the title only.",
    "Make a summary of the conversation so far, so that another session can continue the work.",
    "Does this message begin a new topic? Answer in two words only.",
)
"""Requests of the clients' own, without tools."""

_WORDS = "Follow the conventions of the project, prefer small changes, and never invent the names of files. "
_OUTPUT = "def connect(url):\n    raise TimeoutError(url)  # prove, design, plan, refactor\n" * 120


class Turn(NamedTuple):
    """A request, its agent, the text that counts, and its tier."""

    agent: str
    text: str
    tier: Tier
    request: dict[str, Any]


def _system(words: int) -> Message:
    return {"role": "system", "content": "You are a coding agent.\n" + _WORDS * (words // 16)}


def _user(*texts: str) -> Message:
    return {"role": "user", "content": [{"type": "text", "text": text} for text in texts]}


def _results(count: int) -> list[Message]:
    """Calls of a tool and their results, which follow a user's turn."""
    messages: list[Message] = []
    for number in range(count):
        call = {"id": f"call_{number}", "type": "function", "function": {"name": "read", "arguments": "{}"}}
        messages.append({"role": "assistant", "content": None, "tool_calls": [call]})
        messages.append({"role": "tool", "tool_call_id": call["id"], "content": _OUTPUT})
    return messages


_EARLIER = [_user("Look at the repository."), {"role": "assistant", "content": "It is a web service."}]
_REMINDER = f"<system-reminder>\n{_WORDS * 20}\n</system-reminder>"

AGENTS: dict[str, Callable[[str], list[Message]]] = {
    "claude-code": lambda text: [_system(3_000), _user(_REMINDER, text)],
    "claude-code, tools used": lambda text: [_system(3_000), _user(_REMINDER, text), *_results(3)],
    "codex": lambda text: [
        {"role": "developer", "content": _WORDS * 100},
        {"role": "user", "content": f"<environment_context>\n{_WORDS * 5}\n</environment_context>"},
        {"role": "user", "content": text},
    ],
    "gemini-cli": lambda text: [
        _system(2_500),
        _user(f"<session_context>\n{_WORDS * 30}\n</session_context>"),
        _user(text),
        *_results(1),
    ],
    "opencode": lambda text: [_system(1_500), _user(f'"{text}"')],
    "cline": lambda text: [
        _system(4_000),
        _user(f"<task>\n{text}\n</task>", f"<environment_details>\n{_WORDS * 40}\n</environment_details>"),
    ],
    "pi": lambda text: [_system(500), *_EARLIER, _user(text)],
    "continue": lambda text: [_system(200), *_EARLIER, _user(text), *_results(2)],
}


def turns() -> Iterator[Turn]:
    """Yield all turns."""
    tools = [
        {"type": "function", "function": {"name": f"tool_{number}", "description": _WORDS * 5}}
        for number in range(20)
    ]
    for agent, shape in AGENTS.items():
        for tier, text in TEXTS:
            yield Turn(agent, text, tier, {"model": "auto", "messages": shape(text), "tools": tools})
        for text in OWN:
            messages = [_user("Prove the theorem."), {"role": "assistant", "content": "Done."}, _user(text)]
            yield Turn(agent, text, "SIMPLE", {"model": "auto", "messages": [*shape("")[:1], *messages]})
