"""`smart-router stats`, `report` and `audit`; the page as a real browser shows it."""

from __future__ import annotations

import json
import re
import shutil
import subprocess
from collections.abc import Callable
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner, Result

from smart_router.cli.main import main
from smart_router.stats.database import StatsDatabase
from smart_router.stats.formatting import dollar_column, dollars, span
from smart_router.stats.report import DIMENSIONS
from smart_router.stats.tables import COLUMNS
from tests.live.cards import cards
from tests.stats.records import many

Run = Callable[..., Result]

CHROMIUM = next(filter(None, map(shutil.which, ("chromium", "chromium-browser", "google-chrome"))), None)


@pytest.fixture
def run(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Run:
    """Runs commands on a file with five hundred requests."""
    database = StatsDatabase(tmp_path, "run")
    database.write(list(many(500)), 500, 0)
    database.close()
    monkeypatch.setenv("SMART_ROUTER_STATE", str(tmp_path))

    def run(*args: object, status: int = 0) -> Result:
        result = CliRunner().invoke(main, [str(arg) for arg in args], catch_exceptions=False)
        assert result.exit_code == status, result.output
        return result

    return run


def figures(run: Run) -> dict[str, Any]:
    loaded: dict[str, Any] = json.loads(run("stats", "--json").stdout)
    return loaded


def test_stats_in_words_and_json(run: Run) -> None:
    report, text = figures(run), run("stats").stdout
    assert report["total"]["requests"] == 500
    assert re.search(r"^requests +500 *$", text, re.MULTILINE)
    assert dollars(report["total"]["cost"]) in text
    for name in DIMENSIONS:
        costs = dollar_column([row["cost"] for row in report["by"][name]])
        for row, cost in zip(report["by"][name], costs, strict=True):
            (line,) = (line for line in text.splitlines() if line.startswith(f"{row['name']} "))
            assert cost in line
            assert span(row["ttft"]["p95"]) in line


def test_stats_fit_a_terminal_of_80_columns(run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("FORCE_COLOR", "1")
    monkeypatch.setenv("COLUMNS", "80")
    report, text = figures(run), re.sub(r"\x1b\[[\d;]*m", "", run("stats").stdout)
    assert max(map(len, text.splitlines())) <= 80
    assert "…" not in text
    for name in DIMENSIONS:
        savings = dollar_column([row["saved"] for row in report["by"][name]])
        for row, saved in zip(report["by"][name], savings, strict=True):
            (line,) = (line for line in text.splitlines() if line.startswith(f"{row['name']} "))
            assert line.rstrip().endswith(saved)


def test_stats_of_nothing(run: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SMART_ROUTER_STATE", str(tmp_path / "none"))
    assert (
        run("stats").stdout == f"No requests yet; the router records them in {tmp_path}/none/stats.sqlite.\n"
    )
    run("report", "-o", tmp_path / "empty.html")
    assert run("audit", "tail").stdout == ""


def test_since(run: Run) -> None:
    assert json.loads(run("stats", "--json", "--since", "2030-01-01").stdout)["total"]["requests"] == 0
    assert "neither a span" in run("stats", "--since", "soon", status=2).output


def test_an_unreadable_file(run: Run, tmp_path: Path) -> None:
    (tmp_path / "stats.sqlite").write_bytes(b"no database" * 1_000)
    assert "stats.sqlite: file is not a database" in run("stats", status=1).output


def test_audit(run: Run) -> None:
    lines = [json.loads(line) for line in run("audit", "export").stdout.splitlines()]
    assert len(lines) == 500
    assert [json.loads(line) for line in run("audit", "tail", "-n", 3).stdout.splitlines()] == lines[-3:]
    assert run("audit", "export", "--since", "2030-01-01").stdout == ""


# The page.


class _Page(HTMLParser):
    """Tables by id, as rows of cells, and the big figures of the cards by id."""

    def __init__(self) -> None:
        super().__init__()
        self.tables: dict[str, list[list[str]]] = {}
        self.cards: dict[str, str] = {}
        self._rows: list[list[str]] = []
        self._card = ""
        self._tag = ""

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        named = dict(attrs)
        if tag == "table":
            self._rows = self.tables[str(named["id"])] = []
        elif tag == "tr":
            self._rows.append([])
        elif tag == "div" and str(named.get("class")).split()[0] == "card":
            self._card = str(named["id"])
        self._tag = tag

    def handle_data(self, data: str) -> None:
        if self._tag in ("td", "th"):
            self._rows[-1].append(data)
        elif self._tag == "b":
            self.cards[self._card] = data
        self._tag = ""


@pytest.mark.skipif(CHROMIUM is None, reason="no Chromium to render the page with")
def test_the_page_in_a_browser_shows_the_figures_of_the_json(run: Run, tmp_path: Path) -> None:
    assert CHROMIUM is not None
    path = tmp_path / "report.html"
    assert run("report", "-o", path).stdout == f"{path}\n"
    command = [CHROMIUM, "--headless", "--no-sandbox", "--disable-gpu", f"--user-data-dir={tmp_path}/profile"]
    shot = tmp_path / "shot.png"
    command += ["--dump-dom", f"--screenshot={shot}", "--window-size=1280,1600", path.as_uri()]
    done = subprocess.run(command, capture_output=True, text=True, timeout=60, check=True)
    page = _Page()
    page.feed(done.stdout)
    assert shot.read_bytes().startswith(b"\x89PNG")
    report = figures(run)
    assert page.cards == cards(report["total"])
    for name in DIMENSIONS:
        _, *rows = page.tables[f"by-{name}"]
        breakdown = report["by"][name]
        expected = zip(
            [row["name"] for row in breakdown], *(one.show(breakdown) for one in COLUMNS), strict=True
        )
        assert rows == [list(row) for row in expected]
