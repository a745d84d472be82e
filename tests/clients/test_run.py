"""`smart-router run`: tools from npm do a task with no other configuration, and the summary is right."""

from __future__ import annotations

import asyncio
import re
import signal

import pytest

from tests.cli.test_run import SMART_ROUTER
from tests.clients.agent_provider import CONTENT, DONE, NAME
from tests.clients.desk import LIMIT, Desk
from tests.clients.tools import PROMPT, base_env
from tests.testbed.answers import Fault
from tests.testbed.chat import chat_stream
from tests.testbed.harness import provider_env

pytestmark = pytest.mark.clients

COMMANDS = {
    "aider": ("aider", "--yes-always", "--no-git", "--no-check-update", "--message", PROMPT),
    "claude": ("claude", "-p", PROMPT, "--permission-mode", "acceptEdits"),
    "cn": ("cn", "-p", PROMPT, "--auto"),
    "codex": ("codex", "exec", "--skip-git-repo-check", "--dangerously-bypass-approvals-and-sandbox", PROMPT),
    "gemini": ("gemini", "--skip-trust", "-p", PROMPT, "--approval-mode", "yolo"),
    "opencode": ("opencode", "run", PROMPT),
    "qwen": ("qwen", "-p", PROMPT, "--yolo"),
}
"""The user's commands after `smart-router run`, without any argument about the router."""


async def start(desk: Desk, *arguments: str) -> asyncio.subprocess.Process:
    env = base_env(desk.home) | provider_env(desk.provider.url, "groq")
    if not (desk.commands / arguments[0]).exists():
        pytest.skip(f"{arguments[0]} could not be installed")
    return await asyncio.create_subprocess_exec(
        SMART_ROUTER,
        "run",
        *arguments,
        cwd=desk.work,
        env=env | {"PATH": f"{desk.commands}:{env['PATH']}"},
        stdin=asyncio.subprocess.DEVNULL,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.PIPE,
    )


@pytest.mark.parametrize("name", COMMANDS)
async def test_a_tool_does_its_task_with_no_other_configuration(name: str, desk: Desk) -> None:
    process = await start(desk, *COMMANDS[name])
    out, err = await asyncio.wait_for(process.communicate(), LIMIT)
    said = f"{out.decode()}\n{err.decode()}"
    assert process.returncode == 0, said
    assert (desk.work / NAME).read_text().rstrip("\n") == CONTENT, said
    assert DONE in out.decode()
    summary = re.search(r"smart-router: this run's requests: (\d+), \$\d.*\n(  groq/.*\n)+", err.decode())
    assert summary, said
    assert int(summary[1]) == len(desk.provider.requests)


async def test_an_interrupt_ends_the_tool_and_the_router(desk: Desk) -> None:
    desk.provider.on(chat_stream().but(fault=Fault.SILENT_AFTER_HEAD), always=True)
    process = await start(desk, *COMMANDS["claude"])
    asked = await desk.provider.wait_for_request(1, within=LIMIT)
    process.send_signal(signal.SIGINT)
    await asked.disconnected()
    _, err = await asyncio.wait_for(process.communicate(), LIMIT)
    assert "smart-router: this run's requests: " in err.decode()
