"""Requests that clients make for themselves are told from turns of users."""

from __future__ import annotations

from typing import Any

import pytest

from smart_router.routing.side_calls import background_task
from tests.routing.fakes import chat

TOOLS = [{"type": "function", "function": {"name": "read", "parameters": {"type": "object"}}}]


def form(*names: str) -> dict[str, Any]:
    schema = {"type": "object", "properties": {name: {"type": "string"} for name in names}}
    return {"type": "json_schema", "json_schema": {"name": "answer", "schema": schema}}


OWN = {
    "instruction in a system message": (
        "title",
        {"messages": [
            {"role": "system", "content": "You name chats. Output only one title for the user's chat."},
            {"role": "user", "content": "Prove that the halting problem is undecidable."},
        ]},
    ),
    "instruction before the user's words": (
        "title",
        chat("### Task\nGenerate a concise title of 3-5 words for the chat below.\n<chat>Prove it!</chat>"),
    ),
    "instruction after a long conversation": (
        "title",
        chat("user: derive the gradient\n" * 200 + "Write a short headline for this conversation."),
    ),
    "tags": ("tags", chat("Suggest 1-3 short tags that name the main themes of the chat history.")),
    "follow-ups": (
        "suggestions",
        chat("Suggest three brief follow-up questions that the user may ask next in this conversation."),
    ),
    "topic": ("topic", chat("Does this message begin a new topic? Answer with two words only.")),
    "a compacted conversation": (
        "summary",
        {"messages": [
            {"role": "user", "content": "Build the parser."},
            {"role": "assistant", "content": "Done."},
            {"role": "user", "content": "Make a summary of our conversation so far, with decisions."},
        ]},
    ),
    "schema of a title": ("title", chat("Prove it.", response_format=form("title", "branch"))),
    "schema of the next speaker": (
        "next speaker", chat("Prove it.", response_format=form("reasoning", "next_speaker")),
    ),
}  # fmt: skip

USERS = {
    "a greeting": chat("hi"),
    "a title for the user's text": chat("Write a title for my essay about bees."),
    "a component with titles": chat("Create a short React component with a title and a chat button."),
    "a summary of a book": chat("Write a short summary of War and Peace."),
    "a system message about titles": {
        "messages": [
            {
                "role": "system",
                "content": "You are a blog writer. Give every article a catchy title and tags.",
            },
            {"role": "user", "content": "Write about the halting problem."},
        ]
    },
    "a schema of the user's own": chat("Prove it.", response_format=form("title", "chapters")),
    "an empty schema": chat("Prove it.", response_format=form()),
    "an agent with tools": chat("Generate a concise title for this conversation.", tools=TOOLS),
}


@pytest.mark.parametrize(("kind", "request_"), OWN.values(), ids=OWN)
def test_a_clients_own_request_is_known(kind: str, request_: dict[str, Any]) -> None:
    assert background_task(request_) == kind


@pytest.mark.parametrize("request_", USERS.values(), ids=USERS)
def test_a_users_turn_is_not_taken_for_the_clients(request_: dict[str, Any]) -> None:
    assert background_task(request_) is None
