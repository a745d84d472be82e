"""`smart-router run`: a command gets a router, and what it did is shown."""

from __future__ import annotations

import asyncio
import json
import os
import pty
import shutil
import signal
import sys
from asyncio.subprocess import PIPE
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
import pytest_asyncio

from smart_router.tools.router_process import health_of
from tests.conftest import renewed
from tests.testbed.harness import MITMDUMP, Router, bare_env, provider_env
from tests.testbed.provider import Provider

pytestmark = [pytest.mark.asyncio(loop_scope="module")]

SMART_ROUTER = MITMDUMP.with_name("smart-router")
PATIENCE = 60.0

ASK = """
import json, os, sys, urllib.request
body = json.dumps({"model": "auto", "messages": [{"role": "user", "content": "Hi"}]}).encode()
request = urllib.request.Request(
    sys.argv[1] if len(sys.argv) > 1 else os.environ["OPENAI_BASE_URL"] + "/chat/completions",
    body, {"content-type": "application/json", "authorization": "Bearer " + os.environ["OPENAI_API_KEY"]},
)
print(json.load(urllib.request.urlopen(request))["choices"][0]["message"]["content"])
print(os.environ["SMART_ROUTER_URL"])
sys.exit(3)
"""

MEET = """
import json, os, pathlib, sys, time, urllib.request
body = json.dumps({"model": "auto", "messages": [{"role": "user", "content": "Hi"}]}).encode()
url, headers = os.environ["OPENAI_BASE_URL"] + "/chat/completions", {"content-type": "application/json"}
for _ in range(int(sys.argv[1])):
    urllib.request.urlopen(urllib.request.Request(url, body, headers)).read()
here = pathlib.Path(sys.argv[2]) / "met"
here.mkdir(exist_ok=True)
(here / sys.argv[1]).touch()
while len(list(here.iterdir())) < 2:
    time.sleep(0.01)
print("met")
"""

WAIT_AND_TELL = """
import os, signal
print(os.environ["SMART_ROUTER_URL"], os.getpid(), sep="\\n", flush=True)
signal.pause()
"""

WAIT = """
import signal, sys, time
got = []
signal.signal(signal.SIGINT, lambda *_: got.append("int"))
signal.signal(signal.SIGTERM, lambda *_: got.append("term"))
print("ready", flush=True)
while not got:
    signal.pause()
time.sleep(0.3)  # a second one would come at once
print(" ".join(got), flush=True)
sys.exit(9)
"""


class User:
    """A user's home, from which commands are run."""

    def __init__(self, home: Path, provider: Provider) -> None:
        self.home = home
        self.config = home / "config.toml"
        self.state = home / "state"
        self.env = {
            **bare_env(),
            "HOME": str(home),
            "SMART_ROUTER_CONFIG": str(self.config),
            "SMART_ROUTER_STATE": str(self.state),
            **provider_env(provider.url, "openai"),
        }

    async def start(self, *arguments: str, **env: str) -> asyncio.subprocess.Process:
        command = [str(SMART_ROUTER), "run", *arguments]
        return await asyncio.create_subprocess_exec(
            *command, env={**self.env, **env}, stdin=asyncio.subprocess.DEVNULL, stdout=PIPE, stderr=PIPE
        )

    async def run(self, *arguments: str, **env: str) -> tuple[int | None, str, str]:
        """Exit code, standard output and standard error."""
        process = await self.start(*arguments, **env)
        out, err = await asyncio.wait_for(process.communicate(), PATIENCE)
        return process.returncode, out.decode(), err.decode()

    def logs(self) -> list[Path]:
        return sorted(self.state.glob("logs/run-*.log"))


@pytest.fixture(scope="module")
def home(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("home")


@pytest.fixture
def user(home: Path, shared_provider: Provider) -> User:
    return User(home, renewed(shared_provider))


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def router(
    shared_provider: Provider, tmp_path_factory: pytest.TempPathFactory
) -> AsyncIterator[Router]:
    env = provider_env(shared_provider.url, "openai")
    async with Router(tmp_path_factory.mktemp("running") / "router", env=env) as running:
        yield running


async def test_a_router_is_started_for_the_command_and_ended_after_it(user: User) -> None:
    code, out, err = await user.run("--", sys.executable, "-c", ASK)
    assert code == 3, err
    answer, url = out.splitlines()
    assert answer == "You said: Hi"
    assert health_of("127.0.0.1", int(url.rpartition(":")[2])) is None
    first, second = err.splitlines()
    assert first.startswith("smart-router: this run's requests: 1, $0.00")
    assert "(90.0 % less than openai/gpt-6.1-terra)" in first
    assert second.startswith("  openai/gpt-6-luna  1 × ")
    (log,) = user.logs()
    assert log.stat().st_mode & 0o077 == user.state.stat().st_mode & 0o077 == 0


async def test_a_tool_with_a_fixed_endpoint_reaches_the_router_as_its_proxy(user: User) -> None:
    address = "https://api.openai.com/v1/chat/completions"
    code, out, err = await user.run(
        "--via", "proxy", "--json", sys.executable, "-c", ASK, address, OPENAI_API_KEY="key-openai"
    )
    assert code == 3, err
    assert out.startswith("You said: Hi\n")
    report = json.loads(err)
    assert report["total"]["requests"] == 1
    assert [row["name"] for row in report["by"]["model"]] == ["openai/gpt-6-luna"]


async def test_a_running_router_is_used_and_stays(user: User, router: Router) -> None:
    before = user.logs()
    code, out, err = await user.run("--port", str(router.port), sys.executable, "-c", ASK)
    assert code == 3, err
    assert out.splitlines()[1] == router.url
    assert err.startswith("smart-router: this run's requests: 1, ")
    assert user.logs() == before
    assert health_of("127.0.0.1", router.port)


@pytest.mark.parametrize("shared", [True, False], ids=["one router", "a router for each"])
async def test_runs_at_the_same_time_count_their_own_requests(
    shared: bool, user: User, router: Router
) -> None:
    """Both wait until both have asked, and only then end."""
    where = ["--port", str(router.port)] if shared else []
    shutil.rmtree(user.home / "met", ignore_errors=True)
    runs = [
        asyncio.create_task(
            user.run(*where, "--json", sys.executable, "-c", MEET, str(times), str(user.home))
        )
        for times in (1, 2)
    ]
    for number, run in enumerate(runs, 1):
        code, out, err = await run
        assert code == 0, err
        assert out == "met\n"
        assert json.loads(err)["total"]["requests"] == number


async def test_the_router_of_a_killed_run_ends(user: User) -> None:
    process = await user.start(sys.executable, "-c", WAIT_AND_TELL)
    assert process.stdout is not None
    url = (await process.stdout.readline()).decode().strip()
    pid = int(await process.stdout.readline())
    port = int(url.rpartition(":")[2])
    assert health_of("127.0.0.1", port)
    process.kill()
    os.kill(pid, signal.SIGKILL)  # nobody is left who would
    await process.wait()

    async def gone() -> None:
        while await asyncio.to_thread(health_of, "127.0.0.1", port):  # noqa: ASYNC110  # nobody tells
            await asyncio.sleep(0.02)

    await asyncio.wait_for(gone(), PATIENCE)


@pytest.mark.parametrize(("number", "said"), [(signal.SIGINT, "int"), (signal.SIGTERM, "term")])
async def test_a_signal_reaches_the_command(
    number: signal.Signals, said: str, user: User, router: Router
) -> None:
    process = await user.start("--port", str(router.port), sys.executable, "-c", WAIT)
    assert process.stdout is not None
    assert await process.stdout.readline() == b"ready\n"
    process.send_signal(number)
    out, _ = await asyncio.wait_for(process.communicate(), PATIENCE)
    assert (process.returncode, out.decode().strip()) == (9, said)


async def test_a_terminals_interrupt_reaches_the_command_once(user: User, router: Router) -> None:
    def interrupted() -> tuple[int, str]:
        pid, terminal = pty.fork()
        if pid == 0:
            arguments = ["--port", str(router.port), sys.executable, "-c", WAIT]
            os.execve(SMART_ROUTER, [str(SMART_ROUTER), "run", *arguments], user.env)  # noqa: S606
        said = b""
        while b"ready" not in said:
            said += os.read(terminal, 1024)
        os.write(terminal, b"\x03")
        _, status = os.waitpid(pid, 0)
        said += os.read(terminal, 4096)
        os.close(terminal)
        return os.waitstatus_to_exitcode(status), said.decode()

    code, said = await asyncio.to_thread(interrupted)
    assert code == 9
    assert said.count("int\r\n") == 1
    assert "int int" not in said


async def test_a_command_killed_by_a_signal_ends_as_in_a_shell(user: User, router: Router) -> None:
    kill = "import os; os.kill(os.getpid(), 9)"
    code, _, _ = await user.run("--port", str(router.port), "-q", sys.executable, "-c", kill)
    assert code == 128 + 9


@pytest.mark.parametrize(
    ("command", "code", "said"),
    [
        ("no-such-tool", 127, "smart-router: no-such-tool is not installed or not on the PATH\n"),
        ("/dev/null", 126, "smart-router: /dev/null is not executable\n"),
        ("./none", 127, "smart-router: ./none is not a file\n"),
    ],
)
async def test_a_command_that_cannot_be_run(command: str, code: int, said: str, user: User) -> None:
    before = user.logs()
    assert await user.run(command) == (code, "", said)
    assert user.logs() == before, "no router was started"


@pytest.mark.parametrize(
    ("arguments", "config", "said"),
    [
        ((), "[routing]\nstickyttl = 1\n", "routing.stickyttl: is not known here; did you mean sticky_ttl?"),
        (("--set", "router_max_wayt=1"), "", "did you mean router_max_wait?"),
    ],
)
async def test_a_router_that_cannot_start_is_one_line(
    arguments: tuple[str, ...], config: str, said: str, user: User
) -> None:
    user.config.write_text(config)
    try:
        code, out, err = await user.run(*arguments, sys.executable, "-c", ASK)
    finally:
        user.config.unlink()
    assert (code, out) == (1, "")
    assert said in err
    assert len(err.splitlines()) == 1
    assert err.startswith("Error: ")


async def test_a_taken_port_is_named(user: User) -> None:
    async def other(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.close()

    server = await asyncio.start_server(other, "127.0.0.1", 0)
    port = server.sockets[0].getsockname()[1]
    async with server:
        code, _, err = await user.run("--port", str(port), sys.executable, "-c", ASK)
    assert code == 1
    assert err == f"Error: port {port} cannot be used: Address already in use; try another\n"
