#!/usr/bin/env python3
"""Write docs/signals.md, the glossary of the scorer's signals: `uv run python scripts/signals_page.py`."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from smart_router.routing.config import RoutingConfig, load_defaults
from smart_router.routing.explanation import shown_as

PAGE = Path(__file__).parents[1] / "docs" / "signals.md"

SIGNALS = {
    "length": "words, on a logarithmic scale",
    "short": "fewer than 12 words",
    "long": "more than 120 words",
    "characters": "characters, on a logarithmic scale",
    "lines": "lines",
    "line_length": "characters a line on average",
    "passage": "a line of more than 500 characters",
    "sentences": "ends of sentences",
    "list_items": "lines that begin with a bullet or number",
    "question": "ends in a question mark",
    "question_marks": "question marks",
    "opens_question": "first word: what, who, when, is, does, can …",
    "opens_how": "first word: how, why, explain, describe, discuss, compare",
    "opens_making": "first word: write, create, generate, list, plan, build …",
    "opens_solving": "first word: find, calculate, prove, let, suppose, given …",
    "search_query": "no capital letter at the start and no full stop, like a search",
    "points_elsewhere": 'up to three words about something not named: "prove it"',
    "blank": "a blank to fill in: __",
    "multiple_choice": "three or more lettered options",
    "options": "answers to choose from",
    "option_length": "characters an option on average",
    "numeric_options": "share of the options that hold a digit",
    "long_quiz": "kind of task: options and more than 600 characters",
    "short_quiz": "kind of task: options and up to 600 characters",
    "formula_task": "kind of task: several formulas",
    "code_task": "kind of task: code, or words of programming and some code",
    "word_problem_task": "kind of task: a story with numbers",
    "short_task": "kind of task: none of the others, and fewer than 14 words",
    "formulas": "signs of formulas: \\, $, ^ and mathematical letters",
    "code_shapes": "shapes of code: ```, (), ==, braces, def, import …",
    "equal_signs": "signs =",
    "operators": "signs + - * / = < > ^ _ % $ \\ | &",
    "dollar_signs": "signs $",
    "percent_signs": "signs %",
    "backslashes": "signs \\",
    "brackets": "brackets of all kinds",
    "quotes": "quotation marks and apostrophes",
    "numbers": "words that are numbers",
    "number_share": "share of the words that are numbers",
    "digits": "share of the characters that are digits",
    "decimals": "numbers with a decimal point or a thousands separator",
    "fractions": "a digit, a slash and a digit",
    "word_size": "letters a word on average",
    "long_words": "share of the words with more than 8 letters",
    "very_long_words": "share of the words with more than 10 letters",
    "short_words": "share of the words with up to 3 letters",
    "repetition": "share of the words that repeat others",
    "names": "capitals within the text",
    "capitals": "share of the letters that are capitals",
    "punctuation": "share of the characters that are . , ; : ! ?",
    "commas": "commas",
    "colons": "colons",
    "ellipsis": "three dots",
    "non_ascii": "share of the bytes beyond ASCII",
    "if_words": "if, suppose, assume, given, let",
    "not_words": "not, no, never, except, without, cannot",
    "each_words": "each, every, all, per, any",
    "you_words": "you, your",
    "my_words": "I, my, me, we, our",
    "only_words": "must, should, only, exactly, least, most, than",
    "which_words": "which, following, true, false, statement, best",
    "tools": "tools on offer",
    "tool_turns": "tool results since the user's last turn",
    "images": "images, audio or files in the turn",
    "turns": "earlier user turns",
    "output_format": "an answer in JSON is asked for",
    "wording": "words and pairs of words, each with a fitted weight; its evidence names the strongest",
    "pattern": "how strong the signals are, beyond a straight line; its evidence names the strongest",
    "directive": "a phrase that asks for a tier, where the config honours those",
}
"""By name, all signals but for keyword groups."""

_INTRODUCTION = """# Signals

Made by `scripts/signals_page.py` from the code. A prompt's difficulty is the sum of what its signals add to
the log odds, and each tier's chance comes from what they add to that tier. `[routing.weights.NAME]` in the
config changes what a signal weighs. What reads the same fact is shown under one name.
"""


def page(config: RoutingConfig) -> str:
    """The glossary as Markdown."""
    return "\n".join([_INTRODUCTION, *_structure(), "", *_keywords(config), ""])


def _structure() -> Iterator[str]:
    yield from ("## Form and conversation", "", "| signal | shown as | |", "|---|---|---|")
    for name, meaning in SIGNALS.items():
        yield f"| `{name}` | `{shown_as(name)}` | {meaning.replace('|', '&#124;')} |"


def _keywords(config: RoutingConfig) -> Iterator[str]:
    yield from (
        "## Keywords",
        "",
        "Words and phrases in many languages, under `[routing.keywords.NAME]` in the config.",
        "",
        "| signal | such as |",
        "|---|---|",
    )
    for name, by_language in config.keywords.items():
        words = by_language.get("en") or next(iter(by_language.values()))
        yield f"| `{name}` | {', '.join(words[:8])} |"


if __name__ == "__main__":
    PAGE.write_text(page(load_defaults()), "utf-8")
