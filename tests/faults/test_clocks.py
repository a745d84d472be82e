"""The wall clock jumps under a running router: an hour and a month, both ways."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any, NamedTuple

import pytest
import pytest_asyncio

from smart_router.client_keys.database import Settings, changing
from smart_router.client_keys.limits import read_limit
from smart_router.stats.database import reading
from tests.end_to_end.test_logins import CODEX, HELLO, add_login, config
from tests.faults import state_folder
from tests.faults.state_folder import OF_ENV, recorded
from tests.testbed.authorization import Rotation
from tests.testbed.chat import chat_error, chat_stream
from tests.testbed.harness import Router, provider_env
from tests.testbed.provider import Provider

FAKETIME = [*Path("/usr/lib").glob("*/faketime/libfaketimeMT.so.1")]

pytestmark = [
    pytest.mark.asyncio(loop_scope="module"),
    pytest.mark.skipif(not FAKETIME, reason="libfaketime is not installed"),
]

JUMPS = {"an hour on": 3600, "an hour back": 0, "a month on": 30 * 86_400, "a month back": 0}
"""The distance from the true time after each jump, in seconds; they follow each other."""

SOON = 15.0
"""Seconds after which a limit of one second is over, on a busy machine; a clock that jumped says an hour."""

CHAT = "/v1/chat/completions"
HARD = "Prove that every bounded sequence of real numbers has a convergent subsequence, step by step."


class Clocked(NamedTuple):
    router: Router
    clock: Path
    logins: Rotation
    key: str

    def jump(self, seconds: float) -> None:
        self.clock.write_text(f"{seconds:+}\n")


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def clocked(
    shared_provider: Provider, tmp_path_factory: pytest.TempPathFactory
) -> AsyncIterator[Clocked]:
    folder, provider, logins = tmp_path_factory.mktemp("clock"), shared_provider, Rotation(lifetime=7200)
    env = provider_env(provider.url, "openai", "groq") | {
        "LD_PRELOAD": str(FAKETIME[0]),
        "FAKETIME_TIMESTAMP_FILE": str(folder / "clock"),
        "FAKETIME_NO_CACHE": "1",
        "FAKETIME_DONT_FAKE_MONOTONIC": "1",
    }
    (folder / "clock").write_text("+0\n")
    router = Router(folder / "router", env=env, config=config(provider.url), fresh=True)
    add_login(router, "openai-codex", "me", "access-0", 7200)
    with changing(router.state_folder) as file:
        limits = (read_limit("1000 requests/day"), read_limit("500 requests/minute"))
        key = file.add("ann", Settings(limits=limits), time.time()).get_secret_value()
    async with router:
        yield Clocked(router, folder / "clock", logins, key)


def body(model: str, *earlier: dict[str, Any], **more: Any) -> dict[str, Any]:
    return {"model": model, "messages": [{"role": "user", "content": HARD}, *earlier], **more}


@pytest.mark.parametrize("jump", JUMPS)
async def test_clock_jumps(clocked: Clocked, provider: Provider, jump: str) -> None:
    router, logins = clocked.router, clocked.logins
    provider.on(logins, path="/token", always=True)
    provider.on(HELLO, path="/codex", always=True)
    recorded_before = max(0, recorded(router.state_folder)[0])
    headers = {"authorization": f"Bearer {clocked.key}", "x-session-id": jump}
    async with router.http(headers=headers) as http:
        first = await http.post(CHAT, json=body("auto"))
        assert first.status_code == 200

        provider.on(chat_error(429, headers={"retry-after": "1"}), path="/groq")
        assert (await http.post(CHAT, json=body(OF_ENV))).status_code in (200, 429)

        provider.requests.clear()
        provider.on(chat_stream(["a", "b"], stepped=True), path="/openai")
        stream = asyncio.create_task(http.post(CHAT, json=body("openai/gpt-5.4-mini", stream=True)))
        running = await provider.wait_for_request()
        running.release(2)
        clocked.jump(JUMPS[jump])
        await asyncio.sleep(1.2)  # what is looked at once a second is looked at
        running.release(99)
        assert (await stream).content.endswith(b"data: [DONE]\n\n")

        # a cooldown of a second is over, a login is refreshed where it looks expired, limits are kept
        begin = time.monotonic()
        while (cooled := await http.post(CHAT, json=body(OF_ENV))).status_code != 200:
            assert cooled.status_code == 429
            assert time.monotonic() - begin < SOON
            await asyncio.sleep(0.02)
        login = await http.post(CHAT, json=body(CODEX))
        assert login.status_code == 200, login.text
        assert logins.reused == []
        again = await http.post(
            CHAT,
            json=body("auto", {"role": "assistant", "content": "Yes."}, {"role": "user", "content": "Go on"}),
        )
        assert again.headers["x-router-model"] == first.headers["x-router-model"]
        used = (await http.get("/router/usage")).json()
        assert all(limit["used"] >= 1 for limit in used["limits"])
        assert time.monotonic() - begin < SOON
    health = await asyncio.to_thread(state_folder.health, router)
    assert (health["trouble"], health["set_aside"]) == ([], [])
    await asyncio.to_thread(wait_for_records, router.state_folder, recorded_before + 5, JUMPS[jump])


def wait_for_records(state: Path, least: int, ahead: float) -> None:
    """Wait for so many records; the latest has the router's time, so far ahead of the true one."""
    give_up = time.monotonic() + SOON
    while recorded(state)[0] < least:
        assert time.monotonic() < give_up
        time.sleep(0.05)
    with reading(state) as db:
        (latest,) = db.execute("SELECT time FROM requests ORDER BY id DESC LIMIT 1").fetchone()
    assert abs(latest - time.time() - ahead) < 60
