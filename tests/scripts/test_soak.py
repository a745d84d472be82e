"""The soak's verdicts and faults, and a short run with the router."""

from __future__ import annotations

import subprocess
import sys
from collections import Counter

import httpx
import pytest
from scripts.gateway_soak.faults import STREAM_FAULTS, draw, fails
from scripts.gateway_soak.memory import Growth, Idle, Plan
from scripts.gateway_soak.plan import AUTO, EXPLICIT, MARKER, Ask, answer_text, asks
from scripts.gateway_soak.report import as_json
from scripts.gateway_soak.soak import Outcome, Setting
from scripts.gateway_soak.storm import Storm
from scripts.gateway_soak.verdicts import (
    BEFORE,
    NEVER,
    SDK,
    Received,
    Tally,
    Verdict,
    broken_bounds,
    judge,
    read,
)

from scripts import soak
from tests.testbed.client_formats import Got
from tests.testbed.harness import ROOT
from tests.testbed.record import Request
from tests.testbed.spoiling import planned

ASK = Ask("router", 7, AUTO, True, "Hello {}")
WHOLE = ASK.expected
PART = WHOLE[: len(WHOLE) // 2]
OTHER = answer_text("soak-router-000008")

JUDGED: dict[str, tuple[Received, Verdict]] = {
    "whole": (Received(WHOLE, finished=True), Verdict.OK),
    "whole without its end": (Received(WHOLE), Verdict.CUT),
    "part": (Received(PART, finished=True), Verdict.CUT),
    "nothing": (Received(), Verdict.CUT),
    "part, then an error": (Received(PART, error="upstream_error", attempts=1), Verdict.AFTER),
    "error after an attempt": (Received(error="upstream_error", attempts=2), Verdict.TRIED),
    "error after an unknown number": (Received(error="upstream_error"), Verdict.TRIED),
    "error without an attempt": (Received(error="all_cooled", attempts=0), Verdict.UNTRIED),
    "connection lost before the head": (Received(broken=True), Verdict.LOST),
    "connection lost after content": (Received(PART, broken=True), Verdict.LOST),
    "twice": (Received(WHOLE + WHOLE, finished=True), Verdict.DOUBLED),
    "begun twice": (Received(PART + WHOLE, finished=True), Verdict.DOUBLED),
    "another's": (Received(OTHER, finished=True), Verdict.MIXED),
    "another's end": (Received(WHOLE + " " + OTHER, finished=True), Verdict.MIXED),
    "another's before an error": (Received(OTHER, error="upstream_error"), Verdict.MIXED),
    "something else": (Received("Hello.", finished=True), Verdict.WRONG),
}


@pytest.mark.parametrize("name", JUDGED)
def test_each_answer_gets_its_verdict(name: str) -> None:
    received, verdict = JUDGED[name]
    assert judge(received, WHOLE) is verdict


HEAD = httpx.Headers({"x-router-attempts": "2"})
READ: dict[str, tuple[Got, Received]] = {
    "whole": (Got(200, HEAD, "ab", finished=True), Received("ab", finished=True, attempts=2)),
    "error in a stream": (Got(200, text="a", error={"code": None, "type": "x"}), Received("a", error="x")),
    "error": (
        Got(503, HEAD, error={"code": 503, "status": "UNAVAILABLE"}),
        Received(error="503", attempts=2),
    ),
    "broken": (Got(200, text="a", broken=True, malformed="cut"), Received("a", broken=True)),
}


@pytest.mark.parametrize("name", READ)
def test_answers_are_read(name: str) -> None:
    got, received = READ[name]
    assert read(got) == received


def test_answer_in_another_format_is_wrong() -> None:
    assert judge(read(Got(200, malformed="no JSON")), WHOLE) is Verdict.WRONG


def test_seed_gives_the_same_requests_with_distinct_markers() -> None:
    planned_asks = list(asks("router", 3, 1000))
    assert planned_asks == list(asks("router", 3, 1000))
    assert len({ask.marker for ask in planned_asks}) == 1000
    assert all(MARKER.findall(ask.text) == [ask.marker] for ask in planned_asks)
    kinds = Counter(ask.kind for ask in planned_asks)
    assert kinds.keys() == {AUTO, *EXPLICIT}
    assert 700 < kinds[AUTO] < 840


def test_faults_occur_at_their_rate() -> None:
    drawn = Counter(draw(1, 0.2, number, 1, streams=True) for number in range(5000))
    assert 900 < 5000 - drawn[None] < 1100
    assert drawn.keys() == {None, *STREAM_FAULTS}
    assert 0.1 < sum(not fails(name, streams=True) for name in STREAM_FAULTS) / len(STREAM_FAULTS) <= 0.4


@pytest.mark.parametrize(
    "path",
    [
        "/openai/v1/chat/completions",
        "/v1/messages",
        "/v1beta/models/m:streamGenerateContent",
        "/openai/v1/responses",
    ],
)
@pytest.mark.parametrize("fault", STREAM_FAULTS)
def test_each_fault_can_be_played_on_each_wire(fault: str, path: str) -> None:
    due = planned(Request("POST", path, {}, b'{"model": "m", "stream": true}', 1, "1.1"), WHOLE)
    answer = STREAM_FAULTS[fault](due)
    assert answer != due.answer
    before = due.answer.body[: due.middle]
    assert [word in before for word in (b":2", b":3")] == [True, False]


def _tally(ok: int, **verdicts: int) -> Tally:
    counts = {Verdict.OK: ok} | {Verdict[name]: count for name, count in verdicts.items()}
    return Tally(Counter(counts))


BOUNDS: dict[str, tuple[dict[str, Tally], int, int]] = {
    "all well": ({AUTO: _tally(1000), "chat": _tally(100), SDK: _tally(100)}, 1, 0),
    "auto failed": ({AUTO: _tally(9990, TRIED=1)}, 4, 1),
    "auto had no luck": ({AUTO: _tally(990, SPENT=10)}, 4, 0),
    "auto failed after content": ({AUTO: _tally(900, AFTER=100)}, 4, 0),
    "explicit worse than the SDK": ({"chat": _tally(500, TRIED=500), SDK: _tally(900, TRIED=100)}, 1, 1),
    "explicit within the noise": ({"chat": _tally(89, TRIED=11), SDK: _tally(90, TRIED=10)}, 1, 0),
    "explicit with several keys": ({"chat": _tally(500, TRIED=500), SDK: _tally(900)}, 4, 0),
    "the SDK's own": ({SDK: _tally(50, CUT=50)}, 4, 0),
    **{verdict.value: ({AUTO: _tally(10_000, **{verdict.name: 1})}, 4, 1) for verdict in NEVER},
}


@pytest.mark.parametrize("name", BOUNDS)
def test_bounds(name: str) -> None:
    tallies, keys, broken = BOUNDS[name]
    assert len(list(broken_bounds(tallies, keys))) == broken


@pytest.mark.parametrize(
    ("attempts", "recovery", "broken"), [(2600, 1.9, 0), (2601, 1.9, 1), (0, 2.0, 1), (0, None, 1)]
)
def test_bounds_of_a_storm(attempts: int, recovery: float | None, broken: int) -> None:
    assert len(list(Storm("silent", 2000, attempts, [], recovery).broken_bounds())) == broken


MEMORY: dict[str, tuple[Growth | Idle, int]] = {
    "level": (Growth("mitmdump", 40, [90.0, 110.0, 112.0, 120.9]), 0),
    "growing": (Growth("mitmdump", 40, [90.0, 100.0, 105.0, 111.0]), 1),
    "failing": (Growth("mitmweb", 20, [90.0, 100.0], Counter({"status 502": 1})), 1),
    "all open": (Idle(2000, 2000, [100.0, 240.0, 240.0, 250.0, 250.0], 0.3), 0),
    "some open": (Idle(2000, 1999, [100.0, 240.0, 240.0, 250.0, 250.0], 0.3), 1),
    "large": (Idle(100, 100, [100.0, 240.0, 240.0, 250.0, 250.0], 0.3), 1),
    "kept": (Idle(2000, 2000, [100.0, 240.0, 200.0, 250.0, 221.0], 0.3), 1),
    "others wait": (Idle(2000, 2000, [100.0, 240.0, 240.0, 250.0, 250.0], 3.0), 1),
}


@pytest.mark.parametrize("name", MEMORY)
def test_bounds_of_memory(name: str) -> None:
    found, broken = MEMORY[name]
    assert len(list(found.broken_bounds())) == broken


def test_streams_one_after_the_other_and_at_once_are_measured() -> None:
    growth, idle = soak.run_memory(Plan({"mitmdump": 20}, batch=10, idle=10, seconds=3.0))
    assert isinstance(growth, Growth)
    assert isinstance(idle, Idle)
    assert (growth.requests, len(growth.rss), growth.failures) == (20, 3, {})
    assert (len(idle.rss), idle.failures) == (5, {})
    assert idle.at_once > 0


def test_help_lists_the_bounds() -> None:
    command = [sys.executable, "scripts/soak.py", "--help"]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=60, check=True)
    assert "no auto request fails before content" in " ".join(done.stdout.split())
    assert "--full" in done.stdout


@pytest.mark.parametrize(
    "args", [["--fault-rate", "2"], ["--requests", "0"], ["--seconds", "-1"], ["--seed", "x"]]
)
def test_misuse_is_reported(args: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as exit_:
        soak.main(args)
    assert exit_.value.code == 2
    assert args[0] in capsys.readouterr().err


def test_json_without_requests() -> None:
    told = as_json(Outcome(Setting()), [], [], ["broken"])
    assert (told["broken"], told["storm"], told["answers"]["auto"]["requests"]) == (["broken"], [], 0)


def test_faults_hardly_show_and_no_answer_is_lost_cut_doubled_mixed_or_wrong() -> None:
    outcome = soak.run_soak(Setting(requests=150, silence=0.4))
    told = as_json(outcome, [], [], [])
    assert told["answers"]["auto"]["requests"] + told["answers"]["explicit"]["requests"] == 150
    assert told["answers"]["SDK"]["requests"] == told["answers"]["explicit"]["requests"]
    assert outcome.tallies[SDK].share(Verdict.OK) > 0.5, outcome.tallies[SDK].errors
    assert len(outcome.faults) > 20 and any("later" in name for name in outcome.faults)
    routed = sum((tally for kind, tally in outcome.tallies.items() if kind != SDK), Tally())
    assert {verdict: routed.verdicts[verdict] for verdict in NEVER} == dict.fromkeys(NEVER, 0)
    assert outcome.tallies[AUTO].share(*BEFORE) == 0, outcome.tallies[AUTO].errors
