"""README.md: its router is started and asked; tables of the pages are compared with the code.

All other commands: tests/docs/test_pages.py.
"""

from __future__ import annotations

import asyncio
import re
import shlex
import sys
import tomllib
from asyncio.subprocess import PIPE, STDOUT
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
import pytest_asyncio

from smart_router.cli.start import SCRIPT
from smart_router.config import parse_config
from smart_router.options import OPTIONS
from smart_router.providers.registry import PROVIDERS
from tests.docs.pages import blocks, inline, table, text_of
from tests.testbed.harness import MITMDUMP, ROOT, Router, provider_env
from tests.testbed.provider import Provider

pytestmark = [pytest.mark.asyncio(loop_scope="module"), pytest.mark.xdist_group("readme")]

ADDRESS = "http://127.0.0.1:8080"
INSTALL = "pip install uv && uv run --no-dev "


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def router(
    shared_provider: Provider, tmp_path_factory: pytest.TempPathFactory
) -> AsyncIterator[Router]:
    env = provider_env(shared_provider.url, "openai")
    async with Router(tmp_path_factory.mktemp("readme") / "router", env=env) as router:
        yield router


async def run(*command: str) -> str:
    """Return the output of a command, which must succeed. The scripted provider goes on serving meanwhile."""
    process = await asyncio.create_subprocess_exec(*command, stdout=PIPE, stderr=STDOUT, cwd=ROOT)
    printed, _ = await asyncio.wait_for(process.communicate(), 60)
    assert process.returncode == 0, printed.decode()
    return printed.decode()


async def test_the_start_command_starts(tmp_path: Path) -> None:
    (line,) = [line for line in text_of("README.md").splitlines() if line.startswith(f"{INSTALL}mitmdump")]
    _, *arguments = shlex.split(line.removeprefix(INSTALL))
    env = {"HOME": str(tmp_path), "PYTHONUNBUFFERED": "1"}
    process = await asyncio.create_subprocess_exec(
        MITMDUMP, *arguments, "--listen-port", "0", cwd=ROOT, env=env, stdout=PIPE, stderr=STDOUT
    )
    assert process.stdout is not None
    said = ""
    async with asyncio.timeout(30):
        while "listening at 127.0.0.1:" not in said:
            printed = await process.stdout.readline()
            assert printed, said
            said += printed.decode()
        process.terminate()
        said += (await process.stdout.read()).decode()
        await process.wait()
    assert "rror" not in said


async def test_the_python_block(router: Router, provider: Provider) -> None:
    (code,) = blocks("README.md", "python")
    assert ADDRESS in code
    printed = await run(sys.executable, "-c", code.replace(ADDRESS, router.url))
    assert printed == "You said: Write a haiku about proxies."
    assert provider.requests[0].json["stream"] is True


async def test_the_config_blocks() -> None:
    _, aliases = blocks("docs/routing.md", "toml")
    assert parse_config(tomllib.loads(aliases), {}).aliases.find("claude-haiku-5-5") == "auto:eco"
    text, _ = blocks("docs/accounts.md", "toml")
    config = parse_config(tomllib.loads(text), {})
    (declared,) = config.providers.keys() - PROVIDERS.keys()
    model = f"{declared}/{next(iter(config.providers[declared].models))}"
    virtual = config.routing.virtual_models["auto"]
    first = config.routing.tier_models[virtual.tier_models].SIMPLE[0]
    assert first == model  # asked for first, as the text says


async def test_the_answer_headers(router: Router, provider: Provider) -> None:
    listed = {name for row in table("docs/apis.md", "## The headers of an answer") for name in row[0]}
    async with router.http() as http:
        answer = await http.post(
            "/v1/chat/completions", json={"model": "auto", "messages": [{"role": "user", "content": "Hi"}]}
        )
    assert {name for name in answer.headers if name.startswith("x-router-")} == listed


async def test_the_models(router: Router, provider: Provider) -> None:
    async with router.http() as http:
        for names, _ in table("docs/routing.md", "## Models"):
            for name in names:
                body = {"model": name, "messages": [{"role": "user", "content": "Hi"}]}
                assert (await http.post("/v1/chat/completions", json=body)).status_code == 200, name
        listed = {model["id"] for model in (await http.get("/v1/models")).json()["data"]}
    virtual = {name for name in listed if name.startswith("auto")}
    assert virtual == {
        name
        for names, _ in table("docs/routing.md", "## Models")
        for name in names
        if name.startswith("auto")
    }


async def test_the_keys() -> None:
    rows = {row[0][0]: (row[1], row[2]) for row in table("docs/accounts.md", "## Keys")}
    assert [*rows] == [id_ for id_, provider in PROVIDERS.items() if provider.kind == "key"]
    for id_, (keys, base_urls) in rows.items():
        assert keys == list(PROVIDERS[id_].key_env[: len(keys)])
        assert base_urls == [PROVIDERS[id_].base_url_env]


async def test_the_options() -> None:
    (command,) = (one for one in inline("docs/server.md") if one.endswith("--options"))
    assert command == "smart-router start --options"
    printed = await run(str(MITMDUMP), "-s", str(SCRIPT), "--options")
    for option in OPTIONS:
        described = re.search(rf"((?:^#.*\n)+){option.name}:", printed, re.MULTILINE)
        assert described, option.name
        assert option.help.split()[0] in described[1]
