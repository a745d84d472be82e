"""Messages requests that pass untranslated to a model that the router chose: fitted to its rules."""

from __future__ import annotations

import json
from typing import Any

import pytest

from smart_router.dialects.anthropic.native import native_body
from smart_router.dialects.base import CallContext
from smart_router.dialects.fitting import CONTINUE
from smart_router.providers.catalogue import rules_for

HELLO = {"role": "user", "content": "Hello"}
CUT_OFF = {"role": "assistant", "content": "One, two,"}


def written(model: str, *, virtual: bool = True, **fields: Any) -> dict[str, Any]:
    rules = rules_for("anthropic", model)
    call = CallContext("anthropic", model, False, 1, "r", rules=rules, virtual=virtual)
    body = {"model": "auto", "max_tokens": 9, "messages": [HELLO], **fields}
    read: dict[str, Any] = json.loads(native_body(json.dumps(body).encode(), call))
    return read


@pytest.mark.parametrize(
    ("model", "thinking", "config"),
    [
        ("claude-opus-5-5", None, {"effort": "low"}),
        ("claude-fable-5-2", None, {"effort": "low"}),
        ("claude-sonnet-5-5", {"type": "between_tools"}, None),
        ("claude-opus-5", {"type": "disabled"}, None),
        ("claude-haiku-4-5", {"type": "disabled"}, None),
    ],
)
def test_thinking_that_the_client_switched_off(model: str, thinking: Any, config: Any) -> None:
    sent = written(model, thinking={"type": "disabled"})
    assert (sent.get("thinking"), sent.get("output_config")) == (thinking, config)
    assert written(model, virtual=False, thinking={"type": "disabled"})["thinking"] == {"type": "disabled"}


@pytest.mark.parametrize(("model", "prefilled"), [("claude-sonnet-5-5", False), ("claude-haiku-4-5", True)])
def test_a_conversation_that_ends_with_the_assistant(model: str, prefilled: bool) -> None:
    asked = [HELLO, CUT_OFF]
    end = [] if prefilled else [{"role": "user", "content": CONTINUE}]
    assert written(model, messages=asked)["messages"] == [*asked, *end]
    assert written(model, virtual=False, messages=asked)["messages"] == asked
