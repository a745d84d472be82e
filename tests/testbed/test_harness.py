"""The harness starts, serves, watches and stops a real mitmdump; here with a tiny addon."""

from __future__ import annotations

import os
import signal
import time
from pathlib import Path

import pytest

from tests.conftest import StartRouter
from tests.testbed.answers import Fault
from tests.testbed.chat import chat_stream
from tests.testbed.harness import Router, RouterError, provider_env
from tests.testbed.provider import Provider

ADDON = """
import json, os
from mitmproxy import ctx, http

class Tiny:
    def load(self, loader):
        loader.add_option("tiny", str, "", "For the test of --set.")
        ctx.options.update(connection_strategy="lazy", listen_host="127.0.0.1")

    def request(self, flow):
        if flow.request.path == "/env":
            body = json.dumps(dict(os.environ) | {"tiny": ctx.options.tiny})
            flow.response = http.Response.make(200, body, {"x-version": flow.request.http_version})
        elif flow.request.path == "/raise":
            raise ValueError("on purpose")

    def responseheaders(self, flow):
        flow.response.stream = True

addons = [Tiny()]
"""


@pytest.fixture
def tiny(tmp_path: Path) -> Path:
    script = tmp_path / "tiny.py"
    script.write_text(ADDON)
    return script


async def test_serves_every_kind_of_client(start_router: StartRouter, provider: Provider, tiny: Path) -> None:
    flows = tiny.with_name("saved.mitm")
    router = await start_router(script=tiny, upstream=provider.url, args=["-w", str(flows)])
    for arguments in ({}, {"tls": True}, {"http2": True}):
        async with router.http(**arguments) as http:
            assert (await http.get("/env")).headers["x-version"] == (
                "HTTP/2.0" if "http2" in arguments else "HTTP/1.1"
            )
        async with router.client(**arguments) as client:
            answer = await client.chat.completions.create(
                model="m", messages=[{"role": "user", "content": "Hi"}]
            )
        assert answer.choices[0].message.content == "You said: Hi"
    with router.sync_client(http2=True) as sync:
        assert sync.base_url.scheme == "https"
    assert flows.stat().st_size > 0
    router.stop()
    router.stop()


async def test_environment_options_and_config(
    start_router: StartRouter, tiny: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("OPENAI_API_KEY", "a real one")
    monkeypatch.setenv("HTTPS_PROXY", "http://proxy.invalid")
    env = provider_env("http://127.0.0.1:1", "groq", "qwen-dashscope")
    router = await start_router(script=tiny, options={"tiny": "set"}, config="[routing]\n", env=env)
    async with router.http() as http:
        seen = (await http.get("/env")).json()
    assert "OPENAI_API_KEY" not in seen
    assert "HTTPS_PROXY" not in seen
    assert seen["GROQ_BASE_URL"] == "http://127.0.0.1:1/groq/openai/v1"
    assert seen["DASHSCOPE_API_KEY"] == "key-qwen-dashscope"
    assert seen["SMART_ROUTER_CONFIG"] == str(router.config_file)
    assert router.config_file.read_text() == "[routing]\n"
    assert seen["tiny"] == "set"
    assert seen["HOME"] == str(router.folder)


async def test_trusts_the_scripted_provider(start_router: StartRouter, tiny: Path) -> None:
    async with Provider(tls=True) as good, Provider(tls=True, fault=Fault.TLS_UNTRUSTED) as bad:
        for provider, status in ((good, 200), (bad, 502)):
            router = await start_router(script=tiny, upstream=provider.url)
            async with router.http() as http:
                answer = await http.post("/v1/chat/completions", json={"model": "m"})
            assert answer.status_code == status


async def test_upstream_sees_a_client_leave(
    start_router: StartRouter, provider: Provider, tiny: Path
) -> None:
    provider.on(chat_stream(["a", "b"], stepped=True))
    router = await start_router(script=tiny, upstream=provider.url)
    async with router.http() as http:
        async with http.stream("POST", "/v1/chat/completions", json={}) as answer:
            request = await provider.wait_for_request()
            request.release(2)
            await anext(answer.aiter_bytes())
            left = time.monotonic()
        assert await request.disconnected() - left < 0.25


BROKEN = [("raise ValueError('in the script')", "in the script"), ("import os; os._exit(3)", "did not log")]


@pytest.mark.parametrize(("source", "message"), BROKEN, ids=["error", "exit"])
def test_tells_why_it_did_not_start(tmp_path: Path, source: str, message: str) -> None:
    script = tmp_path / "broken.py"
    script.write_text(source)
    with pytest.raises(RouterError, match=message):
        Router(tmp_path / "router", script=script).start()


async def test_fails_when_it_died_or_logged_a_traceback(tmp_path: Path, tiny: Path) -> None:
    with pytest.raises(RouterError, match="exit code -9"):
        async with Router(tmp_path / "killed", script=tiny) as router:
            os.kill(router.process.pid, signal.SIGKILL)
            router.process.wait()
    with pytest.raises(RouterError, match="on purpose"):
        async with Router(tmp_path / "raised", script=tiny) as router, router.http() as http:
            await http.get("/raise")
            router.wait_for_log("on purpose")
    async with Router(tmp_path / "allowed", script=tiny, allow_errors=True) as router, router.http() as http:
        await http.get("/raise")
        router.wait_for_log("on purpose")
