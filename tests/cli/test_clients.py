"""`smart-router clients`: keys are shown once, and what clients used is shown beside their limits."""

from __future__ import annotations

import json
import time
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner, Result

from smart_router.cli.main import main
from smart_router.client_keys.client import Allotment
from smart_router.client_keys.counters import Counters, Use
from smart_router.client_keys.database import changing
from smart_router.client_keys.limits import read_limit
from smart_router.cluster.pots import POTS, pot_name
from smart_router.cluster.replica_file import ReplicaFile


@pytest.fixture(autouse=True)
def state(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("SMART_ROUTER_STATE", str(tmp_path / "state"))
    monkeypatch.setenv("SMART_ROUTER_CONFIG", str(tmp_path / "config.toml"))
    return tmp_path / "state"


def run(*arguments: str, code: int = 0) -> Result:
    result = CliRunner().invoke(main, ["clients", *arguments])
    assert result.exit_code == code, result.output
    return result


def told(*arguments: str) -> Any:
    return json.loads(run(*arguments, "--json").stdout)


def test_key_is_shown_once() -> None:
    added = run("add", "ann")
    key = added.stdout.strip()
    assert key.startswith("srk-") and "\n" not in key and "shown this once" in added.stderr
    for command in (["list"], ["show", "ann"], ["list", "--json"], ["show", "ann", "--json"]):
        assert key.rpartition("-")[2] not in run(*command).output
    (shown,) = told("show", "ann")["keys"]
    assert key.startswith(shown["key"].removesuffix("…"))


def test_client_is_added_with_all_it_may_do() -> None:
    limits = ("--limit", "10 USD/day", "--limit", "2M tokens/week")
    told("add", "ann", *limits, "--models", "auto, openai/*", "--tag", "team", "--admin", "--expires", "90d")
    told("tag", "team", "--limit", "$100/month")
    shown = told("show", "ann")
    facts = {name: shown[name] for name in ("state", "admin", "tag", "models", "on_limit", "on_cluster_away")}
    assert facts == {
        "state": "active",
        "admin": True,
        "tag": "team",
        "models": ["auto", "openai/*"],
        "on_limit": "refuse",
        "on_cluster_away": None,
    }
    assert [one["limit"] for one in shown["limits"]] == [
        "10 USD/day",
        "2,000,000 tokens/week",
        "100 USD/month",
    ]
    assert [one["tag"] for one in shown["limits"]] == [None, None, "team"]


def test_list_shows_what_is_used_of_each_limit(state: Path) -> None:
    run("add", "ann", "--limit", "10 USD/day", "--tag", "team")
    run("tag", "team", "--limit", "60 requests/minute")
    with changing(state) as file:
        (own, shared) = file.read().clients["ann"].client.allotments
    counters, now = Counters(state), time.time()
    counters.add(Use(own.key, own.limit.period(now).start, 2_500_000_000))
    counters.close()
    assert shared.key == Allotment("tag:team", read_limit("60 requests/minute")).key
    (ann,) = (listed := told("list"))["clients"]
    assert (ann["limits"][0]["used"], ann["limits"][0]["left"]) == (2.5, 7.5)
    assert listed["tags"][0]["clients"] == ["ann"]
    assert "2.5 of 10 USD/day" in run("list").output
    assert "2.5 used (25%), resets" in run("show", "ann").output


def test_list_counts_what_other_machines_of_a_cluster_have_used(state: Path) -> None:
    run("add", "ann", "--limit", "10 USD/day")
    with changing(state) as file:
        (limit,) = file.read().clients["ann"].client.allotments
    name = pot_name(limit, limit.limit.period(time.time()))
    with ReplicaFile(state) as replica:
        replica.note(**{POTS: f'{{"machines": 3, "pots": {{"{name}": [2500000000, 1]}}}}'})
    assert told("show", "ann")["limits"][0]["used"] == 2.5


def test_rotate_gives_another_key_and_the_old_one_a_time() -> None:
    old, new = told("add", "ann")["key"], told("rotate", "ann", "--grace", "24h")
    assert new["key"] != old
    assert [bool(key["ends_at"]) for key in new["keys"]] == [False, True]


def test_change_lifts_what_is_named() -> None:
    run("add", "ann", "--limit", "1 USD/day", "--models", "auto", "--tag", "team", "--expires", "1d")
    run("change", "ann", "--limit", "none", "--models", "all", "--tag", "", "--expires", "never")
    shown = told("show", "ann")
    assert [shown[name] for name in ("limits", "models", "tag", "expires_at")] == [[], None, None, None]


def test_add_tells_the_end_of_a_key_and_of_patterns_that_match_nothing() -> None:
    added = run("add", "ann", "--expires", "2100-01-01T00:00:00Z", "--models", "auto,opnai/*,*/gpt-5*")
    assert "shown this once, and ends at 2100-01-01T00:00:00Z." in added.stderr
    warnings = [line for line in added.stderr.splitlines() if line.startswith("warning")]
    missing = "warning: opnai/* matches no model, there is no provider opnai; did you mean openai?"
    assert warnings == [missing]
    assert run("change", "ann", "--models", "openai/*").stderr == ""


def test_revoked_client_says_so_and_its_name_can_be_used_again() -> None:
    run("add", "ann")
    assert told("revoke", "ann")["state"] == "revoked"
    assert "revoked" in run("list").output
    assert "is revoked" in run("rotate", "ann", code=1).output
    run("add", "ann")
    assert told("show", "ann")["state"] == "active"


WRONG = [
    (["add", "-x"], "No such option"),
    (["add", "a b"], "no name"),
    (["add", "own_login"], "no name"),
    (["add", "ann", "--tag", "my team"], "no name"),
    (["add", "ann", "--limit", "10 EUR/day"], "no limit"),
    (["add", "ann", "--limit", "1 USD/day", "--limit", "2 USD/day"], "same unit and window"),
    (["add", "ann", "--expires", "soon"], "neither a span"),
    (["add", "ann", "--expires", "2020-01-01"], "in the past"),
    (["rotate", "ann", "--grace", "soon"], "no span"),
]


@pytest.mark.parametrize(("arguments", "said"), WRONG)
def test_misuse_is_named(arguments: list[str], said: str) -> None:
    assert said in run(*arguments, code=2).output.replace("\n", " ")


def test_unknown_and_known_names_are_one_line(tmp_path: Path) -> None:
    run("add", "ann")
    (tmp_path / "config.toml").write_text('[clients]\ndesk = "a long random string"\n')
    for arguments, said in (
        (["show", "bob"], "there is no client bob"),
        (["tag", "team"], "there is no tag team"),
        (["revoke", "bob"], "there is no client bob"),
        (["add", "ann"], "exists"),
        (["add", "desk"], "stands in the config"),
    ):
        output = run(*arguments, code=1).output
        assert said in output and output.count("\n") == 1
