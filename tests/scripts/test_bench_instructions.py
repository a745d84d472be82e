"""The count of instructions, as far as it needs no valgrind."""

from __future__ import annotations

from pathlib import Path

import pytest
from scripts.bench_instructions import Count, read_counts

from scripts import bench_instructions


@pytest.mark.parametrize(
    ("arguments", "told"),
    [
        (["--only", "auto,fast"], "no case is called fast: there are auto, explicit, streamed"),
        (["--requests", "0"], "--requests must be at least 1"),
    ],
)
def test_wrong_arguments_are_misuse(
    arguments: list[str], told: str, capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(SystemExit, match="2"):
        bench_instructions.main(arguments)
    assert told in capsys.readouterr().err


def test_missing_valgrind_is_told(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    (tmp_path / ".venv" / "bin").mkdir(parents=True)
    (tmp_path / ".venv" / "bin" / "mitmdump").touch()
    monkeypatch.setattr(bench_instructions, "ROOT", tmp_path)
    assert bench_instructions.main([]) == 1
    assert "valgrind is not installed" in capsys.readouterr().err


def test_checkout_without_environment_is_told(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert bench_instructions.main(["--baseline", str(tmp_path)]) == 1
    assert f"{tmp_path} has no .venv" in capsys.readouterr().err


def test_counts_are_those_of_each_part_and_thread(tmp_path: Path) -> None:
    for part, thread, totals in [(1, 1, 9), (2, 1, 4_000_000), (2, 2, 600_000), (2, 3, 400_000), (3, 1, 2)]:
        text = f"version: 1\npart: {part}\nthread: {thread}\nevents: Ir\n1 2\ntotals: {totals}\n"
        (tmp_path / f"callgrind.out.{part}-{thread:02}").write_text(text)
    (tmp_path / "callgrind.out").write_text("version: 1\n")
    assert read_counts(tmp_path, 2)[1] == Count(2.0, 0.5)
