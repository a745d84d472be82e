from __future__ import annotations

import re
from math import log1p

import pytest
from hypothesis import given
from hypothesis import strategies as st
from scripts.signals_page import SIGNALS

from smart_router.routing.config import load_defaults
from smart_router.routing.prompt_text import Prompt, prompt_of
from smart_router.routing.shapes import characters_of
from smart_router.routing.signals import counted_words, measure
from smart_router.routing.weighing import Reading, evidence_of
from tests.routing.fakes import chat

CONFIG = load_defaults()
CHOICE = "Which one?\nA. 1\nB. 2\nC. 3\nD. 4\nAnswer:"


def seen(prompt: Prompt) -> dict[str, Reading]:
    return measure(prompt, counted_words(prompt), CONFIG.lexicon)


@pytest.mark.parametrize(
    ("text", "present", "absent"),
    [
        ("Hi", {"short", "greeting"}, {"long", "question", "search_query"}),
        ("who won the cup in 2010", {"search_query", "fact", "numbers"}, {"question"}),
        ("write a poem", {"creative"}, {"search_query"}),  # a task, though typed like a search
        ("Is it so?”", {"question"}, {"formulas"}),
        ("真的吗？", {"question"}, {"search_query"}),
        (CHOICE, {"multiple_choice", "numbers"}, {"question", "search_query"}),
        ("A. 1\nB. 2\nC. 3", {"multiple_choice"}, set()),
        ("A. 1\nB. 2", set(), {"multiple_choice"}),
        ("Find $x^2$ or \\frac{1}{2}", {"formulas"}, {"code_shapes"}),
        ("∀x (Px ⊃ Qx)", {"formulas"}, set()),
        ("It costs 1.50 or 1,5", {"decimals"}, {"formulas"}),
        ("The vertices (0,0) and (12,5)", {"numbers"}, {"decimals"}),
        ("It costs $1,500, not $3.50.", {"decimals"}, {"formulas"}),
        ("Is $5$ prime, and $2x$?", {"formulas"}, set()),
        ("Statement 1: x is even. Statement 2: x is odd.", {"statements"}, {"decimals"}),
        ("def f():\n    return 1\n", {"code_shapes"}, {"multiple_choice"}),
        ("Do this:\n- one\n- two", {"list_items"}, {"multiple_choice"}),
        ("Which of them has more marbles than all others?", {"relations"}, set()),
        ("Who was he, and when?", {"fact"}, set()),
        ("Ann, who lives in Rome, " + "walks and walks " * 9 + "when it rains.", set(), {"fact"}),
        ("The sky is ____ today", {"blank"}, set()),
        ("prove it", {"points_elsewhere", "short_task"}, set()),
        ("prove it to the whole class", set(), {"points_elsewhere"}),
        (CHOICE, {"short_quiz", "options", "numeric_options"}, {"long_quiz", "short_task"}),
        (CHOICE + "x" * 600, {"long_quiz"}, {"short_quiz"}),
        ("Solve $x^2 + y^2 = z^2$ and $a = b$", {"formula_task", "equal_signs"}, {"code_task"}),
        ("Why does this fail?\n```\nf()\n```", {"code_task"}, {"formula_task"}),
        (
            "Ann has 12 apples and gives 5 of them to each of her 2 friends. How many are left with her now?",
            {"word_problem_task", "each_words", "digits"},
            {"short_task"},
        ),
        ("If 1/2 is 50% of $1, say so...", {"if_words", "fractions", "percent_signs", "ellipsis"}, set()),
        ("Compute it", {"opens_solving"}, {"opens_making"}),
        ("Ärger", {"non_ascii"}, {"lines"}),
        ("word " * 400, {"long", "passage", "repetition"}, {"short"}),
    ],
)
def test_structure(text: str, present: set[str], absent: set[str]) -> None:
    found = seen(prompt_of(chat(text)))
    assert present <= found.keys() and not absent & found.keys()


@pytest.mark.parametrize(
    "text",
    [
        CHOICE.replace("3", "three"),
        "The planet and the plants were saturated over the plane.",
        "The Roman deposition came after the fallow, said the fallopian satellite.",
        "Kim and AI completely satisfied Ethiopia, a diverse and year-old enterocyte.",
        "What sort of class had a piano over there?",
    ],
)
def test_words_of_one_language_are_no_keywords_of_another(text: str) -> None:
    assert not seen(prompt_of(chat(text))).keys() & CONFIG.keywords.keys()


def test_conversation() -> None:
    found = seen(Prompt("x", turns=3, tools=2, tool_turns=1, images=1, form="json_schema"))
    assert {"turns", "tools", "tool_turns", "images", "output_format"} <= found.keys()
    assert evidence_of("tools", found["tools"][1]) == "2 tools"
    assert evidence_of("turns", found["turns"][1]) == "2 earlier user turns"
    assert not {"turns", "tools", "images"} & seen(prompt_of(chat("x"))).keys()


def test_pasted_words_do_not_count() -> None:
    pasted = "Lorem ipsum dolor. " * 60 + "Prove the theorem. " + "Lorem ipsum dolor. " * 60
    assert "proof" not in seen(prompt_of(chat(f"Summarize this:\n{pasted}\nThanks")))


def test_every_signal_of_a_prompt_has_a_weight_and_every_weight_a_signal() -> None:
    everything = Prompt(
        f"who are you {CHOICE} $x^2$ 1.5 ∀ def f():\n- one\n____ " + "word, 1 Name. " * 400 + "?",
        turns=2, tools=1, tool_turns=1, images=1, form="json_object",
    )  # fmt: skip
    assert seen(everything).keys() <= CONFIG.weights.keys()
    assert CONFIG.weights.keys() <= SIGNALS.keys() | CONFIG.keywords.keys()
    assert SIGNALS.keys() <= CONFIG.weights.keys() | {"directive"}


# how the signals that are counted quickly read when written plainly
PLAIN = {
    "code_shapes": (
        "```", r"\(\)", "==", "=>", ";\n", r" \{", r"\{\n", r"\}\n", r"\):\n",
        r"^[ \t]*(?:def|class|import|from|function|const|let|var|public|return|SELECT|#include)\b",
    ),
    "list_items": (r"^[ \t]*(?:[-*•]|\d{1,2}[.)])[ \t]",),
    "sentences": (r"\. ", r"\.\n", r"\? ", r"\?\n", "! ", "!\n", "[。！？؟।]"),
    "decimals": (r"[0-9]\.[0-9]|(?<![(0-9])[0-9]+,[0-9]",),
}  # fmt: skip
CHOICES = re.compile(r"^[ \t]*\(?[A-Ea-e1-5][.):][ \t]?\S", re.MULTILINE)
signs = st.sampled_from(
    ["```", "()", "==", "=>", ";\n", " {", "{\n", "}\n", "):\n", ". ", ".\n", "? ", "?\n", "! ", "!\n",
     "。", "؟", "=", "`", "(", ")", "{", "\n", " ", "\t", "\r", "1", "12", ".", ",", "x", "٣"]
)  # fmt: skip
lines = st.sampled_from(
    ["def f", "\treturn", "A. x", "(b) y", "1) z", " 12. z", "- x", "•\tx", "define", "x"]
)
shapes = (
    st.lists(signs, min_size=5).map("".join)
    | st.lists(signs | st.characters(), max_size=40).map("".join)
    | st.lists(lines | st.text(max_size=5), max_size=6).map("\n".join)
)  # fmt: skip


@given(shapes)
def test_shapes_are_counted_as_the_plain_expressions_do(text: str) -> None:
    found = seen(Prompt(text))
    for name, expressions in PLAIN.items():
        count = sum(len(re.findall(one, text, re.MULTILINE)) for one in expressions)
        assert found.get(name) == ((log1p(count), count) if count else None)
    assert ("multiple_choice" in found) is (len(CHOICES.findall(text)) >= 3)


DECIMAL = re.compile(r"[0-9](?:\.[0-9]|(?<![(0-9].)[0-9]*,[0-9])")


@given(st.text("0123456789.,( Aaé\n", max_size=30))
def test_decimals_and_names_are_those_of_the_expressions(text: str) -> None:
    prompt = Prompt(text)
    assert seen(prompt).get("decimals", (0.0, 0))[1] == len(DECIMAL.findall(text))
    assert characters_of(text).classes.count(b"sU") == len(re.findall(" [A-Z]", text))
