"""Limits on the size of files and functions, on class names and on how docstrings begin.

The lists of exceptions only shrink: one that is no longer needed fails the test.
"""

from __future__ import annotations

import ast
import functools
import re
from collections import Counter
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import NamedTuple

import pytest

import smart_router
from tests.testbed.examples import FULL, PROFILE
from tests.testbed.harness import ROOT

PACKAGE = Path(smart_router.__file__).parent
MAX_FILE_LINES = 400
MAX_FUNCTION_LINES = 50

LONG_FILES: set[str] = set()

LONG_FUNCTIONS = {
    "routing/__init__.py:route",  # the public entry point: a third is its contract, a third names arguments
}
"""As `module:name`, each with the reason."""

SHARED_CLASS_NAMES: set[str] = set()

MAX_NOUN_CLAUSES = 9

NOUN_CLAUSE = re.compile(r"(What|Whether|As ever)\b")


BEGIN = "(?:async def |def |class |@)"
MAY_BE_LONG = re.compile(
    "|".join(
        rf"^ {{{indent}}}(?:async )?def .*(?:\n(?! {{0,{indent}}}{BEGIN}).*){{{MAX_FUNCTION_LINES}}}"
        for indent in (0, 4, 8)
    ),
    re.MULTILINE,
)
"""A definition that no other follows at its level for so many lines."""

MAY_BEGIN_SO = re.compile(rf'"""\s*{NOUN_CLAUSE.pattern}')
"""A docstring, or another text."""

CLASS = re.compile(r"^ *class (\w+)", re.MULTILINE)

DEFINITIONS = (ast.FunctionDef, ast.AsyncFunctionDef, ast.ClassDef)


class File(NamedTuple):
    """Facts of a file; its syntax tree is not kept, for the garbage collector to look through."""

    name: str
    lines: int
    long_functions: list[str]
    classes: list[str]
    docstrings: list[str]


@functools.cache
def package() -> list[File]:
    return [_read(PACKAGE, path) for path in PACKAGE.rglob("*.py")]


@functools.cache
def others() -> list[File]:
    """The code outside the package, to which the limits of size apply too."""
    paths = [path for folder in ("tests", "scripts") for path in (ROOT / folder).rglob("*.py")]
    return [_read(ROOT, path) for path in paths]


def _read(above: Path, path: Path) -> File:
    """Read a file, and parse it if it seems to break a limit: to find that out takes far less time. Code in a
    text within a function hides the function's length: a full run parses all files.
    """
    text = path.read_text("utf-8")
    suspect = PROFILE == FULL or MAY_BE_LONG.search(text) or MAY_BEGIN_SO.search(text)
    tree = ast.parse(text if suspect else "")
    definitions = [node for node in _statements(tree) if isinstance(node, DEFINITIONS)]
    return File(
        path.relative_to(above).as_posix(),
        len(text.splitlines()),
        [one.name for one in definitions if not isinstance(one, ast.ClassDef) and _is_long(one)],
        CLASS.findall(text),
        [doc for one in (tree, *definitions) if (doc := ast.get_docstring(one))],
    )


def _statements(node: ast.AST) -> Iterator[ast.AST]:
    """All statements in a statement or module, without the expressions, which are most of a tree."""
    for part in ("body", "orelse", "handlers", "finalbody", "cases"):
        inner = getattr(node, part, None)
        for one in inner if isinstance(inner, list) else ():
            yield one
            yield from _statements(one)


def _is_long(node: ast.FunctionDef | ast.AsyncFunctionDef) -> bool:
    return node.end_lineno is not None and node.end_lineno - node.lineno >= MAX_FUNCTION_LINES


def long_files() -> set[str]:
    return {file.name for file in (*package(), *others()) if file.lines > MAX_FILE_LINES}


def long_functions() -> set[str]:
    return {f"{file.name}:{name}" for file in (*package(), *others()) for name in file.long_functions}


def shared_class_names() -> set[str]:
    counts = Counter(name for file in package() for name in file.classes)
    return {name for name, count in counts.items() if count > 1}


@pytest.mark.parametrize(
    ("find", "exceptions"),
    [(long_files, LONG_FILES), (long_functions, LONG_FUNCTIONS), (shared_class_names, SHARED_CLASS_NAMES)],
)
def test_code_keeps_to_the_limits(find: Callable[[], set[str]], exceptions: set[str]) -> None:
    found = find()
    assert found - exceptions == set(), "over the limit"
    assert exceptions - found == set(), "remove these exceptions: they are no longer needed"


def test_few_docstrings_begin_with_a_noun_clause() -> None:
    found = [
        f"{file.name}: {doc.splitlines()[0]}"
        for file in package()
        for doc in file.docstrings
        if NOUN_CLAUSE.match(doc)
    ]
    assert len(found) <= MAX_NOUN_CLAUSES, "\n".join(sorted(found))
