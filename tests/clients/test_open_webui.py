"""Open WebUI's server, set up as its page says, lists the router's models and answers a chat."""

from __future__ import annotations

import asyncio
import os
import subprocess
from pathlib import Path

import httpx
import pytest

from tests.clients.installed import install_from_pypi
from tests.clients.tools import base_env
from tests.end_to_end.tools import free_port
from tests.testbed.harness import Router, provider_env
from tests.testbed.provider import Provider

pytestmark = [
    pytest.mark.clients,
    pytest.mark.skipif("OPEN_WEBUI" not in os.environ, reason="7 GB: set OPEN_WEBUI=1 to run it"),
]

LIMIT = 400.0
"""Seconds that its start may take: it fills a database first."""


async def test_it_lists_the_models_and_answers_a_chat(
    tmp_path: Path, provider: Provider, request: pytest.FixtureRequest
) -> None:
    assert request.config.cache is not None
    program = install_from_pypi(request.config.cache.mkdir("clients"), "open-webui") / "open-webui"
    port = free_port()
    offline = {
        "OFFLINE_MODE": "True",
        "HF_HUB_OFFLINE": "1",
        "WEBUI_AUTH": "False",
        "ENABLE_OLLAMA_API": "False",
    }
    async with Router(tmp_path / "router", env=provider_env(provider.url, "groq")) as router:
        access = {"OPENAI_API_BASE_URL": f"{router.url}/v1", "OPENAI_API_KEY": "unused"}
        env = base_env(tmp_path) | offline | access | {"DATA_DIR": str(tmp_path / "data")}
        server = await asyncio.create_subprocess_exec(
            program, "serve", "--host", "127.0.0.1", "--port", str(port), env=env, cwd=tmp_path,
            stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL,
        )  # fmt: skip
        try:
            async with httpx.AsyncClient(base_url=f"http://127.0.0.1:{port}", timeout=60) as http:
                await asyncio.wait_for(answers(http), LIMIT)
                token = (await http.post("/api/v1/auths/signin", json={"email": "", "password": ""})).json()
                http.headers["authorization"] = f"Bearer {token['token']}"
                listed = (await http.get("/api/models", params={"refresh": "true"})).json()["data"]
                assert {"auto", "auto:eco"} <= {one["id"] for one in listed}
                messages = [{"role": "user", "content": "Hi"}]
                body = {"model": "auto", "stream": False, "messages": messages}
                answer = (await http.post("/api/chat/completions", json=body)).json()
                assert answer["choices"][0]["message"]["content"] == "You said: Hi"
        finally:
            server.kill()
            await server.wait()
    assert {one.path.split("/")[1] for one in provider.requests} == {"groq"}


async def answers(http: httpx.AsyncClient) -> None:
    """Return once the server answers."""
    while True:
        try:
            (await http.get("/health")).raise_for_status()
            return
        except httpx.HTTPError:
            await asyncio.sleep(0.5)
