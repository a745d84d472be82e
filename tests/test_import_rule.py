"""Which part of the package imports which, and which part may use mitmproxy's private names."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterable, Iterator
from pathlib import Path

import smart_router

PACKAGE = Path(smart_router.__file__).parent
PAGE = PACKAGE.parents[1] / "docs/architecture.md"

_AFTER_HEADING = PAGE.read_text("utf-8").partition("## Who may import whom")[2]
ORDER = re.findall(r"^\w+", _AFTER_HEADING.split("```")[1], re.MULTILINE)
"""Folders and modules at the top of the package, as the page lists them: imports point down."""

WITHOUT_MITMPROXY = {"auth", "client_keys", "routing", "stats", "providers", "dialects", "storage"}

EXCEPTIONS = {
    ("attempts/attempt.py", "mitmproxy.proxy.layers.http._events.ErrorCode"),  # why an attempt broke
    ("workers/inherited_sockets.py", "AsyncioServerInstance.listen = "),  # gives a server an open socket
}
"""Module and import, private attribute, or replaced attribute. This list only shrinks."""

PUBLIC_WITH_UNDERSCORE = {"_replace", "_asdict", "_fields", "_make"}
"""Methods of named tuples."""


DEFINITIONS = (ast.FunctionDef, ast.AsyncFunctionDef, ast.ClassDef)

OWN = ("self", "cls", "super()")


def part_of(path: Path) -> str:
    """The folder or module at the top of the package that a file belongs to."""
    return path.relative_to(PACKAGE).parts[0].removesuffix(".py")


def is_private(name: str) -> bool:
    return name.startswith("_") and not name.startswith("__") and name not in PUBLIC_WITH_UNDERSCORE


Nodes = list[ast.AST]
"""All nodes of a module: going through a tree takes longer than parsing it."""


def imported_names(nodes: Nodes) -> Iterator[tuple[str, str]]:
    """Each imported name in full, and the name it has in the module."""
    for node in nodes:
        if isinstance(node, ast.ImportFrom):
            yield from ((f"{node.module}.{alias.name}", alias.asname or alias.name) for alias in node.names)
        elif isinstance(node, ast.Import):
            yield from ((alias.name, alias.asname or alias.name) for alias in node.names)


def names_defined_in_package(modules: Iterable[Nodes]) -> set[str]:
    """Functions, classes and attributes of the package's own objects."""
    nodes = [node for module in modules for node in module]
    defined = {one.name for one in nodes if isinstance(one, DEFINITIONS)}
    attributes = [one for one in nodes if isinstance(one, ast.Attribute)]
    return defined | {
        one.attr for one in attributes if isinstance(one.value, ast.Name) and one.value.id == "self"
    }


def upward_imports(part: str, nodes: Nodes) -> Iterator[str]:
    for name, _ in imported_names(nodes):
        package, *names = name.split(".")
        if package == "smart_router":
            imported = names[0] if names and names[0] in ORDER else "__init__"
            if imported != part and ORDER.index(imported) < ORDER.index(part):
                yield name


def uses_of_mitmproxy(part: str, nodes: Nodes, own_names: set[str]) -> Iterator[str]:
    """Uses of mitmproxy that only `proxy/` may make, and any use in a part that must do without it."""
    local_names = set()
    for name, local_name in imported_names(nodes):
        package, *names = name.split(".")
        if package in ("mitmproxy", "h11", "h2"):
            local_names.add(local_name)
            if part in WITHOUT_MITMPROXY or any(map(is_private, names)):
                yield name
    for node in nodes:
        if not isinstance(node, ast.Attribute):
            continue
        if isinstance(node.ctx, ast.Store) and (owner := ast.unparse(node.value)) in local_names:
            yield f"{owner}.{node.attr} = "
        elif is_private(node.attr) and node.attr not in own_names and ast.unparse(node.value) not in OWN:
            yield f".{node.attr}"


def violations() -> set[tuple[str, str]]:
    modules = {
        path: [*ast.walk(ast.parse(path.read_text("utf-8")))] for path in sorted(PACKAGE.rglob("*.py"))
    }
    own_names = names_defined_in_package(modules.values())
    found = set()
    for path, nodes in modules.items():
        module, part = path.relative_to(PACKAGE).as_posix(), part_of(path)
        names = [*upward_imports(part, nodes)]
        if part != "proxy":
            names += uses_of_mitmproxy(part, nodes, own_names)
        found |= {(module, name) for name in names}
    return found


def test_page_lists_every_part() -> None:
    assert sorted({part_of(path) for path in PACKAGE.rglob("*.py")}) == sorted(ORDER)


def test_imports_point_down_and_only_proxy_uses_private_parts() -> None:
    found = violations()
    assert found - EXCEPTIONS == set(), "docs/architecture.md does not allow these imports and uses"
    assert EXCEPTIONS - found == set(), "remove these from EXCEPTIONS: they are no longer needed"
