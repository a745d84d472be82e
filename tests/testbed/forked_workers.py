"""`pytest -n 5 --dist loadfile` with workers that are forked once the tests are collected.

xdist's workers each import all tests and their SDKs, and collect: a sixth of the suite's CPU time. These
share what the process has that they are forked from. As with xdist, the tests of a file run in one worker,
in order. A worker that dies fails the test that it ran, and another runs the rest of the file. Plugins take
a worker for one of xdist's, by `config.workerinput` and PYTEST_XDIST_WORKER. Linux only: elsewhere, and for
other values of `--dist`, xdist does it.

The collection takes one core ten seconds, and half a minute before bytecode is written. A run of all tests
has a worker that begins meanwhile on another core: it collects a few folders itself, and runs these only.
"""

from __future__ import annotations

import multiprocessing
import os
import sys
import traceback
import warnings
from collections import deque
from collections.abc import Generator, Iterator, Mapping, Sequence
from multiprocessing.connection import Connection, wait
from multiprocessing.process import BaseProcess
from pathlib import Path
from typing import Any, NamedTuple

import pytest

Report = pytest.TestReport | dict[str, Any]
"""A report of what passed; any other, whose exception may not be pickled, in the form that xdist sends. That
form takes each side a quarter of a millisecond a test.
"""

_FIRST = ("tests/testbed/", "tests/routing/")
"""Folders of the early worker, each of which it runs without being told to: they need much CPU time, few
modules, and longer than the collection takes.
"""

_LATER = ("scripts", "cli", "auth", "client_keys", "stats")
_EARLY = (*_FIRST, *(f"tests/{folder}/" for folder in _LATER))
"""Folders that the early worker collects. Others run files of them, too, in their order; the last folders are
among the last of a run, so that the early worker has some until then.
"""

_OF_POSTGRES = ("tests/cluster/", "tests/cli/test_cluster.py", "tests/end_to_end/test_cluster_limits.py")
_TOGETHER = {folder: folder for folder in _FIRST} | dict.fromkeys(_OF_POSTGRES, "postgres")
"""Folders and files that one worker runs as it runs a file, with the part's name. Those of PostgreSQL share a
server, whose start costs more CPU time than most files.
"""

_NUMBER = pytest.StashKey[int]()
_WORKERS = pytest.StashKey["_Workers"]()

_END_LIMIT = 60.0
"""Seconds that a worker has to end what it started."""


class _Part(NamedTuple):
    """The tests of a file or of a part of `_TOGETHER`, but for the first ones, which are done."""

    name: str
    done: int = 0

    def tests(self, files: Mapping[str, list[pytest.Item]]) -> list[pytest.Item]:
        return files.get(self.name, [])[self.done :]


@pytest.hookimpl(tryfirst=True)
def pytest_cmdline_main(config: pytest.Config) -> None:
    """Take the place of xdist, which looks for its options next."""
    options = config.option
    wanted = getattr(options, "numprocesses", None)
    alone = options.usepdb or options.collectonly
    if sys.platform == "linux" and options.dist == "loadfile" and isinstance(wanted, int) and not alone:
        config.stash[_NUMBER] = wanted
        options.numprocesses = 0


@pytest.hookimpl(wrapper=True)
def pytest_collection(session: pytest.Session) -> Generator[None, object, object]:
    """Start the early worker. In it, the number of workers is 0."""
    config = session.config
    if (number := config.stash.get(_NUMBER, 0)) > 1:
        workers = config.stash[_WORKERS] = _Workers(session, number)
        config.add_cleanup(workers.end)  # whatever ends the run
        if _is_whole(config):
            workers.start_early()
    return (yield)


@pytest.hookimpl(tryfirst=True)
def pytest_runtestloop(session: pytest.Session) -> bool | None:
    workers = session.config.stash.get(_WORKERS, None)
    try:
        return workers.run() if workers else None
    finally:
        if workers:
            workers.end()


def _is_whole(config: pytest.Config) -> bool:
    """Return whether all tests run, or those of a keyword or mark: for a folder alone they are the same."""
    earlier = getattr(config.option, "lf", False) or getattr(config.option, "stepwise", False)
    there = all((config.rootpath / folder).is_dir() for folder in _EARLY)
    return there and not earlier and config.args == config.getini("testpaths")


def _files(items: list[pytest.Item]) -> dict[str, list[pytest.Item]]:
    """The tests of each file, or of what is to stay together."""
    files: dict[str, list[pytest.Item]] = {}
    for item in items:
        files.setdefault(_name(item), []).append(item)
    return files


def _name(item: pytest.Item) -> str:
    together = next(filter(item.nodeid.startswith, _TOGETHER), None)
    return _TOGETHER[together] if together else item.nodeid.partition("::")[0]


class _Workers:
    """The process that collects the tests: it hands out files and reports what comes back.

    A worker sends None for a part, the reports of its next test, or the text of an error of its own.
    """

    def __init__(self, session: pytest.Session, number: int) -> None:
        self._session = session
        self._config = session.config
        self._number = number
        self._files: dict[str, list[pytest.Item]] = {}
        self._parts: deque[_Part] = deque()  # that no worker has
        self._left: dict[Connection, deque[pytest.Item]] = {}  # by worker the tests that it has not run
        self._processes: dict[Connection, BaseProcess] = {}
        self._early: Connection | None = None
        self._told: deque[_Part] = deque()  # to the early worker, which has not asked for them yet
        factory: pytest.TempPathFactory = vars(self._config)["_tmp_path_factory"]
        self._folder = factory.getbasetemp()

    def start_early(self) -> None:
        self._early = self._start(_EARLY)
        self._told.extend(map(_Part, _FIRST))
        for part in self._told:
            self._early.send(part)

    def run(self) -> bool | None:
        """Run the collected tests; None leaves this to pytest."""
        self._files = _files(self._session.items)
        self._parts.extend(part for part in map(_Part, self._files) if part not in self._told)
        number = min(self._number, len(self._files))
        if self._session.testsfailed or number < 2:
            return None
        if reporter := self._config.pluginmanager.get_plugin("terminalreporter"):
            reporter.showfspath = False  # tests of several files are reported in turn
        while len(self._processes) < number:
            self._start()
        while self._left:
            for pipe in wait([*self._left]):
                assert isinstance(pipe, Connection)
                self._receive(pipe)
        return True

    def end(self) -> None:
        """Close the workers' pipes, which ends them."""
        for pipe in self._processes:
            pipe.close()
        for process in self._processes.values():
            process.join(_END_LIMIT)
            process.kill()

    def _start(self, folders: Sequence[str] = ()) -> Connection:
        ours, theirs = multiprocessing.Pipe()
        name = f"gw{len(self._processes)}"
        others = [ours, *self._processes]
        worker = _Worker(self._session, theirs, name, self._folder / f"popen-{name}", folders)
        process = multiprocessing.get_context("fork").Process(target=worker.run, args=(others,), name=name)
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", DeprecationWarning)  # numpy has threads, which a fork ends well
            process.start()
        theirs.close()
        self._left[ours], self._processes[ours] = deque(), process
        return ours

    def _receive(self, pipe: Connection) -> None:
        try:
            message = pipe.recv()
        except (EOFError, ConnectionResetError):
            self._bury(pipe)
            return
        if message is None:
            self._hand_out(pipe)
        elif isinstance(message, str):
            raise RuntimeError(message)
        else:
            self._report(self._left[pipe].popleft(), message)

    def _hand_out(self, pipe: Connection) -> None:
        """Answer a worker that asks for a part; the early worker's first parts it has already."""
        if pipe == self._early and self._told:
            part = self._told.popleft()
        else:
            folders = _EARLY if pipe == self._early else ("",)
            part = next((part for part in self._parts if part.name.startswith(folders)), None)
            pipe.send(part)
            if not part:
                return
            self._parts.remove(part)
        self._left[pipe].extend(part.tests(self._files))

    def _bury(self, pipe: Connection) -> None:
        process = self._processes[pipe]
        process.join()
        left = self._left.pop(pipe)
        if process.exitcode and not left:
            raise RuntimeError(f"the worker {process.name} ended with exit code {process.exitcode}")
        if pipe == self._early:
            self._parts.extendleft(self._told)
            self._told.clear()
        if left:
            item = left.popleft()
            why = f"the worker {process.name} ended during this test with exit code {process.exitcode}"
            self._report(item, [pytest.TestReport(item.nodeid, item.location, {}, "failed", why, "call")])
        if left:
            name = _name(left[0])
            self._parts.appendleft(_Part(name, len(self._files[name]) - len(left)))
        if self._parts:
            self._start()

    def _report(self, item: pytest.Item, reports: list[Report]) -> None:
        hook = self._config.hook
        for data in reports:
            report = data
            if not isinstance(data, pytest.TestReport):
                report = hook.pytest_report_from_serializable(config=self._config, data=data)
            assert report.nodeid == item.nodeid
            hook.pytest_runtest_logreport(report=report)
        # the report has the item's location, which takes a tenth of a millisecond to find
        hook.pytest_runtest_logfinish(nodeid=report.nodeid, location=report.location)
        if self._session.shouldfail:
            raise self._session.Failed(self._session.shouldfail)
        if self._session.shouldstop:
            raise self._session.Interrupted(self._session.shouldstop)


class _Worker:
    """A forked process: it runs the parts that it is given, and sends each test's reports."""

    def __init__(
        self, session: pytest.Session, pipe: Connection, name: str, folder: Path, folders: Sequence[str]
    ) -> None:
        self._session = session
        self._config = session.config
        self._pipe = pipe
        self._name = name
        self._folder = folder
        self._collects = folders
        self._reports: list[Report] = []

    def run(self, others: list[Connection]) -> None:
        for pipe in others:
            pipe.close()
        try:
            self._prepare()
            if self._collects:
                self._config.args = [*self._collects]
                self._config.hook.pytest_collection(session=self._session)
            self._run_tests()
            self._config.hook.pytest_sessionfinish(session=self._session, exitstatus=0)
        except (EOFError, ConnectionError, KeyboardInterrupt):  # the run was ended
            os.dup2(os.open(os.devnull, os.O_WRONLY), 1)  # what fixtures print would follow the summary
            self._session._setupstate.teardown_exact(None)
        except BaseException:
            self._pipe.send(traceback.format_exc())

    def _prepare(self) -> None:
        config, plugins = self._config, self._config.pluginmanager
        config.stash[_NUMBER] = 0
        os.environ["PYTEST_XDIST_WORKER"] = self._name
        vars(config)["workerinput"] = {"workerid": self._name}
        self._folder.mkdir(mode=0o700)
        vars(vars(config)["_tmp_path_factory"])["_basetemp"] = self._folder
        capture: Any = plugins.get_plugin("capturemanager")
        capture.stop_global_capturing()  # its files are shared by all workers
        capture.start_global_capturing()
        if reporter := plugins.unregister(name="terminalreporter"):
            plugins.register(_Silent(reporter), "terminalreporter")
        plugins.register(self)

    def _run_tests(self) -> None:
        """Run them, each with the one that follows, so that fixtures end in time."""
        tests = self._tests()
        item = next(tests, None)
        while item:
            following = next(tests, None)
            self._reports = []
            item.config.hook.pytest_runtest_protocol(item=item, nextitem=following)
            self._pipe.send(self._reports)
            item = following

    def _tests(self) -> Iterator[pytest.Item]:
        files = _files(self._session.items)
        self._pipe.send(None)
        while part := self._pipe.recv():
            yield from part.tests(files)
            self._pipe.send(None)

    def pytest_runtest_logreport(self, report: pytest.TestReport) -> None:
        serial = self._config.hook.pytest_report_to_serializable
        self._reports.append(report if report.passed else serial(config=self._config, report=report))


class _Silent:
    """In the place of a worker's terminal reporter: pytest asks it how wide and colourful the terminal is."""

    def __init__(self, reporter: Any) -> None:
        self._tw = reporter._tw
