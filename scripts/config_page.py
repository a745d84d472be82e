#!/usr/bin/env python3
"""Write docs/config.md, the reference of the config file: `uv run python scripts/config_page.py`.

`--check` writes nothing, and fails if the page is not what the code says.
"""

import argparse
import sys
from pathlib import Path

from smart_router.reference.keys import all_keys
from smart_router.reference.page import config_page

PAGE = Path(__file__).parents[1] / "docs" / "config.md"

if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--check", action="store_true", help="compare only")
    text = config_page(all_keys())
    if not parser.parse_args().check:
        PAGE.write_text(text, "utf-8")
    elif PAGE.read_text("utf-8") != text:
        sys.exit("docs/config.md is not what the code says: run scripts/config_page.py")
