"""The pages of the documentation, and the commands in them."""

from __future__ import annotations

import re
from collections.abc import Iterator

from tests.testbed.harness import ROOT

PAGES = sorted(
    str(path.relative_to(ROOT))
    for path in (
        *map(ROOT.joinpath, ("README.md", "CONTRIBUTING.md", "SECURITY.md")),
        *(ROOT / "docs").rglob("*.md"),
    )
)
ADDRESS = "http://127.0.0.1:8080"

_BLOCK = re.compile(r"^( *)```(\w+)\n(.*?)^ *```", re.MULTILINE | re.DOTALL)
_INLINE = re.compile(r"(?<!`)`([^`\n]+)`")
_SMART_ROUTER = re.compile(r"^(?:(?:uvx|pipx run) |uv run (?:--[\w-]+(?: keyring)? )*)?(?=smart-router\b)")


def text_of(page: str) -> str:
    """A page."""
    return (ROOT / page).read_text("utf-8")


def blocks(page: str, *languages: str) -> list[str]:
    """The page's fenced blocks of these languages, without their indentation."""
    found = _BLOCK.findall(text_of(page))
    return [
        "".join(line.removeprefix(indent) for line in text.splitlines(keepends=True))
        for indent, language, text in found
        if language in languages
    ]


def commands(page: str) -> Iterator[str]:
    """The commands of the page's blocks: one a line, comments left out, continued lines joined."""
    for block in blocks(page, "sh", "bash"):
        for line in block.replace("\\\n", " ").splitlines():
            if command := re.sub(r"(^|\s+)# .*|(^|\s+)#.*$", "", line).strip():
                yield command


def inline(page: str) -> list[str]:
    """The page's code outside blocks."""
    return _INLINE.findall(_BLOCK.sub("", text_of(page)))


def own_command(command: str) -> str | None:
    """The command without what starts it (`uvx`, `uv run`) if it is `smart-router`, else None."""
    bare, count = _SMART_ROUTER.subn("", command)
    return bare if count else None


def table(page: str, heading: str) -> Iterator[list[list[str]]]:
    """The rows of the first table under a heading; of each cell what stands in backticks."""
    section = text_of(page).partition(f"\n{heading}\n")[2]
    rows = re.search(r"^\|[-| ]+\|\n((?:\|.*\n)+)", section, re.MULTILINE)
    assert rows, f"no table under {heading!r} in {page}"
    for row in rows[1].splitlines():
        yield [re.findall(r"`([^`]+)`", cell) or [cell.strip()] for cell in row.strip("|").split("|")]
