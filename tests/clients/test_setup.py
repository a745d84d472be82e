"""`smart-router setup TOOL --write`: the tool does its task with its own config alone."""

from __future__ import annotations

import subprocess

import pytest

from tests.cli.test_run import SMART_ROUTER
from tests.cli.test_setup import snapshot
from tests.clients.desk import Desk, router
from tests.clients.test_run import COMMANDS
from tests.clients.tools import PROMPT, Setup, Tool, base_env

pytestmark = pytest.mark.clients


COMMAND_OF = {
    **{name: COMMANDS[name] for name in ("aider", "claude", "codex", "gemini", "opencode")},
    "continue": COMMANDS["cn"],  # Continue's own command line, which reads the same file
    "cline": ("cline", PROMPT),
}
"""By the name that `setup` takes; the others have no command line (docs/tools/index.md)."""


@pytest.mark.parametrize("name", COMMAND_OF)
async def test_a_tool_does_its_task_with_what_setup_wrote(name: str, desk: Desk) -> None:
    env = base_env(desk.home) | {"SMART_ROUTER_STATE": str(desk.home.parent / "state")}

    def setup(*arguments: str) -> None:
        subprocess.run([SMART_ROUTER, "setup", name, *arguments], env=env, check=True, timeout=60)

    async with router(desk, "groq") as running:
        setup("--write", "--url", running.url)
        written = snapshot(desk.home)
        await desk.run(Tool(name, COMMAND_OF[name], lambda url: Setup({}, {})), running.url)
    assert {request.path.split("/")[1] for request in desk.provider.requests} == {"groq"}
    for path in written:  # the tool may have added files of its own, and rewritten its settings
        if (desk.home / path).is_file():
            (desk.home / path).write_bytes(written[path][0])
    setup("--undo")
    assert not any((desk.home / path).is_file() for path in written)
