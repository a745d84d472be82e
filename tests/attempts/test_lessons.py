"""Lessons: a refused request is repaired and sent once more, and the next ones are right at once."""

from __future__ import annotations

import json
import logging
import stat
from pathlib import Path
from typing import Any

import pytest

from smart_router.attempts.attempt import Attempt
from smart_router.attempts.exchange import Exchange, Exhausted
from smart_router.attempts.lesson_file import MOST, Lesson, keep_lessons, read_lessons
from smart_router.attempts.lessons import KEPT, MOST_REPAIRS, Lessons
from smart_router.attempts.steps import select_step
from smart_router.dialects.errors import read_error
from smart_router.dialects.model_rules import ModelRules
from smart_router.errors import UpstreamError
from smart_router.routing.decision import Candidate
from smart_router.ui.comments import outcome_of
from tests.testbed.exchanges import exchange
from tests.testbed.waiting import wait_for


def refuses(name: str) -> UpstreamError:
    message = f"Unsupported parameter: '{name}' is not supported with this model."
    body = {"error": {"message": message, "param": name, "code": "unsupported_parameter"}}
    return read_error(400, {}, body, (), 0.0)


def start(*names: str, like: Exchange | None = None, **fields: Any) -> Exchange:
    """An exchange, with what `like` has learned."""
    one = exchange(*names, explicit=len(names) == 1, **fields)
    if like is not None:
        one.services = like.services
    return one


def sent(one: Exchange, now: float = 0.0) -> dict[str, Any]:
    """The body of the next attempt."""
    step = select_step(one, now)
    assert isinstance(step, Attempt)
    body: dict[str, Any] = json.loads(step.flow.request.content or b"")
    return body


def test_the_same_candidate_is_asked_once_more_and_then_rightly_at_once(
    caplog: pytest.LogCaptureFixture,
) -> None:
    caplog.set_level(logging.WARNING)
    one = start("a/m", top_p=0.5, seed=7)
    assert sent(one)["top_p"] == 0.5
    one.failed(refuses("top_p"), 0.0)
    again = sent(one)
    assert "top_p" not in again
    assert again["seed"] == 7
    assert [attempt.profile_id for attempt in one.attempts] == ["a:env", "a:env"]
    assert "learned dropped = top_p" in outcome_of(one, one.attempts[0])
    two = start("a/m", like=one, top_p=0.5)
    assert "top_p" not in sent(two)
    assert "top_p" in sent(start("b/m", like=one, top_p=0.5))
    assert [record.message for record in caplog.records] == [
        "a/m does not take what the router sent; for a day it gets dropped = top_p. "
        "It said: Unsupported parameter: 'top_p' is not supported with this model."
    ]


def test_auto_moves_on_if_the_refusal_teaches_nothing() -> None:
    one = start("a/m", "b/m")
    for candidate in ("a/m", "b/m"):
        step = select_step(one, 0.0)
        assert isinstance(step, Attempt) and str(step.candidate) == candidate
        one.failed(refuses("tools"), 0.0)
    step = select_step(one, 0.0)
    assert isinstance(step, Exhausted)
    assert step.error.status == 400


def test_one_that_goes_on_refusing_is_left_in_the_end() -> None:
    names = ["top_p", "seed", "temperature", "logit_bias", "metadata"]
    one = start("a/m", "b/m", **dict.fromkeys(names, 1))
    for name in names[:MOST_REPAIRS]:
        step = select_step(one, 0.0)
        assert isinstance(step, Attempt) and str(step.candidate) == "a/m"
        one.failed(refuses(name), 0.0)
    assert one.number == MOST_REPAIRS


def test_a_native_request_teaches_nothing() -> None:
    one = start("a/m", top_p=1)
    step = select_step(one, 0.0)
    assert isinstance(step, Attempt)
    object.__setattr__(step.call, "native", True)
    one.failed(refuses("top_p"), 0.0)
    assert isinstance(select_step(one, 0.0), Exhausted)


def test_lessons_are_kept_in_a_file_for_other_workers_and_the_next_start(tmp_path: Path) -> None:
    file, model = tmp_path / "state" / "lessons.json", Candidate("a", "m")
    one = start("a/m", top_p=1)
    select_step(one, 0.0)
    first, second = Lessons(file, lambda: 1_000_000.0), Lessons(file, lambda: 1_000_050.0)
    first.learn(one.attempts, refuses("top_p"), one.request, 100.0)
    first.close()
    assert stat.S_IMODE(file.stat().st_mode) == 0o600
    second.look(7.0)
    assert second.amend(model, ModelRules(), 7.0 + KEPT - 60).dropped == {"top_p"}
    assert second.notes(model) == ("learned dropped = top_p",)
    assert second.amend(model, ModelRules(), 7.0 + KEPT - 40) == ModelRules()
    assert read_lessons(file, 1_000_000.0 + KEPT) == {}


@pytest.mark.parametrize(
    "content", ["", "[]", '{"a/m": 1}', '{"a/m": {"changes": {"wire": 1}, "until": 9e9}}']
)
def test_a_damaged_file_of_lessons_is_none_and_is_written_anew(tmp_path: Path, content: str) -> None:
    file = tmp_path / "lessons.json"
    file.write_text(content)
    assert read_lessons(file, 1.0) == {}
    lesson = Lesson({"wire": "responses", "dropped": frozenset({"stop"}), "nearest": {"max": "high"}}, 2.0)
    keep_lessons(file, {"a/m": lesson}, 1.0)
    keep_lessons(file, {"b/m": lesson}, 1.0)
    assert read_lessons(file, 1.0) == {"a/m": lesson, "b/m": lesson}


def test_lessons_wait_for_a_file_that_cannot_be_written(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    blocked, one = tmp_path / "state", start("a/m", top_p=1)
    blocked.write_text("")
    select_step(one, 0.0)
    lessons = Lessons(blocked / "lessons.json", lambda: 1.0)
    lessons.learn(one.attempts, refuses("top_p"), one.request, 100.0)
    wait_for(lambda: "cannot be written" in caplog.text)
    blocked.unlink()
    lessons.close()
    assert read_lessons(blocked / "lessons.json", 1.0).keys() == {"a/m"}


def test_lessons_end_after_a_day_and_their_number_is_bounded() -> None:
    one = start("a/m", top_p=1)
    select_step(one, 0.0)
    one.failed(refuses("top_p"), 100.0)
    lessons, rules = one.services.lessons, ModelRules()
    assert lessons.amend(Candidate("a", "m"), rules, 100.0 + KEPT - 1).dropped == {"top_p"}
    assert lessons.amend(Candidate("a", "m"), rules, 100.0 + KEPT) is rules
    many, attempt = Lessons(), one.attempts[0]
    for number in range(MOST + 1):
        attempt.candidate = Candidate("a", f"m{number}")
        many.learn([attempt], refuses("top_p"), {"messages": [], "top_p": 1}, 0.0)
    assert many.amend(Candidate("a", "m0"), rules, 1.0) is rules
    assert many.amend(Candidate("a", f"m{MOST}"), rules, 1.0).dropped == {"top_p"}
