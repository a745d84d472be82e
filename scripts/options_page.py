#!/usr/bin/env python3
"""Write docs/options.md, the list of the router's options: `uv run python scripts/options_page.py`."""

from __future__ import annotations

from pathlib import Path

from smart_router.options import OPTIONS, Option

PAGE = Path(__file__).parents[1] / "docs" / "options.md"

HEAD = """# Options

Every option is one of mitmproxy's: `--set router_max_attempts=3` after `mitmdump`, `smart-router start` or
`smart-router serve`, a line in `~/.mitmproxy/config.yaml`, or mitmweb's options page. An invalid value or
an unknown name ends the router at its start; later it is refused, and the previous value stays.

| option | default | |
|---|---|---|
"""


def page() -> str:
    """Return the page."""
    return HEAD + "".join(map(_row, OPTIONS))


def _row(option: Option) -> str:
    default = option.default
    if isinstance(default, list | tuple):
        default = ", ".join(default)
    shown = f"`{str(default).lower() if isinstance(default, bool) else default}`" if default != "" else ""
    values = f" One of {', '.join(f'`{one}`' for one in option.choices)}." if option.choices else ""
    return f"| `{option.name}` | {shown} | {option.help.replace('|', '\\|')}{values} |\n"


if __name__ == "__main__":
    PAGE.write_text(page(), "utf-8")
