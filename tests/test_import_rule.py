"""Which part of the package imports which, and which part may use mitmproxy's private names."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

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


OWN = ("self", "cls", "super()")


def part_of(path: Path) -> str:
    """The folder or module at the top of the package that a file belongs to."""
    return path.relative_to(PACKAGE).parts[0].removesuffix(".py")


def is_private(name: str) -> bool:
    return name.startswith("_") and not name.startswith("__") and name not in PUBLIC_WITH_UNDERSCORE


class Attribute(NamedTuple):
    """A use of an attribute, or its replacement. `owner` is written as in the module."""

    owner: str
    name: str
    replaced: bool


class Module(NamedTuple):
    """Facts of a module; its syntax tree is not kept, for the garbage collector to look through."""

    imported: list[tuple[str, str]]
    """Each imported name in full, and the name it has in the module."""
    attributes: list[Attribute]
    """Those that are replaced, or have private names."""
    own_names: set[str]
    """Functions, classes and attributes of the package's own objects."""


def read(path: Path) -> Module:
    module = Module([], [], set())
    for node in ast.walk(ast.parse(path.read_text("utf-8"))):
        match node:
            case ast.Attribute(value=value, attr=name, ctx=context):
                replaced = isinstance(context, ast.Store)
                if replaced or is_private(name):
                    module.attributes.append(Attribute(ast.unparse(value), name, replaced))
                if isinstance(value, ast.Name) and value.id == "self":
                    module.own_names.add(name)
            case ast.FunctionDef() | ast.AsyncFunctionDef() | ast.ClassDef():
                module.own_names.add(node.name)
            case ast.ImportFrom():
                module.imported.extend(
                    (f"{node.module}.{one.name}", one.asname or one.name) for one in node.names
                )
            case ast.Import():
                module.imported.extend((one.name, one.asname or one.name) for one in node.names)
    return module


def upward_imports(part: str, module: Module) -> Iterator[str]:
    for name, _ in module.imported:
        package, *names = name.split(".")
        if package == "smart_router":
            imported = names[0] if names and names[0] in ORDER else "__init__"
            if imported != part and ORDER.index(imported) < ORDER.index(part):
                yield name


def uses_of_mitmproxy(part: str, module: Module, own_names: set[str]) -> Iterator[str]:
    """Uses of mitmproxy that only `proxy/` may make, and any use in a part that must do without it."""
    local_names = set()
    for name, local_name in module.imported:
        package, *names = name.split(".")
        if package in ("mitmproxy", "h11", "h2"):
            local_names.add(local_name)
            if part in WITHOUT_MITMPROXY or any(map(is_private, names)):
                yield name
    for owner, name, replaced in module.attributes:
        if replaced and owner in local_names:
            yield f"{owner}.{name} = "
        elif is_private(name) and name not in own_names and owner not in OWN:
            yield f".{name}"


def violations() -> set[tuple[str, str]]:
    modules = {path: read(path) for path in sorted(PACKAGE.rglob("*.py"))}
    own_names = {name for module in modules.values() for name in module.own_names}
    found = set()
    for path, read_ in modules.items():
        module, part = path.relative_to(PACKAGE).as_posix(), part_of(path)
        names = [*upward_imports(part, read_)]
        if part != "proxy":
            names += uses_of_mitmproxy(part, read_, own_names)
        found |= {(module, name) for name in names}
    return found


def test_page_lists_every_part() -> None:
    assert sorted({part_of(path) for path in PACKAGE.rglob("*.py")}) == sorted(ORDER)


def test_imports_point_down_and_only_proxy_uses_private_parts() -> None:
    found = violations()
    assert found - EXCEPTIONS == set(), "docs/architecture.md does not allow these imports and uses"
    assert EXCEPTIONS - found == set(), "remove these from EXCEPTIONS: they are no longer needed"
