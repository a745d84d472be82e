"""The script that `mitmdump -s addon/router.py` loads in a checkout: that of the package."""

import sys
from pathlib import Path

if (here := str(Path(__file__).resolve().parent)) not in sys.path:
    sys.path.append(here)

from smart_router.script import addons

__all__ = ["addons"]
