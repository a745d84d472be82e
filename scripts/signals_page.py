#!/usr/bin/env python3
"""Write docs/signals.md, the glossary of the scorer's signals: `uv run python scripts/signals_page.py`."""

from pathlib import Path

from smart_router.routing.config import load_defaults
from smart_router.routing.glossary import page

if __name__ == "__main__":
    (Path(__file__).parents[1] / "docs" / "signals.md").write_text(page(load_defaults()), "utf-8")
