"""`smart-router cluster`, against a real database."""

from __future__ import annotations

import json
import re
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from click.testing import CliRunner, Result
from pydantic import SecretStr

from smart_router.cli.cluster import cluster
from smart_router.cli.main import main
from smart_router.cluster.database import SharedDatabase
from smart_router.cluster.machines import Presence, register
from smart_router.cluster.replica_file import ReplicaFile
from smart_router.cluster.schema import MIGRATIONS
from smart_router.cluster.sealing import Seal
from smart_router.cluster.settings import KEY, URL
from tests.testbed.postgres import Postgres


@pytest.fixture
def database(postgres: Postgres, monkeypatch: pytest.MonkeyPatch) -> str:
    url = postgres.new_database()
    monkeypatch.setenv(URL, url)
    return url


@pytest.fixture(autouse=True)
def _own_machine(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HOME", str(tmp_path))  # of a CA there, doctor would ask programs
    monkeypatch.setenv("SMART_ROUTER_STATE", str(tmp_path / "state"))
    monkeypatch.setenv("SMART_ROUTER_CONFIG", str(tmp_path / "config.toml"))
    (tmp_path / "config.toml").write_text('[cluster]\nname = "desk"\n')


def run(*args: str) -> Result:
    return CliRunner().invoke(cluster, args)


def test_a_machine_joins_an_empty_database_is_listed_and_leaves(
    postgres: Postgres, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv(URL, postgres.empty_database())
    assert "no machine has joined" in run("status").output
    assert run("join").stdout == f"desk belongs to the cluster (tables of version {len(MIGRATIONS)})\n"
    assert "desk (this one): ok" in run("status").output
    listed = json.loads(run("status", "--json").output)
    assert [(one["name"], one["state"]) for one in listed["machines"]] == [("desk", "ok")]
    assert listed["machine"] == listed["machines"][0]["id"]
    assert json.loads(run("leave", "--json").output)["left"]
    assert "did not belong" in run("leave").output
    assert "desk (this one): left" in run("status").output
    assert "nothing to do" in run("migrate").output


@contextmanager
def running(url: str, folder: Path, key: str | None) -> Iterator[None]:
    """A machine `other` that says once a second that it lives, and seals with a key of this id."""
    ended = threading.Event()
    say = Presence(lambda: {"key": key})

    def run() -> None:
        with SharedDatabase(SecretStr(url)) as db, ReplicaFile(folder) as file:
            register(db, file.fact("machine") or "", "other")
            said = False
            while not said or not ended.wait(Presence.every):
                said = not say(db, file)
                begun.set()

    begun = threading.Event()
    thread = threading.Thread(target=run)
    thread.start()
    assert begun.wait(10)
    try:
        yield
    finally:
        ended.set()
        thread.join()


def test_a_machine_that_is_gone_for_good_is_taken_out_by_another_one(
    database: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with running(database, tmp_path / "other", None):
        refused = run("leave", "other")
        assert (refused.exit_code, refused.output) == (1, "Error: the router of other runs: stop it first\n")
    assert "other: ok" in run("status").output
    assert run("leave", "other").output == "other has left the cluster: remove [cluster] from its config\n"
    assert "other: left" in run("status").output
    assert "no machine of the cluster is nobody: see" in run("leave", "nobody").output
    monkeypatch.setenv("SMART_ROUTER_STATE", str(tmp_path / "twin"))
    run("join")
    (tmp_path / "config.toml").write_text('[cluster]\nname = "other"\n')
    run("join")
    assert "2 machines have the name other: give the id" in run("leave", "other").output


def test_a_machine_without_the_others_key_is_told(
    database: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    keys = [run("key").output.strip() for _ in range(2)]
    sealing = Seal.of(SecretStr(keys[0])).first
    with running(database, tmp_path / "other", sealing):
        for key, says in [("", f"{KEY} is not set here"), (keys[1], f"{KEY} lacks the key of other")]:
            monkeypatch.setenv(KEY, key)
            for command in (["cluster", "join"], ["cluster", "status"], ["doctor", "--offline"]):
                assert says in CliRunner().invoke(main, command).output
        monkeypatch.setenv(KEY, ",".join(keys[::-1]))
        assert KEY not in CliRunner().invoke(main, ["cluster", "join"]).output
        found = CliRunner().invoke(main, ["doctor", "--offline"]).output
    assert KEY not in found
    tables = f"tables of version {len(MIGRATIONS)}"
    assert f"ok       cluster: its database answers, {tables}, machines: desk (ok), other (ok)\n" in found


def test_doctor_tells_of_a_database_that_cannot_be_used(
    postgres: Postgres, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv(URL, "postgresql://router@127.0.0.1:1/none")
    found = CliRunner().invoke(main, ["doctor", "--offline"])
    assert found.exit_code == 1
    assert re.search(
        rf"error +cluster: the cluster's database cannot be used: .*; check {URL} or", found.output
    )
    monkeypatch.setenv(URL, postgres.empty_database())
    found = CliRunner().invoke(main, ["doctor", "--offline"])
    assert "cluster: its database has no tables yet; run smart-router cluster join" in found.output


def test_migrate_says_what_it_made(postgres: Postgres, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(URL, postgres.empty_database())
    made = json.loads(run("migrate", "--json").output)
    assert made == {"version": len(MIGRATIONS), "made": list(range(1, len(MIGRATIONS) + 1))}


def test_a_shared_config_needs_a_key(postgres: Postgres, tmp_path: Path) -> None:
    (tmp_path / "config.toml").write_text(f'[cluster]\nurl = "{postgres.url()}"\nconfig = true\n')
    result = CliRunner().invoke(main, ["cluster", "status"])
    assert result.exit_code == 1
    assert f"{KEY}: is needed for [cluster] config" in result.output


def test_key_makes_keys_that_are_taken(monkeypatch: pytest.MonkeyPatch) -> None:
    keys = [run("key").output.strip() for _ in range(2)]
    assert len(set(keys)) == len(Seal.of(SecretStr(",".join(keys))).keys) == 2


@pytest.mark.parametrize(
    ("env", "code", "says"),
    [
        ({}, 2, "no cluster is configured: set [cluster] url in the config, or SMART_ROUTER_CLUSTER_URL"),
        ({URL: "postgresql://router@127.0.0.1:1/none"}, 1, "the cluster's database cannot be used: "),
        ({URL: "mysql://canary@127.0.0.1/none"}, 1, f"{URL}: is not an address of PostgreSQL"),
        ({URL: "postgresql://127.0.0.1:1/none", KEY: "canary"}, 1, f"{KEY}: is no list of keys"),
    ],
)
@pytest.mark.parametrize("command", ["status", "join", "leave", "migrate"])
def test_what_is_wrong_is_said_in_one_line(
    command: str, env: dict[str, str], code: int, says: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    from smart_router.cli.main import main

    for name, value in env.items():
        monkeypatch.setenv(name, value)
    result = CliRunner().invoke(main, ["cluster", command])
    assert result.exit_code == code, result.output
    assert says in result.output and "canary" not in result.output and "Traceback" not in result.output


@pytest.mark.parametrize("command", [["cluster", "status"], ["stats"], ["audit", "verify"]])
def test_without_the_databases_client_commands_say_what_to_install(
    monkeypatch: pytest.MonkeyPatch, command: list[str]
) -> None:
    monkeypatch.setenv(URL, "postgresql://127.0.0.1:1/x")
    monkeypatch.delitem(sys.modules, "smart_router.cluster.database", raising=False)
    monkeypatch.setitem(sys.modules, "psycopg", None)
    result = CliRunner().invoke(main, command)
    assert result.exit_code == 1
    assert "pip install 'smart-router[cluster]'" in result.output
