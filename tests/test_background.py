"""Threads and repeated steps beside requests: they survive errors, and /health is told of them."""

from __future__ import annotations

import ctypes
import logging
import threading
from collections.abc import Iterator
from queue import SimpleQueue

import pytest

from smart_router import background
from smart_router.background import BackgroundThread, RepeatedStep

SOON = 5.0


class Work:
    """Meets the given errors one after the other, then runs until `over`."""

    def __init__(self, *errors: BaseException) -> None:
        self.errors = list(errors)
        self.runs: SimpleQueue[int] = SimpleQueue()
        self.over = threading.Event()
        self.ident = 0

    def __call__(self) -> None:
        self.ident = threading.get_ident()
        self.runs.put(1)
        if self.errors:
            raise self.errors.pop(0)
        self.over.wait()


@pytest.fixture
def work() -> Iterator[Work]:
    made = Work()
    yield made
    made.over.set()


def own() -> list[dict[str, object]]:
    return [one for one in background.report() if one["name"] == "test"]


@pytest.mark.parametrize("error", [RuntimeError("a bug"), SystemExit("a bug"), KeyboardInterrupt("a bug")])
def test_a_thread_goes_on_after_any_error_and_reports_it(
    error: BaseException, work: Work, caplog: pytest.LogCaptureFixture
) -> None:
    work.errors = [error, error]
    thread = BackgroundThread("test", work)
    thread.start()
    for _ in range(3):
        work.runs.get(timeout=SOON)
    (told,) = own()
    assert told == {
        "name": "test", "state": "running", "restarts": 2, "error": f"{type(error).__name__}: a bug"
    }  # fmt: skip
    assert caplog.text.count("the thread test failed and is started again") == 2
    work.over.set()
    thread.join(SOON)
    assert own() == []


@pytest.mark.filterwarnings("ignore::pytest.PytestUnhandledThreadExceptionWarning")
def test_a_thread_that_is_killed_while_it_pauses_is_gone_until_it_is_revived(
    work: Work, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(background, "PAUSE_FIRST", 0.5)
    work.errors = [RuntimeError("a bug")]
    thread = BackgroundThread("test", work)
    thread.start()
    work.runs.get(timeout=SOON)
    (running,) = [one for one in threading.enumerate() if one.ident == work.ident]
    ctypes.pythonapi.PyThreadState_SetAsyncExc(ctypes.c_ulong(work.ident), ctypes.py_object(SystemExit))
    running.join(SOON)
    assert own()[0]["state"] == "gone"
    assert background.troubles() == [
        "test, which works in the background, is gone: RuntimeError: a bug"
    ]  # as /health says it
    background.revive()
    work.runs.get(timeout=SOON)
    assert [(one["state"], one["restarts"]) for one in own()] == [("running", 1)]
    assert "the thread test has ended" in caplog.text
    work.over.set()
    thread.join(SOON)


def test_a_thread_that_cannot_be_started_is_started_later(
    work: Work, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As with `ulimit -u`: the system has no thread left."""

    def no_thread(thread: threading.Thread) -> None:
        raise RuntimeError("can't start new thread")

    thread = BackgroundThread("test", work)
    with monkeypatch.context() as patched:
        patched.setattr(threading.Thread, "start", no_thread)
        thread.start()
        assert [(one["state"], one["error"]) for one in own()] == [
            ("gone", "RuntimeError: can't start new thread")
        ]
    background.revive()
    work.runs.get(timeout=SOON)
    assert own()[0]["state"] == "running"
    work.over.set()
    thread.join(SOON)


def test_work_that_was_told_to_end_is_not_started_again() -> None:
    ended = threading.Event()

    def run() -> None:
        ended.wait()
        raise RuntimeError("at the end")

    thread = BackgroundThread("test", run)
    thread.start()
    threading.Timer(0.0, ended.set).start()
    thread.join(SOON)
    background.revive()
    assert own() == []
    assert [one for one in threading.enumerate() if one.name == "test"] == []


def test_a_step_that_fails_ends_nothing_and_is_logged_once_in_a_row(
    caplog: pytest.LogCaptureFixture,
) -> None:
    caplog.set_level(logging.ERROR)
    duty = RepeatedStep("test", "the step failed")
    for _ in range(3):
        with duty:
            raise ValueError("odd")
    assert own() == [{"name": "test", "state": "failing", "restarts": 0, "error": "ValueError: odd"}]
    with duty:
        pass
    assert [(one["state"], one["error"]) for one in own()] == [("running", "ValueError: odd")]
    assert caplog.text.count("the step failed") == 1
    with pytest.raises(SystemExit), duty:
        raise SystemExit
