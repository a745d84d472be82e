"""Several processes, a refresh token that works once, and a server that revokes all when it is reused."""

from __future__ import annotations

import asyncio
import sys
import time
from pathlib import Path

import pytest
from pydantic import SecretStr

from smart_router.auth.profiles import GrantedTokens
from smart_router.auth.store import AuthStore
from smart_router.providers.registry import PROVIDERS
from tests.auth.file_keyring import BACKEND
from tests.testbed.answers import Answer, Fault
from tests.testbed.authorization import Rotation
from tests.testbed.harness import ROOT
from tests.testbed.provider import Provider


def expired_login(folder: Path) -> None:
    store = AuthStore({}, PROVIDERS, folder)
    now = time.time()
    store.add_login(
        "openai-codex", "me", GrantedTokens(SecretStr("access-0"), SecretStr("refresh-0"), now - 9, now - 1)
    )
    store.close()


def use_keyring(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (folder / "ring").mkdir()
    monkeypatch.setenv("TEST_KEYRING", str(folder / "ring"))
    monkeypatch.setenv("PYTHON_KEYRING_BACKEND", BACKEND)
    store = AuthStore({}, PROVIDERS, folder)
    store.move(to_keyring=True)
    store.close()


async def start(folder: Path, token_url: str) -> asyncio.subprocess.Process:
    child = await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", "tests.auth.refresh_worker", str(folder), token_url),
        cwd=ROOT,
        stdin=asyncio.subprocess.PIPE,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.PIPE,
    )
    assert child.stdout
    assert await child.stdout.readline() == b"ready\n"
    return child


@pytest.mark.parametrize("in_keyring", [False, pytest.param(True, marks=pytest.mark.slow)])
async def test_four_processes_one_refresh(
    provider: Provider, tmp_path: Path, in_keyring: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    server = Rotation(slow=0.3)
    provider.on(server, path="/token", always=True)
    expired_login(tmp_path)
    if in_keyring:
        use_keyring(tmp_path, monkeypatch)
    children = await asyncio.gather(*(start(tmp_path, f"{provider.url}/token") for _ in range(4)))
    answers = await asyncio.gather(*(child.communicate(b"go\n") for child in children))
    assert [out for out, _ in answers] == [b"access-1\n"] * 4
    assert [error for _, error in answers] == [b""] * 4
    assert (server.grants, server.reused) == (1, [])


async def test_a_process_killed_in_mid_refresh_leaves_no_lock(provider: Provider, tmp_path: Path) -> None:
    server = Rotation()
    expired_login(tmp_path)
    first, second = [await start(tmp_path, f"{provider.url}/token") for _ in range(2)]
    provider.on(Answer(fault=Fault.SILENT_BEFORE_HEAD), path="/token")
    provider.on(server, path="/token", always=True)
    assert first.stdin and second.stdin
    first.stdin.write(b"go\n")
    await provider.wait_for_request()
    second.stdin.write(b"go\n")
    await asyncio.sleep(0.1)  # so that it waits for the lock
    assert len(provider.requests) == 1
    first.kill()
    out, error = await second.communicate()
    await first.communicate()
    assert (out, error) == (b"access-1\n", b"")
    assert (server.grants, server.reused) == (1, [])
