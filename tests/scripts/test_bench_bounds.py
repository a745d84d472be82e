"""Far too large messages, at a fraction of the benchmark's size: memory and other clients are spared."""

from __future__ import annotations

import pytest

from scripts import bench_bounds

RESULTS = {"uploads": "503", "bomb": "502"}


def test_far_too_large_messages_are_refused_and_harm_nobody(capsys: pytest.CaptureFixture[str]) -> None:
    rows = {row.attack: row for row in bench_bounds.run(0.12, [*RESULTS], warm_up=20)}
    for name, result in RESULTS.items():
        assert result in rows[name].result
        assert (rows[name].failed, rows[name].growth < bench_bounds.MAX_GROWTH) == (0, True), str(rows[name])
        assert rows[name].p99 < 4 * bench_bounds.MAX_P99, str(rows[name])  # a busy machine is given some room
    assert len(capsys.readouterr().out.splitlines()) == len(RESULTS)
