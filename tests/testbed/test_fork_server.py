"""A forked program has the same state as one started as a new process, is a child and ends like it."""

from __future__ import annotations

import asyncio
import json
import os
import signal
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from tests.testbed import state_addon
from tests.testbed.fork_server import AVAILABLE, MAIN, SCRIPTS, ForkServer, is_ours
from tests.testbed.harness import MITMDUMP, MITMWEB, ROOT, Router, bare_env

STATE = ["-s", state_addon.__file__]
OF_THE_SERVER = {"runpy", "fork_server"}
"""Modules that only the server imports."""

OF_A_REQUEST = ("genai_prices", "httpx2")
"""Packages that a router has once it has served a request; the server has decided on one."""

SMART_ROUTER = str(MITMDUMP.with_name("smart-router"))
WORKER = "smart_router.workers.worker"

pytestmark = pytest.mark.skipif(not AVAILABLE, reason="needs Linux")


def is_forked(pid: int) -> bool:
    return str(MAIN).encode() in Path(f"/proc/{pid}/cmdline").read_bytes()


def parent_of(pid: int) -> int:
    status = Path(f"/proc/{pid}/stat").read_text()
    return int(status.rpartition(")")[2].split()[1])


def state(folder: Path, **kwargs: Any) -> dict[str, Any]:
    """Return the state of a router; each has the same folder, one after the other."""
    with Router(folder, args=STATE, **kwargs) as router:
        assert is_forked(router.process.pid) is ("fresh" not in kwargs)
        assert parent_of(router.process.pid) == os.getpid()
        found: dict[str, Any] = json.loads(router.wait_for_log(f"{state_addon.LINE}(.*)")[1])
    folder.rename(folder.with_name("fresh" if "fresh" in kwargs else "forked"))
    return found


def test_forked_router_began_like_a_fresh_one(tmp_path: Path) -> None:
    path = f"{ROOT / 'addon'}:{ROOT}"
    env = {"SOME_KEY": "of the test", "SMART_ROUTER_LOG": "x", "PYTHONPATH": path}
    forked, fresh = (state(tmp_path / "router", env=env, **how) for how in ({}, {"fresh": True}))
    modules = {name for name in forked.pop("modules") if not name.startswith(OF_A_REQUEST)}
    assert modules - OF_THE_SERVER == set(fresh.pop("modules"))
    assert forked == fresh
    assert forked["environ"]["SOME_KEY"] == "of the test"
    assert forked["group"] == os.getpgid(0)
    assert forked["collector"][0] is True


@pytest.mark.parametrize(
    ("command", "ours"),
    [
        ([str(MITMDUMP), "--version"], True),
        ([str(MITMWEB)], True),
        ([SMART_ROUTER, "run", "-m", "x"], True),
        ([sys.executable, "-P", "-m", WORKER, "{}"], True),
        ([sys.executable, "-m", WORKER], True),
        ([sys.executable, "-I", "-m", WORKER], False),
        ([sys.executable, "-m", "tests.testbed.provider"], True),
        ([sys.executable, "-m", "scripts.gateway_bench.provider"], True),
        ([sys.executable, str(SCRIPTS / "demo.py")], True),
        ([sys.executable, "scripts/demo.py", "--help"], True),
        ([sys.executable, "demo.py"], False),
        ([sys.executable], False),
        ([sys.executable, "-m", "pytest"], False),
        ([sys.executable, str(MITMDUMP)], False),
        (["mitmdump"], False),
        (["/bin/sh", "-c", "true"], False),
    ],
)
def test_our_programs_are_known(command: list[str], ours: bool) -> None:
    assert is_ours(command, ROOT) is ours


@pytest.mark.parametrize(
    "name", ["PYTHONPATH", "PYTHONHASHSEED", "PYTHON_GIL", "LD_PRELOAD", "LC_ALL", "TZ", "MALLOC_ARENA_MAX"]
)
def test_variables_read_before_the_program_need_a_new_process(name: str) -> None:
    server = ForkServer({})
    assert server.can_start([str(MITMDUMP)], {"PYTHONUNBUFFERED": "1", "PYTHONDONTWRITEBYTECODE": "1"})
    assert not server.can_start([str(MITMDUMP)], {"PYTHONUNBUFFERED": "1", name: "0"})


@pytest.mark.parametrize(
    "env",
    [{"PYTHONPATH": f"{ROOT}:{ROOT / 'addon'}"}, {"PYTHON_KEYRING_BACKEND": "x"}, {"PYTHON_VERSION": "3"}],
)
def test_other_variables_need_none(env: dict[str, str]) -> None:
    assert ForkServer({}).can_start([str(MITMDUMP)], env)


def test_the_locale_that_python_sets_where_there_is_none_needs_none(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("LC_CTYPE", "C.UTF-8")
    assert ForkServer(bare_env()).can_start([str(MITMDUMP)], {**bare_env(), "LC_CTYPE": "C.UTF-8"})


def test_a_test_may_name_another_interpreter(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "executable", "/missing-program")
    assert not is_ours(["/missing-program", "-m", WORKER])


@pytest.mark.parametrize("env", [{}, {"PYTHONUNBUFFERED": "1"}], ids=["buffered", "unbuffered"])
def test_output_is_buffered_as_the_environment_says(tmp_path: Path, env: dict[str, str]) -> None:
    script = tmp_path / "script.py"
    script.write_text(f"import os, sys\nfor s in (sys.stdout, sys.stderr):\n {BUFFERS}\nos._exit(0)")
    plain = {name: value for name, value in bare_env().items() if name != "PYTHONUNBUFFERED"}
    forked, fresh = (
        subprocess.run(
            command, env=plain | env | {"HOME": str(tmp_path)}, capture_output=True, timeout=60, check=True
        )
        for command in ([str(MITMDUMP), "-q", "-s", str(script)], [sys.executable, str(script)])
    )
    assert (forked.stdout, forked.stderr) == (fresh.stdout, fresh.stderr)
    assert forked.stdout == (b"out-in" if env else b"in")


def test_ends_are_those_of_a_child(tmp_path: Path) -> None:
    with Router(tmp_path / "running") as router:
        process = router.process
        assert process.poll() is None
        process.terminate()
        assert process.wait(10) == 0
        with pytest.raises(ProcessLookupError):
            os.kill(process.pid, 0)
        assert process.stdout
        process.stdout.close()
    killed = Router(tmp_path / "killed")
    killed.launch()
    killed.process.kill()
    assert killed.process.wait(10) == -signal.SIGKILL
    killed._end()


CODES = {
    "at once": ("import os; os._exit(3)", 3),
    "exit": ("raise SystemExit(4)", 4),
    "message": ("import sys; sys.exit('why')", 1),
    "at exit": ("import atexit, sys; atexit.register(print, 'why'); sys.exit(5)", 5),
    "in a thread": (
        "import sys, threading\n"
        "threading.Thread(target=lambda: threading.main_thread().join() or print('why')).start()\n"
        "sys.exit(6)",
        6,
    ),
}


@pytest.mark.parametrize(("source", "code"), CODES.values(), ids=CODES)
def test_exit_codes(tmp_path: Path, source: str, code: int) -> None:
    script = tmp_path / "script.py"
    script.write_text(source)
    router = Router(tmp_path / "router", script=script)
    router.launch()
    assert router.process.wait(30) == code
    router._end()
    assert ("why" in router.log) is ("why" in source)


BUFFERS = 's.write("out-"); os.write(s.fileno(), b"in")'

PROBE = """
import json, os, signal, sys
fds = [int(name) for name in os.listdir("/proc/self/fd")]
found = {"argv": sys.argv, "cwd": os.getcwd(), "group": os.getpgrp(), "session": os.getsid(0),
         "parent": os.getppid(), "descriptors": fds, "env": dict(os.environ),
         "no_bytecode": sys.dont_write_bytecode, "signal": str(int(signal.getsignal(signal.SIGHUP)))}
print(json.dumps(found))
os._exit(7)
"""


@pytest.mark.parametrize("how", [{}, {"process_group": 0}, {"start_new_session": True}], ids=str)
@pytest.mark.parametrize("fresh", [False, True], ids=["forked", "fresh"])
def test_what_the_caller_gives_is_what_the_program_has(
    tmp_path: Path, how: dict[str, Any], fresh: bool
) -> None:
    script = tmp_path / "probe.py"
    script.write_text(PROBE)
    env = bare_env() | {"HOME": str(tmp_path), "PYTHONDONTWRITEBYTECODE": "1"}
    reading, writing = os.pipe()
    before = signal.signal(signal.SIGHUP, signal.SIG_IGN)
    command = [sys.executable if fresh else str(MITMDUMP), *([] if fresh else ["-s"]), str(script)]
    try:
        process = subprocess.Popen(
            command, env=env, cwd=tmp_path, stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, pass_fds=[writing], **how,
        )  # fmt: skip
    finally:
        signal.signal(signal.SIGHUP, before)
        os.close(reading)
        os.close(writing)
    out, _ = process.communicate(timeout=60)
    found = json.loads(out.splitlines()[-1])
    assert process.returncode == 7
    assert found["argv"] == command[fresh:]
    assert (found["no_bytecode"], found["signal"]) == (True, "1"), (
        "bytecode is written, or the signal ends it"
    )
    assert (found["cwd"], found["parent"], found["env"]["HOME"]) == (
        str(tmp_path),
        os.getpid(),
        str(tmp_path),
    )
    assert writing in found["descriptors"]
    assert found["group"] == (process.pid if how else os.getpgrp())
    assert found["session"] == (process.pid if "start_new_session" in how else os.getsid(0))


async def test_asyncio_starts_them_too(tmp_path: Path) -> None:
    process = await asyncio.create_subprocess_exec(
        SMART_ROUTER,
        "--version",
        env=bare_env(),
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.PIPE,
    )
    out, err = await asyncio.wait_for(process.communicate(), 60)
    assert (process.returncode, err) == (0, b"")
    assert out.startswith(b"smart-router")
