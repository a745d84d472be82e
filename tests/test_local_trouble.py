"""The router's own trouble: reported, and without effect on any provider."""

from __future__ import annotations

import asyncio
import logging
import resource
import socket
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from smart_router.attempts.steps import select_step
from smart_router.local_trouble import OVER_AFTER, Troubles, local_trouble
from tests.conftest import StartRouter
from tests.testbed.chat import chat_answer, chat_stream
from tests.testbed.exchanges import exchange
from tests.testbed.harness import Router
from tests.testbed.provider import Provider
from tests.testbed.talk import Reply, providers_config, talk

# what a connection's failure says, a word of the advice or None for the provider's own fault
FAILURES = [
    ("[Errno 24] Too many open files", "ulimit -n"),
    ("[Errno 23] Too many open files in system", "fs.file-max"),
    ("[Errno 101] Network is unreachable", "no route"),
    (f"[Errno {socket.EAI_AGAIN}] Temporary failure in name resolution", "DNS"),
    (
        "Multiple exceptions: [Errno 101] Network is unreachable, [Errno 101] Network is unreachable",
        "no route",
    ),
    (
        "Multiple exceptions: [Errno 111] Connect call failed ('::1', 1), [Errno 101] Network is unreachable",
        None,
    ),
    ("[Errno 111] Connect call failed ('127.0.0.1', 1)", None),
    ("[Errno 113] No route to host", None),
    (f"[Errno {socket.EAI_NONAME}] Name or service not known", None),
    ("connection closed", None),
    ("", None),
]


@pytest.mark.parametrize(("why", "advice"), FAILURES)
def test_cause_of_a_failed_connection(why: str, advice: str | None) -> None:
    found = local_trouble(why)
    assert found is None if advice is None else found is not None and advice in found


@pytest.mark.parametrize(("why", "advice"), FAILURES)
def test_local_trouble_only_while_connecting(why: str, advice: str | None) -> None:
    attempt = select_step(exchange("b/m"), 0.0)
    error = attempt.broken(why, None)  # type: ignore[union-attr, arg-type]
    assert (error.kind, error.scope) == (("local", "none") if advice else ("server", "model"))
    attempt.phase = "body"  # type: ignore[union-attr]
    assert attempt.broken(why, None).kind == "server"  # type: ignore[union-attr, arg-type]


def test_unknown_host_error_names_the_base_url() -> None:
    attempt = select_step(exchange("b/m"), 0.0)
    error = attempt.broken(f"[Errno {socket.EAI_NONAME}] Name or service not known", None)  # type: ignore[union-attr, arg-type]
    assert error.message == "b/m: there is no host 'b.invalid': check the base URL of b"


def test_trouble_is_logged_at_its_start_and_end(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.INFO)
    troubles = Troubles()
    for now in (0.0, 1.0, 20.0):
        troubles.arose("no disk", now)
    assert [record.message[:7] for record in caplog.records] == ["no disk"]
    assert troubles.current(20.0 + OVER_AFTER - 1) == ["no disk"]
    assert troubles.current(20.0 + OVER_AFTER) == []
    troubles.look(20.0 + OVER_AFTER)
    assert "no connection has failed because no disk" in caplog.text
    assert len(caplog.records) == 2


async def talk_alone(router: Router) -> Reply:
    async with router.http() as http:
        return await talk(http, "p/m", stream=False)


def _open_files(pid: int) -> set[int]:
    return {int(entry.name) for entry in Path(f"/proc/{pid}/fd").iterdir()}


@contextmanager
def no_more_files(router: Router) -> Iterator[None]:
    """Exhaust the router's file descriptors."""
    pid = router.process.pid
    limits = resource.prlimit(pid, resource.RLIMIT_NOFILE)
    highest = max(_open_files(pid))
    resource.prlimit(pid, resource.RLIMIT_NOFILE, (highest + 1, limits[1]))
    free = set(range(highest)) - _open_files(pid)
    taken = [socket.create_connection(("127.0.0.1", router.port)) for _ in free]
    try:
        yield
    finally:
        resource.prlimit(pid, resource.RLIMIT_NOFILE, limits)
        for one in taken:
            one.close()


@pytest.mark.skipif(not hasattr(resource, "prlimit"), reason="Linux only")
async def test_without_file_descriptors(provider: Provider, start_router: StartRouter) -> None:
    """New requests are told, those that run go on, and no provider is blamed."""
    provider.on(chat_stream(["a", "b"], stepped=True), model="running")
    provider.on(chat_answer("Good."), always=True)
    options = {"router_max_attempts": "2"}
    router = await start_router(config=providers_config({"p": f"{provider.url}/v1"}), options=options)
    async with router.http() as http, router.http() as other:
        assert (await http.get("/health")).json()["trouble"] == []
        stream = asyncio.create_task(talk(other, "p/running", stream=True))
        running = await provider.wait_for_request()
        running.release(2)
        with no_more_files(router):
            reply = await talk(http, "p/m", stream=False)
            assert (reply.status, reply.error["code"]) == (503, "router_trouble")
            assert "ulimit -n" in reply.error["message"]
            health = (await http.get("/health")).json()
            running.release(9)
            assert ((await stream).text, stream.result().done) == ("ab", True)
        assert "ulimit -n" in health["trouble"][0]
        assert health["providers"]["p"]["cooled_models"] == {}
        assert (await talk(http, "p/m", stream=False)).text == "Good."
    assert router.log.count("is out of file descriptors") == 1


@pytest.mark.skipif(not hasattr(resource, "prlimit"), reason="Linux only")
async def test_clients_that_cannot_be_accepted_are_one_line_in_the_log(
    provider: Provider, start_router: StartRouter
) -> None:
    """asyncio tries again each second, with a traceback of it. They are served later."""
    provider.on(chat_answer("Good."), always=True)
    router = await start_router(config=providers_config({"p": f"{provider.url}/v1"}))
    async with router.http() as http:
        assert (await http.get("/health")).json()["trouble"] == []
        with no_more_files(router):
            waiting = [asyncio.create_task(talk_alone(router)) for _ in range(3)]
            async with asyncio.timeout(10):
                while not (await http.get("/health")).json()["trouble"]:  # noqa: ASYNC110 - nobody tells
                    await asyncio.sleep(0.05)
            await asyncio.sleep(2.5)  # while asyncio tries again
        assert [(await one).text for one in waiting] == ["Good."] * 3
    assert router.log.count("is out of file descriptors") == 1
    assert "Traceback" not in router.log


async def test_the_limit_of_file_descriptors_is_raised(start_router: StartRouter) -> None:
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (min(512, soft), hard))
    try:
        router = await start_router()
    finally:
        resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))
    if hard != resource.RLIM_INFINITY:
        assert resource.prlimit(router.process.pid, resource.RLIMIT_NOFILE) == (hard, hard)
