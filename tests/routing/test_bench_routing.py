"""The routing benchmark runs on any folder of sets, and sets another scorer beside ours."""

from __future__ import annotations

import gzip
import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from smart_router.routing.decision import TIERS
from tests.testbed.harness import ROOT

SCRIPTS = ROOT / "scripts"
SETS = ("one", "two")
PROMPTS = [
    f"{task} number {i}{' and more' * i}" for i in range(12) for task in ("Prove theorem", "Greet Ann")
]


@pytest.fixture
def data(tmp_path: Path) -> Path:
    """Two sets in which the strong model is better where something is proved, and labelled prompts."""
    for set_ in SETS:
        write(tmp_path / f"{set_}.jsonl.gz", [result(set_, i, text) for i, text in enumerate(PROMPTS)])
    labelled = [
        {
            "id": f"t{i}",
            "prompt": text,
            "lang": "en",
            "source": "mine",
            "tier": TIERS[3 if "Prove" in text else 0],
        }
        for i, text in enumerate(PROMPTS)
    ]
    write(tmp_path / "tiers.jsonl.gz", labelled)
    return tmp_path


def result(set_: str, i: int, text: str) -> dict[str, Any]:
    strong = float("Prove" in text or i % 8 == 1)
    models = {"weak": {"q": float(i == 1)}, "other": {"q": 0.5}, "strong": {"q": strong}}
    row = {"id": f"{set_}/{i}", "dataset": set_, "task": f"{set_}{i % 3}", "lang": "en", "prompt": text}
    return row | {"weak": "weak", "strong": "strong", "models": models}


def write(path: Path, rows: list[dict[str, Any]]) -> None:
    path.write_bytes(gzip.compress("\n".join(map(json.dumps, rows)).encode()))


def scores(folder: Path, score: Any) -> str:
    for set_ in SETS:
        rows = [{"id": f"{set_}/{i}", "score": score(text)} for i, text in enumerate(PROMPTS)]
        (folder / f"other_{set_}.jsonl").write_text("\n".join(map(json.dumps, rows)), "utf-8")
    return str(folder / "other_{}.jsonl")


def bench(data: Path, *args: str) -> str:
    command = [sys.executable, "scripts/bench_routing.py", "--data", str(data), *args]
    env = os.environ | {"OPENBLAS_NUM_THREADS": "1", "OMP_NUM_THREADS": "1"}  # others would wait in loops
    done = subprocess.run(command, cwd=ROOT, env=env, capture_output=True, text=True, timeout=60, check=False)
    assert (done.returncode, done.stderr) == (0, "")
    return done.stdout


def test_prints_apgr_tiers_and_latency(data: Path) -> None:
    printed = bench(data)
    for line in (
        "one ",
        "two ",
        "labelled prompts: 24, ",
        "not fitted on, English: ",
        "other languages: ",
        "other languages, weights before: ",
        "microseconds",
    ):
        assert f"\n{line}" in printed
    assert printed.split()[:5] == ["APGR", "prompts", "ours", "length", "before"]
    assert "theirs" not in printed


def test_another_scorer_beside_ours(data: Path) -> None:
    against = scores(data, lambda text: "complex" if "Greet" in text else "simple")
    printed = bench(data, "--against", against, "--draws", "100")
    rows = {line[:26].strip(): line[26:].split() for line in printed.splitlines()}
    theirs = [float(value) for value in rows["theirs"]]
    assert len(theirs) == 3 and max(theirs) < 0.5
    for ours in ("ours", "ours, sources left out"):
        *_, mean, less, low, high = rows[ours]
        assert float(mean) > 0.6 and float(low.strip("[,")) <= float(less) <= float(high.strip("]"))
        assert float(low.strip("[,")) > 0


def test_scores_of_every_prompt_are_asked_for(data: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.syspath_prepend(str(SCRIPTS))
    from routing_against import read_scores  # type: ignore[import-not-found]
    from routing_corpus import read  # type: ignore[import-not-found]

    corpus = read([data])
    theirs = read_scores(scores(data, len), corpus)
    assert [theirs[i] for i in range(3)] == [len(text) for text in PROMPTS[:3]]
    assert set(corpus.sets[theirs != theirs]) == {"labelled", "own"}
    (data / "other_two.jsonl").write_text("", "utf-8")
    with pytest.raises(ValueError, match="no score of two/0"):
        read_scores(str(data / "other_{}.jsonl"), corpus)


def test_target_is_the_gain_and_the_weak_models_failure(data: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.syspath_prepend(str(SCRIPTS))
    from routing_corpus import read
    from routing_fit.data import GAIN_SHARE, UNIT, measured  # type: ignore[import-not-found]

    target = measured(read([data])).target * UNIT
    nobody_fails, only_the_weak_one, both_fail = target[1], target[0], target[3]
    assert (nobody_fails, only_the_weak_one) == (0, 1)
    assert both_fail == pytest.approx(1 - GAIN_SHARE)
