"""A provider whose SYN packets are dropped costs the connection's time limit and no more."""

from __future__ import annotations

import asyncio
import json
import os
import shutil
import sys
from pathlib import Path

import pytest

from tests.end_to_end.namespace import UNSUPPORTED
from tests.faults.blackhole import LIMIT
from tests.testbed.harness import ROOT

BUSY = 6.0
"""Seconds that a busy machine may take in addition."""

missing = [name for name in ("ip", "iptables") if not shutil.which(name)]


@pytest.mark.skipif(
    sys.platform != "linux" or os.geteuid() != 0, reason="network namespaces need root on Linux"
)
@pytest.mark.skipif(bool(missing), reason=f"not installed: {', '.join(missing)}")
async def test_dropped_syn(tmp_path: Path) -> None:
    process = await asyncio.create_subprocess_exec(
        sys.executable, "-m", "tests.faults.blackhole", str(tmp_path),
        cwd=ROOT, stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.PIPE,
    )  # fmt: skip
    async with asyncio.timeout(90):
        out, err = await process.communicate()
    if process.returncode == UNSUPPORTED:
        pytest.skip(f"this kernel has no namespaces with firewall rules: {out.decode().strip()}")
    assert process.returncode == 0, err.decode()
    for asked, (status, text, refused, malformed, attempts, seconds) in json.loads(out).items():
        named = asked.endswith(" hole/m")
        expected = (504, "", True, "") if named else (200, "Hello.", False, "")
        assert (status, text, refused, malformed) == expected, asked
        assert (2 * LIMIT if named else 0.0) <= seconds < 2 * LIMIT + BUSY, asked
        assert attempts <= 2, asked
