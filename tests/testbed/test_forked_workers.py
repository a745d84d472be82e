"""A run of tests in forked workers ends as one in a single process does."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path

import pytest

from tests.testbed.fork_server import AVAILABLE
from tests.testbed.forked_workers import _EARLY
from tests.testbed.harness import ROOT

pytestmark = pytest.mark.skipif(not AVAILABLE, reason="needs Linux")

CONFTEST = """
import os
import pytest
from tests.testbed.forked_workers import pytest_cmdline_main, pytest_collection, pytest_runtestloop

@pytest.fixture(scope="session", autouse=True)
def session(tmp_path_factory):
    yield
    print(f"session of {tmp_path_factory.getbasetemp().name} ended", file=open(os.environ["ENDS"], "a"))

@pytest.fixture(scope="module")
def module():
    yield os.getpid()
    print("module ended", file=open(os.environ["ENDS"], "a"))
"""

FIRST = """
import os
import pytest

def test_fails(module):
    print("printed by the test")
    assert [1, 2] == [1, 3]

def test_crashes(module):
    os.kill(module, 9)

@pytest.mark.parametrize("number", range(3))
def test_after_a_crash(module, number):
    assert module == os.getpid()
"""

SECOND = """
import pytest

MODULES = set()

@pytest.mark.parametrize("number", range(20))
def test_shares_what_its_module_has(module, number):
    MODULES.add(module)
    assert len(MODULES) == 1

def test_skips():
    pytest.skip("on purpose")

@pytest.fixture
def broken():
    yield
    raise ValueError("at its end")

def test_ends_with_an_error(broken):
    pass
"""

EARLY = """
import os
from pathlib import Path
import pytest

def test_runs_early():
    assert os.environ["PYTEST_XDIST_WORKER"] == "gw0"
    print("early", file=open(os.environ["ENDS"], "a"))

def test_crashes(module):
    os.kill(module, 9)

def test_after_a_crash(module):
    assert os.environ["PYTEST_XDIST_WORKER"] != "gw0"
"""

LATE = """
import os, time
from pathlib import Path

ends = Path(os.environ["ENDS"])
latest = time.monotonic() + 30
while time.monotonic() < latest and not (ends.exists() and "early" in ends.read_text()):
    time.sleep(0.01)

def test_collected_late():
    assert "early" in ends.read_text()

def test_fails():
    assert False
"""

FOLDERS = {f"{folder}test_it": "def test_it(): pass" for folder in _EARLY}
WHOLE = FOLDERS | {"tests/testbed/test_early": EARLY, "tests/ui/test_late": LATE}
"""A project whose last module ends its collection once a test has run."""

PLAIN = {"tests/test_first": FIRST, "tests/test_second": SECOND}


def run(folder: Path, *arguments: str, files: Mapping[str, str] = PLAIN) -> tuple[int, str, list[str]]:
    """Return the exit code, what it printed, and what fixtures wrote at their ends."""
    for name, text in {"conftest": CONFTEST, **files}.items():
        file = folder / f"{name}.py"
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(text)
    (folder / "pytest.ini").write_text("[pytest]\ntestpaths = tests\naddopts = --import-mode=importlib\n")
    ends = folder / "ends"
    command = [sys.executable, "-m", "pytest", "-p", "xdist", "--dist", "loadfile", *arguments]
    # without plugins that it does not need, it starts in half of the time
    env = os.environ | {"PYTHONPATH": str(ROOT), "ENDS": str(ends), "PYTEST_DISABLE_PLUGIN_AUTOLOAD": "1"}
    done = subprocess.run(
        command, cwd=folder, env=env, capture_output=True, text=True, timeout=120, check=False
    )
    return done.returncode, done.stdout + done.stderr, ends.read_text().splitlines()


def test_outcomes_are_those_of_one_process_and_a_crash_is_a_failed_test(tmp_path: Path) -> None:
    code, out, ends = run(tmp_path, "-n2")
    assert code == 1
    assert "2 failed, 24 passed, 1 skipped, 1 error" in out
    assert "printed by the test" in out
    killed = re.search(r"_ test_crashes _.*\nthe worker (gw\d) ended during this test with exit code -9", out)
    assert killed
    assert "[100%]" in out
    assert ends.count("module ended") == 2
    sessions = {end for end in ends if "session" in end}
    assert sessions
    assert f"session of popen-{killed[1]} ended" not in sessions
    _, out, _ = run(tmp_path, "-n2", "--last-failed", "--collect-only", "-q")
    assert "3 tests collected" in out


def test_the_first_failure_ends_the_run_if_asked(tmp_path: Path) -> None:
    code, out, ends = run(tmp_path, "-n2", "-x")
    assert code == 1
    assert "stopping after 1 failures" in out
    assert "Traceback" not in out
    assert ends


def test_a_run_may_print_nothing(tmp_path: Path) -> None:
    code, out, ends = run(tmp_path, "-n2", "-p", "no:terminal")
    assert (code, out) == (1, "")
    assert "popen" in "".join(ends)


def test_one_file_needs_no_worker(tmp_path: Path) -> None:
    code, out, ends = run(tmp_path, "-n2", "tests/test_second.py")
    assert code == 1
    assert "21 passed" in out
    assert "popen" not in "".join(ends)


def test_a_worker_begins_while_tests_are_collected(tmp_path: Path) -> None:
    code, out, _ = run(tmp_path, "-n2", files=WHOLE)
    assert code == 1
    assert re.search(r"_ test_crashes _.*\nthe worker gw0 ended during this test with exit code -9", out)
    assert f"2 failed, {len(FOLDERS) + 3} passed" in out
    _, out, _ = run(tmp_path, "-n2", "--last-failed", files=WHOLE)
    assert "= 2 failed in" in out


def test_it_ends_if_the_tests_cannot_be_collected(tmp_path: Path) -> None:
    broken = {"tests/testbed/test_early": EARLY.replace("os.kill(module, 9)", "pass")}
    code, out, ends = run(
        tmp_path, "-n2", files=WHOLE | broken | {"tests/ui/test_late": f"{LATE}\nraise OSError"}
    )
    assert code == 2
    assert "1 error during collection" in out
    assert "Traceback" not in out
    assert {"early", "session of popen-gw0 ended"} <= {*ends}
