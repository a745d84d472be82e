"""A router whose stored keys are in the system's keyring, which is stuck at first."""

from __future__ import annotations

import asyncio
from pathlib import Path
from typing import Any

import httpx
import pytest
from mitmproxy.test import tflow
from pydantic import SecretStr

from smart_router.api.replay_credential import lend
from smart_router.auth.store import AuthStore
from smart_router.errors import ClientError
from smart_router.providers.registry import PROVIDERS
from smart_router.runtime import Runtime
from tests.auth.file_keyring import BACKEND
from tests.conftest import StartRouter
from tests.testbed.chat import chat_answer
from tests.testbed.harness import ROOT, provider_env
from tests.testbed.provider import Provider

CANARY = "sk-canary-0123456789"


async def ask(http: httpx.AsyncClient, model: str) -> httpx.Response:
    body = {"model": model, "messages": [{"role": "user", "content": "hello"}]}
    return await http.post("/v1/chat/completions", json=body)


async def health(http: httpx.AsyncClient) -> Any:
    return (await http.get("/health")).json()["providers"]["groq"]


@pytest.fixture
def ring(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The user's keyring, which holds the one stored key."""
    ring = tmp_path / "ring"
    ring.mkdir()
    monkeypatch.setenv("TEST_KEYRING", str(ring))
    monkeypatch.setenv("PYTHON_KEYRING_BACKEND", BACKEND)
    store = AuthStore({}, PROVIDERS, tmp_path / "state")
    store.move(to_keyring=True)
    store.add_key("groq", "mine", SecretStr(CANARY))
    store.close()
    return ring


async def test_the_router_serves_without_its_keyring_and_takes_it_up(
    start_router: StartRouter, provider: Provider, tmp_path: Path, ring: Path
) -> None:
    state = tmp_path / "state"
    (ring / "stuck").touch()
    provider.on(chat_answer("hi"), path="/openai", always=True)
    provider.on(chat_answer("hi"), path="/groq", always=True)
    env = provider_env(provider.url, "openai", "groq") | {
        "GROQ_API_KEY": "",
        "SMART_ROUTER_STATE": str(state),
    }
    env |= {"TEST_KEYRING": str(ring), "PYTHON_KEYRING_BACKEND": BACKEND, "PYTHONPATH": str(ROOT)}
    router = await start_router(env=env)
    async with router.http() as http:
        assert (await ask(http, "openai/gpt-5.4-mini")).status_code == 200
        why = "the system's keyring has not answered yet: it may be waiting for you to unlock it"
        assert f"groq:mine: {why}" in (await ask(http, "groq/openai/gpt-oss-20b")).text
        assert (await health(http))["unusable"] == {"groq:mine": why}
        (ring / "stuck").unlink()
        async with asyncio.timeout(10):
            while (await health(http))["unusable"]:  # noqa: ASYNC110  # nobody tells
                await asyncio.sleep(0.02)
        assert (await ask(http, "groq/openai/gpt-oss-20b")).status_code == 200
        assert provider.requests[-1].headers["authorization"] == f"Bearer {CANARY}"
    router.stop()
    assert [path.name for path in state.iterdir() if CANARY.encode() in path.read_bytes()] == []
    assert CANARY not in router.log


async def test_a_replayed_attempt_does_not_go_without_its_key(tmp_path: Path, ring: Path) -> None:
    (ring / "locked").touch()
    router = Runtime({}, tmp_path / "config.toml", tmp_path / "state")
    flow = tflow.tflow()
    flow.metadata["router_profile"] = "groq:mine"
    try:
        with pytest.raises(ClientError, match="groq:mine: the system's keyring is locked: unlock it"):
            await lend(router, flow)
    finally:
        router.recording.writer.close()
        router.auth.close()
