"""The script that mitmproxy loads: `mitmdump -s "$(smart-router script)"`."""

import gc
import sys
from pathlib import Path

# mitmproxy removes a script's folder from sys.path after loading it, and some imports come later;
# a mitmproxy of another environment does not know the package at all
if (here := str(Path(__file__).resolve().parents[1])) not in sys.path:
    sys.path.append(here)

from smart_router.proxy.gate import Gate

gc.disable()  # a seventh of the imports' time: it looks through their objects, all of which stay
try:
    from smart_router.addon import addons
except Exception as error:  # mitmproxy would run on as a plain proxy
    addons = [Gate.refusing(error)]
finally:
    gc.enable()

__all__ = ["addons"]
