from __future__ import annotations

from typing import Any

import pytest

from smart_router.routing.prompt_text import HEAD, TAIL, prompt_of, window
from tests.routing.fakes import chat


def test_window_is_bounded_and_keeps_both_ends() -> None:
    text = window("a" * 5000 + "b" * 200_000 + "c" * 5000)
    assert len(text) == HEAD + TAIL + 1 and text[0] == "a" and text[-1] == "c"
    assert window("short") == "short"


@pytest.mark.parametrize(
    ("text", "counts"),
    [
        ("<system-reminder>be an agent</system-reminder>\nfix it", "fix it"),
        ("fix it\n<environment_details a='1'>\nlong\n</environment_details>", "fix it"),
        ("fix it <context>never closed", "fix it"),
        ("<context>nothing else</context>", "<context>nothing else</context>"),
        ("if a < b", "if a < b"),
        ("Q: 1+1?\nA: 2\nQ: 2+2?\nA: 4\nQ: 3+3?\nA:", "Q: 3+3?\nA:"),
        ("Add up.\nQ: 1+1?\nA: 2\nQ: 2+2?\nA: 4\nQ: 3+3?\nA:", "Add up.\nQ: 3+3?\nA:"),
        ("Q: 1+1?\nA:", "Q: 1+1?\nA:"),
        ("English: a\nFrench: b\nEnglish: c\nFrench: d\nEnglish: e\nFrench:", "English: e\nFrench:"),
        (
            "Answer these.\n\nOne?\nA. x\nAnswer: A\n\nTwo?\nA. y\nAnswer: A\n\nThree?\nA. z\nAnswer:",
            "Answer these.\n\nThree?\nA. z\nAnswer:",
        ),
        ("One?\nAnswer: A\nTwo?\nAnswer: B\nThree?\nAnswer:", "Three?\nAnswer:"),
        (
            "### Question: a\n### Answer: b\n### Question: c\n### Answer: d\n### Question: e\n### Answer:",
            "### Question: e\n### Answer:",
        ),
        ("**Q**: a", "**Q**: a"),
        ("['Please say:\\nIt\\'s 5', 'And why?']", "Please say:\nIt's 5\nAnd why?"),
        (r"['$\\nabla \\frac{1}{2}$']", r"$\nabla \frac{1}{2}$"),
        ('["one", "two"]', "one\ntwo"),
        ("[1, 2]", "[1, 2]"),
        ("['a'] is a list", "['a'] is a list"),
        (
            "<|im_start|>system\nbe<|im_end|>\n<|im_start|>user\nfirst<|im_end|>\n<|im_start|>assistant\nx<|im_end|>\n"
            "<|im_start|>user\nsecond<|im_end|>\n<|im_start|>assistant\n",
            "second",
        ),
        ("[INST] one [/INST] x [INST] two [/INST]", "two"),
        ("a <| b", "a <| b"),
        ("Step 1: plan\nStep 2: build\nStep 3: test", "Step 1: plan\nStep 2: build\nStep 3: test"),
    ],
)
def test_what_counts(text: str, counts: str) -> None:
    assert prompt_of(chat(text)).text == counts


def test_last_user_turn_counts() -> None:
    request: dict[str, Any] = {
        "messages": [
            {"role": "system", "content": "prove theorems " * 2000},
            {"role": "user", "content": "first"},
            {"role": "assistant", "content": "answer"},
            {
                "role": "user",
                "content": [{"type": "text", "text": "second"}, {"type": "image_url", "image_url": {}}],
            },
            {"role": "assistant", "content": None, "tool_calls": []},
            {"role": "tool", "content": "dump " * 1000},
        ],
        "tools": [{}, {}],
        "response_format": {"type": "json_schema"},
    }
    prompt = prompt_of(request)
    assert (prompt.text, prompt.before, prompt.turns) == ("second", "first", 2)
    assert (prompt.tools, prompt.tool_turns, prompt.images, prompt.form) == (2, 1, 1, "json_schema")


@pytest.mark.parametrize(
    "messages", [None, [], ["x"], [{"role": "user"}], [{"role": "user", "content": [1, {}]}]]
)
def test_odd_messages_hold_no_text(messages: Any) -> None:
    assert prompt_of({"messages": messages}).text == ""


def test_first_turn_has_nothing_before() -> None:
    assert prompt_of(chat("one")).before == ""
