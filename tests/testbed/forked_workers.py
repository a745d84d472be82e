"""`pytest -n 5 --dist loadfile` with workers that are forked once the tests are collected.

xdist's workers each import all tests and their SDKs, and collect: a sixth of the suite's CPU time. These
share what the process has that they are forked from. As with xdist, the tests of a file run in one worker,
in order. A worker that dies fails the test that it ran, and another runs the rest of the file. Plugins take
a worker for one of xdist's, by `config.workerinput` and PYTEST_XDIST_WORKER. Linux only: elsewhere, and for
other values of `--dist`, xdist does it.
"""

from __future__ import annotations

import multiprocessing
import os
import sys
import traceback
import warnings
from collections import deque
from collections.abc import Iterator
from multiprocessing.connection import Connection, wait
from multiprocessing.process import BaseProcess
from pathlib import Path
from typing import Any

import pytest

Report = pytest.TestReport | dict[str, Any]
"""A report of what passed; any other, whose exception may not be pickled, in the form that xdist sends. That
form takes each side a quarter of a millisecond a test.
"""

WORKERS = pytest.StashKey[int]()
_TOGETHER = ("tests/cluster/",)
"""Folders that one worker runs as it runs a file: their tests share a database server, whose start costs more
CPU time than most files."""

_END_LIMIT = 60.0
"""Seconds that a worker has to end what it started."""


@pytest.hookimpl(tryfirst=True)
def pytest_cmdline_main(config: pytest.Config) -> None:
    """Take the place of xdist, which looks for its options next."""
    options = config.option
    wanted = getattr(options, "numprocesses", None)
    alone = options.usepdb or options.collectonly
    if sys.platform == "linux" and options.dist == "loadfile" and isinstance(wanted, int) and not alone:
        config.stash[WORKERS] = wanted
        options.numprocesses = 0


@pytest.hookimpl(tryfirst=True)
def pytest_runtestloop(session: pytest.Session) -> bool | None:
    files = _files(session.items)
    number = min(session.config.stash.get(WORKERS, 0), len(files))
    if number < 2 or session.testsfailed:
        return None
    _Workers(session, files).run(number)
    return True


def _files(items: list[pytest.Item]) -> deque[list[int]]:
    """The places in `items` of the tests of each file, or of a folder that is to stay together."""
    files: dict[str, list[int]] = {}
    for place, item in enumerate(items):
        folder = next(filter(item.nodeid.startswith, _TOGETHER), None)
        files.setdefault(folder or item.nodeid.partition("::")[0], []).append(place)
    return deque(files.values())


class _Workers:
    """The process that collected the tests: it hands out files and reports what comes back.

    A worker sends None for a file, a test's place with its reports, or the text of an error of its own.
    """

    def __init__(self, session: pytest.Session, files: deque[list[int]]) -> None:
        self._session = session
        self._config = session.config
        self._files = files
        self._left: dict[Connection, list[int]] = {}  # by worker the places of tests that it has not run
        self._processes: dict[Connection, BaseProcess] = {}
        self._started = 0
        factory: pytest.TempPathFactory = vars(self._config)["_tmp_path_factory"]
        self._folder = factory.getbasetemp()

    def run(self, number: int) -> None:
        if reporter := self._config.pluginmanager.get_plugin("terminalreporter"):
            reporter.showfspath = False  # tests of several files are reported in turn
        try:
            for _ in range(number):
                self._start()
            while self._left:
                for pipe in wait([*self._left]):
                    assert isinstance(pipe, Connection)
                    self._receive(pipe)
        finally:
            for pipe in self._processes:
                pipe.close()
            for process in self._processes.values():
                process.join(_END_LIMIT)
                process.kill()

    def _start(self) -> None:
        ours, theirs = multiprocessing.Pipe()
        self._started += 1
        name = f"gw{self._started - 1}"
        others = [ours, *self._processes]
        worker = _Worker(self._session, theirs, name, self._folder / f"popen-{name}")
        process = multiprocessing.get_context("fork").Process(target=worker.run, args=(others,), name=name)
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", DeprecationWarning)  # numpy has threads, which a fork ends well
            process.start()
        theirs.close()
        self._left[ours], self._processes[ours] = [], process

    def _receive(self, pipe: Connection) -> None:
        try:
            message = pipe.recv()
        except (EOFError, ConnectionResetError):
            self._bury(pipe)
            return
        if message is None:
            file = self._files.popleft() if self._files else []
            self._left[pipe] += file
            pipe.send(file)
        elif isinstance(message, str):
            raise RuntimeError(message)
        else:
            place, reports = message
            self._left[pipe].remove(place)
            self._report(reports)

    def _bury(self, pipe: Connection) -> None:
        process = self._processes[pipe]
        process.join()
        if left := self._left.pop(pipe):
            place, *rest = left
            item = self._session.items[place]
            why = f"the worker {process.name} ended during this test with exit code {process.exitcode}"
            crash = pytest.TestReport(item.nodeid, item.location, {}, "failed", why, "call")
            self._report([self._config.hook.pytest_report_to_serializable(config=self._config, report=crash)])
            if rest:
                self._files.appendleft(rest)
            self._start()
        elif process.exitcode:
            raise RuntimeError(f"the worker {process.name} ended with exit code {process.exitcode}")

    def _report(self, reports: list[Report]) -> None:
        hook = self._config.hook
        for data in reports:
            report = data
            if not isinstance(data, pytest.TestReport):
                report = hook.pytest_report_from_serializable(config=self._config, data=data)
            hook.pytest_runtest_logreport(report=report)
        hook.pytest_runtest_logfinish(nodeid=report.nodeid, location=report.location)
        if self._session.shouldfail:
            raise self._session.Failed(self._session.shouldfail)
        if self._session.shouldstop:
            raise self._session.Interrupted(self._session.shouldstop)


class _Worker:
    """A forked process: it runs the files that it is given, and sends each test's reports."""

    def __init__(self, session: pytest.Session, pipe: Connection, name: str, folder: Path) -> None:
        self._session = session
        self._config = session.config
        self._pipe = pipe
        self._name = name
        self._folder = folder
        self._reports: list[Report] = []

    def run(self, others: list[Connection]) -> None:
        for pipe in others:
            pipe.close()
        try:
            self._prepare()
            self._run_tests()
            self._config.hook.pytest_sessionfinish(session=self._session, exitstatus=0)
        except (EOFError, ConnectionError, KeyboardInterrupt):  # the run was ended
            os.dup2(os.open(os.devnull, os.O_WRONLY), 1)  # what fixtures print would follow the summary
            self._session._setupstate.teardown_exact(None)
        except BaseException:
            self._pipe.send(traceback.format_exc())

    def _prepare(self) -> None:
        config, plugins = self._config, self._config.pluginmanager
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
        items, places = self._session.items, self._places()
        place = next(places, None)
        while place is not None:
            following = next(places, None)
            item, after = items[place], None if following is None else items[following]
            self._reports = []
            item.config.hook.pytest_runtest_protocol(item=item, nextitem=after)
            self._pipe.send((place, self._reports))
            place = following

    def _places(self) -> Iterator[int]:
        while True:
            self._pipe.send(None)
            if not (file := self._pipe.recv()):
                return
            yield from file

    def pytest_runtest_logreport(self, report: pytest.TestReport) -> None:
        serial = self._config.hook.pytest_report_to_serializable
        self._reports.append(report if report.passed else serial(config=self._config, report=report))


class _Silent:
    """In the place of a worker's terminal reporter: pytest asks it how wide and colourful the terminal is."""

    def __init__(self, reporter: Any) -> None:
        self._tw = reporter._tw
