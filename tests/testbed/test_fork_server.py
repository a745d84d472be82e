"""A forked router has the same state as one started by its program, and ends like one."""

from __future__ import annotations

import json
import os
import signal
import subprocess
from pathlib import Path
from typing import Any

import pytest

from tests.testbed import state_addon
from tests.testbed.fork_server import ForkedProcess, ForkServer
from tests.testbed.harness import MITMDUMP, Router

STATE = ["-s", state_addon.__file__]
OF_THE_SERVER = {"runpy"}
"""Modules that only the server imports."""


@pytest.fixture
def may_fork() -> None:
    if Router.fork_server is None:
        pytest.skip("needs Linux")


def state(folder: Path, **kwargs: Any) -> dict[str, Any]:
    """Return the state of a router; each has the same folder, one after the other."""
    with Router(folder, args=STATE, **kwargs) as router:
        assert isinstance(router.process, subprocess.Popen if "fresh" in kwargs else ForkedProcess)
        found: dict[str, Any] = json.loads(router.wait_for_log(f"{state_addon.LINE}(.*)")[1])
    folder.rename(folder.with_name("fresh" if "fresh" in kwargs else "forked"))
    return found


@pytest.mark.usefixtures("may_fork")
def test_forked_router_began_like_a_fresh_one(tmp_path: Path) -> None:
    env = {"SOME_KEY": "of the test", "SMART_ROUTER_LOG": "x"}
    forked, fresh = (state(tmp_path / "router", env=env, **how) for how in ({}, {"fresh": True}))
    assert set(forked.pop("modules")) - OF_THE_SERVER == set(fresh.pop("modules"))
    assert forked == fresh
    assert forked["environ"]["SOME_KEY"] == "of the test"
    assert forked["group"] == os.getpgid(0)


@pytest.mark.parametrize(
    "name", ["PYTHONPATH", "PYTHONHASHSEED", "LD_PRELOAD", "LC_ALL", "TZ", "MALLOC_ARENA_MAX"]
)
def test_variables_read_before_the_program_need_a_fresh_start(name: str) -> None:
    server = ForkServer(MITMDUMP, {"PYTHONUNBUFFERED": "1"})
    assert server.can_start(str(MITMDUMP), {"PYTHONUNBUFFERED": "1", "HOME": "/home"})
    assert not server.can_start(str(MITMDUMP), {"PYTHONUNBUFFERED": "1", name: "0"})
    assert not server.can_start("another program", {"PYTHONUNBUFFERED": "1"})


@pytest.mark.usefixtures("may_fork")
def test_ends_are_told_like_those_of_a_child(tmp_path: Path) -> None:
    with Router(tmp_path / "running") as router:
        process = router.process
        assert isinstance(process, ForkedProcess)
        assert process.poll() is None
        with pytest.raises(subprocess.TimeoutExpired):
            process.wait(0)
        process.terminate()
        assert process.wait(10) == process.wait() == process.poll() == 0
        with pytest.raises(ProcessLookupError):
            os.kill(process.pid, 0)
        process.send_signal(signal.SIGKILL)
        assert process.returncode == 0
        router.process.stdout.close()  # type: ignore[union-attr]
    killed = Router(tmp_path / "killed")
    killed.launch()
    killed.process.kill()
    assert killed.process.wait(10) == -signal.SIGKILL
    killed._end()


CODES = [("import os; os._exit(3)", 3), ("raise SystemExit(4)", 4), ("import sys; sys.exit('why')", 1)]


@pytest.mark.parametrize(("source", "code"), CODES, ids=["at once", "exit", "message"])
def test_exit_codes(tmp_path: Path, source: str, code: int) -> None:
    script = tmp_path / "script.py"
    script.write_text(source)
    router = Router(tmp_path / "router", script=script)
    router.launch()
    assert router.process.wait(30) == code
    router._end()
    assert ("why" in router.log) is ("why" in source)
