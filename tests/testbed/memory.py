"""Memory of another process; Linux only."""

from __future__ import annotations

import re
from pathlib import Path


class Peak:
    """How far the resident memory of a process rises above that of this moment."""

    def __init__(self, pid: int) -> None:
        self._proc = Path("/proc") / str(pid)
        (self._proc / "clear_refs").write_text("5")  # proc(5): the peak begins anew
        self._before = self._resident("VmRSS")

    @property
    def grown(self) -> float:
        """MiB, at the highest point so far."""
        return max(0.0, self._resident("VmHWM") - self._before)

    def _resident(self, name: str) -> float:
        found = re.search(rf"{name}:\s+(\d+) kB", (self._proc / "status").read_text())
        assert found
        return int(found[1]) / 1024
