"""The overview of all commands."""

from __future__ import annotations

import subprocess
import sys

LOADS = """
import sys
from smart_router.cli.main import main
main(["--help"], standalone_mode=False)
print("mitmproxy.http" in sys.modules)
"""


def test_the_overview_lists_all_commands_without_mitmproxys_layers() -> None:
    """It imports every command; mitmproxy took a third of the time."""
    ran = subprocess.run([sys.executable, "-c", LOADS], capture_output=True, text=True, check=True)
    *overview, loaded = ran.stdout.splitlines()
    assert any(line.strip().startswith("serve ") for line in overview)
    assert loaded == "False"
