from __future__ import annotations

import json

import pytest
from scripts.simulate_cluster import main


def test_the_figures_are_of_the_machines_that_were_asked_for(capsys: pytest.CaptureFixture[str]) -> None:
    main(["--machines", "3", "--requests-per-minute", "6000", "--limits", "0", "--seconds", "40", "--json"])
    found = json.loads(capsys.readouterr().out)
    assert found["requests"] == pytest.approx(100, rel=0.2)
    assert found["rows written"] == pytest.approx(3 * found["requests"] + 5, rel=0.1)
    main(["--machines", "3", "--requests-per-minute", "6000", "--seconds", "2"])
    assert "3 machines, 6,000 requests/minute" in capsys.readouterr().out
