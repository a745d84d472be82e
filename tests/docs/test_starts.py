"""The commands of the pages that start a router do: it answers, and ends in good order."""

from __future__ import annotations

import re
import shlex
import signal
import subprocess
from pathlib import Path

import pytest

from smart_router.tools.router_process import health_of
from tests.docs.pages import PAGES, commands, own_command
from tests.end_to_end.tools import free_port
from tests.testbed.harness import MITMDUMP, bare_env

pytestmark = pytest.mark.slow

STARTS = sorted(
    {
        own
        for page in PAGES
        for command in commands(page)
        if (own := own_command(command)) and re.match(r"smart-router( start| serve|$)", own)
    }
)
LIMIT = 120


@pytest.mark.parametrize("command", STARTS)
def test_a_router_starts_answers_and_ends(command: str, tmp_path: Path) -> None:
    program, *arguments = shlex.split(command)
    arguments = arguments or ["start"]  # what the command alone means, too
    port, second = free_port(), free_port()
    arguments = [re.sub(r"@\d+$", f"@{second}", one) for one in arguments] + ["--port", str(port)]
    web = (
        ["--set", "web_open_browser=false", "--set", f"web_port={free_port()}"]
        if "--web" in arguments
        else []
    )
    env = bare_env() | {"HOME": str(tmp_path), "OPENAI_API_KEY": "a-key"}
    process = subprocess.Popen(
        [str(MITMDUMP.with_name(program)), *arguments, *web],
        cwd=tmp_path,
        env=env,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    )
    assert process.stdout is not None
    try:
        said = []
        for line in process.stdout:
            said.append(line)
            if " usable providers: openai (1 profile)" in line:
                break
        assert health_of("127.0.0.1", port), "".join(said)
    finally:
        process.send_signal(signal.SIGTERM)
        rest, _ = process.communicate(timeout=LIMIT)
    assert process.returncode == 0, "".join(said) + rest
