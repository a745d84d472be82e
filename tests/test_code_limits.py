"""Limits on the size of files and functions, on class names and on how docstrings begin.

The lists of exceptions only shrink: one that is no longer needed fails the test.
"""

from __future__ import annotations

import ast
import functools
import re
from collections import Counter
from collections.abc import Callable
from pathlib import Path

import pytest

import smart_router
from tests.testbed.harness import ROOT

PACKAGE = Path(smart_router.__file__).parent
MAX_FILE_LINES = 400
MAX_FUNCTION_LINES = 50

LONG_FILES: set[str] = set()

LONG_FUNCTIONS = {
    "routing/__init__.py:route",  # the public entry point: a third is its contract, a third names arguments
    "stats/metrics.py:_metrics",  # one statement for each metric family
}
"""As `module:name`, each with the reason."""

SHARED_CLASS_NAMES: set[str] = set()

MAX_NOUN_CLAUSES = 9

NOUN_CLAUSE = re.compile(r"(What|Whether|As ever)\b")


@functools.cache
def trees() -> dict[str, ast.Module]:
    """The package's modules, parsed."""
    return _parsed(PACKAGE, PACKAGE)


@functools.cache
def others() -> dict[str, ast.Module]:
    """The code outside the package, to which the limits of size apply too."""
    return _parsed(ROOT, ROOT / "tests", ROOT / "scripts")


def _parsed(above: Path, *folders: Path) -> dict[str, ast.Module]:
    return {
        path.relative_to(above).as_posix(): ast.parse(path.read_text("utf-8"))
        for folder in folders
        for path in folder.rglob("*.py")
    }


def long_files() -> set[str]:
    files = {**{module: PACKAGE / module for module in trees()}, **{name: ROOT / name for name in others()}}
    return {
        name for name, path in files.items() if len(path.read_text("utf-8").splitlines()) > MAX_FILE_LINES
    }


def long_functions() -> set[str]:
    return {
        f"{module}:{node.name}"
        for module, tree in {**trees(), **others()}.items()
        for node in ast.walk(tree)
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef)
        and node.end_lineno is not None
        and node.end_lineno - node.lineno >= MAX_FUNCTION_LINES
    }


def shared_class_names() -> set[str]:
    names = [
        node.name for tree in trees().values() for node in ast.walk(tree) if isinstance(node, ast.ClassDef)
    ]
    return {name for name, count in Counter(names).items() if count > 1}


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
        f"{module}: {doc.splitlines()[0]}"
        for module, tree in trees().items()
        for node in ast.walk(tree)
        if isinstance(node, ast.Module | ast.ClassDef | ast.FunctionDef | ast.AsyncFunctionDef)
        and (doc := ast.get_docstring(node))
        and NOUN_CLAUSE.match(doc)
    ]
    assert len(found) <= MAX_NOUN_CLAUSES, "\n".join(sorted(found))
