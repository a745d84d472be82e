"""The script that `mitmdump -s addon/router.py` loads."""

import sys
from pathlib import Path

# mitmproxy removes the folder from sys.path after loading this file, and some imports come later
if (here := str(Path(__file__).resolve().parent)) not in sys.path:
    sys.path.append(here)

from smart_router.proxy.gate import Gate

try:
    from smart_router.addon import addons
except Exception as error:  # mitmproxy would run on as a plain proxy
    addons = [Gate.refusing(error)]

__all__ = ["addons"]
