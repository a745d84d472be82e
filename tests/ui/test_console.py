"""mitmproxy's console in tmux: intercept, edit, resume, replay with another model."""

from __future__ import annotations

import asyncio
import json
import shlex
import shutil
import uuid
from collections.abc import AsyncIterator
from pathlib import Path

import httpx
import pytest
import pytest_asyncio

from tests.end_to_end.tools import free_port, run
from tests.testbed.harness import MITMDUMP, ROUTER, Router, provider_env
from tests.testbed.provider import Provider
from tests.testbed.talk import CHAT, ask_body, chains_config

pytestmark = [
    pytest.mark.skipif(not shutil.which("tmux"), reason="tmux is not installed"),
    pytest.mark.asyncio(loop_scope="module"),
]

PATIENCE = 20.0
CHAIN = ["openai/gpt-5.4-mini", "groq/openai/gpt-oss-20b"]


class Console:
    """mitmproxy with the router in its own terminal."""

    def __init__(self, folder: Path, env: dict[str, str], config: str) -> None:
        self.port = free_port()
        self._session = f"router-{uuid.uuid4().hex[:8]}"
        # its config folder with a CA is made as for any router of the tests
        self._prepared = Router(folder / "router", env=env, config=config)
        self._env = self._prepared._env | {"TERM": "xterm-256color", "EDITOR": str(folder / "editor")}
        self._edited = folder / "editor.done"
        script = (
            f'#!/bin/sh\nsed -i "s/Hi there/Changed by hand/" "$1"\ntouch {shlex.quote(str(self._edited))}\n'
        )
        (folder / "editor").write_text(script)
        (folder / "editor").chmod(0o755)

    async def start(self) -> None:
        confdir = self._prepared.folder / "confdir"
        command = [MITMDUMP.with_name("mitmproxy"), "-s", ROUTER, "--set", f"confdir={confdir}"]
        command += ["--mode", "reverse:http://127.0.0.1:1", "-p", str(self.port)]
        variables = [f"{name}={value}" for name, value in self._env.items()]
        line = shlex.join(["env", "-i", *variables, *map(str, command)])
        await self._tmux("new-session", "-d", "-x", "160", "-y", "45", "-s", self._session, line)
        await self.wait_for("Flows")

    async def stop(self) -> None:
        await self._tmux("kill-session", "-t", self._session)

    async def type(self, *keys: str) -> None:
        """Press keys, by tmux' names."""
        await self._tmux("send-keys", "-t", self._session, *keys)

    async def command(self, line: str) -> None:
        """Run a command of mitmproxy's."""
        await self.type(":")
        await self.wait_for("\n:")
        await self._tmux("send-keys", "-t", self._session, "-l", line)
        await self.wait_for(line[-20:])
        await self.type("Enter")

    async def screen(self) -> str:
        return await self._tmux("capture-pane", "-p", "-t", self._session)

    async def wait_for(self, text: str) -> str:
        """The screen, once it shows this."""
        try:
            async with asyncio.timeout(PATIENCE):
                while text not in (screen := await self.screen()):  # noqa: ASYNC110  # another process
                    await asyncio.sleep(0.1)
                return screen
        except TimeoutError:
            raise AssertionError(f"{text!r} is not on the screen:\n{await self.screen()}") from None

    async def wait_for_editor(self) -> None:
        """Until the editor has ended and the console is back."""
        async with asyncio.timeout(PATIENCE):
            while not self._edited.exists():  # noqa: ASYNC110  # another process
                await asyncio.sleep(0.1)
        await self.wait_for("? Help")

    async def _tmux(self, *args: str) -> str:
        return await run("tmux", "-L", "smart-router-tests", *args, env={"HOME": "/tmp"})  # noqa: S108


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def console(
    tmp_path_factory: pytest.TempPathFactory, shared_provider: Provider
) -> AsyncIterator[Console]:
    """One for all tests: it starts without the fork server, which takes two seconds of CPU time."""
    env = provider_env(shared_provider.url, "openai", "groq")
    console = Console(tmp_path_factory.mktemp("console"), env, chains_config({"chain": CHAIN}))
    await console.start()
    try:
        yield console
    finally:
        await console.stop()


async def ask(console: Console) -> httpx.Response:
    async with httpx.AsyncClient(trust_env=False, timeout=PATIENCE * 2) as http:
        url = f"http://127.0.0.1:{console.port}{CHAT}"
        return await http.post(url, json=ask_body("chain", stream=False, text="Hi there"))


async def test_intercept_edit_resume_replay(console: Console, provider: Provider) -> None:
    await console.command("set intercept '~q & ~meta tier.*SIMPLE'")
    await console.wait_for("[i:~q")
    asking = asyncio.create_task(ask(console))
    await console.wait_for("/openai/v1/chat/completions")
    assert not provider.requests

    await console.command("view.focus.go -1")
    await console.command("console.edit.focus request-body")
    await console.wait_for_editor()
    await console.command("flow.resume @all")
    answer = (await asking).json()
    assert answer["choices"][0]["message"]["content"] == "You said: Changed by hand"

    await console.command("set intercept ''")
    await console.command(f"router.replay @focus {CHAIN[1]}")
    await provider.wait_for_request(2)
    assert provider.requests[1].path.startswith("/groq/")
    assert json.loads(provider.requests[1].body)["messages"][0]["content"] == "Hi there"
    await console.wait_for("/groq/openai/v1/chat/completions")

    await console.command("router.profiles")
    screen = await console.wait_for("openai:env")
    assert "groq:env" in screen and "usable" in screen


async def test_completion(console: Console) -> None:
    await console.type(":")
    await console.wait_for("\n:")
    await console.type("-l", "router.replay @focus groq/openai/gpt-oss-2")
    await console.type("Tab")
    await console.wait_for("router.replay @focus groq/openai/gpt-oss-20b")
    await console.type("Escape")
