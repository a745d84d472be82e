"""Modes that catch the traffic of programs that know of no proxy: transparent in a namespace, and local."""

from __future__ import annotations

import asyncio
import json
import os
import shutil
import sys
from pathlib import Path

import pytest

from tests.end_to_end.namespace import ADDRESS, UNSUPPORTED
from tests.end_to_end.tools import LIMIT, free_port, run
from tests.testbed.harness import ROOT, Router, RouterError, provider_env
from tests.testbed.provider import Provider

BODY = json.dumps({"model": "gpt-5.4-mini", "messages": [{"role": "user", "content": "Hi"}]})
URL = "https://api.openai.com/v1/chat/completions"

missing = [name for name in ("ip", "iptables", "curl") if not shutil.which(name)]


@pytest.mark.skipif(
    sys.platform != "linux" or os.geteuid() != 0, reason="network namespaces need root on Linux"
)
@pytest.mark.skipif(bool(missing), reason=f"not installed: {', '.join(missing)}")
async def test_transparent(tmp_path: Path) -> None:
    command = [sys.executable, "-m", "tests.end_to_end.namespace", str(tmp_path), BODY]
    process = await asyncio.create_subprocess_exec(
        *command, cwd=ROOT, stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.PIPE
    )
    async with asyncio.timeout(LIMIT * 2):
        out, err = await process.communicate()
    if process.returncode == UNSUPPORTED:
        pytest.skip(f"this kernel has no namespaces with firewall rules: {out.decode().strip()}")
    assert process.returncode == 0, err.decode()
    assert json.loads(out)["choices"]


@pytest.mark.skipif(not shutil.which("curl"), reason="curl is not installed")
async def test_local(tmp_path: Path, provider: Provider) -> None:
    """Local mode needs eBPF, cgroups and sudo; where it does not start, its own message is the reason."""
    modes = ["local:curl", f"reverse:http://127.0.0.1:1@{free_port()}"]
    env = provider_env(provider.url, "openai")
    router = Router(tmp_path / "router", modes=modes, listen_host=None, env=env)
    try:
        await asyncio.to_thread(router.start)
    except RouterError as error:
        pytest.skip(f"local mode does not start on this machine: {_cause(str(error))}")
    try:
        resolve = ["--resolve", f"api.openai.com:443:{ADDRESS}", "--noproxy", "*"]
        out = await run("curl", "-sS", *resolve, URL, "-d", BODY, env={"CURL_CA_BUNDLE": str(router.ca_file)})
    finally:
        await asyncio.to_thread(router.stop)
    assert json.loads(out)["choices"]
    assert provider.requests[0].headers["authorization"] == "Bearer key-openai"


def _cause(log: str) -> str:
    lines = [line.strip() for line in log.splitlines() if "failed" in line.lower() or "error" in line.lower()]
    return "; ".join(lines[-3:])
