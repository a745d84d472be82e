from __future__ import annotations

import json
import re
import time
from pathlib import Path

import pytest
from click.testing import CliRunner, Result
from pydantic import SecretStr

from smart_router.auth.profiles import GrantedTokens
from smart_router.auth.store import AuthStore
from smart_router.cli.main import main
from smart_router.cli.profiles import _duration
from smart_router.config import load_config
from tests.auth.file_keyring import BACKEND, passwords
from tests.auth.helpers import failure


@pytest.fixture(autouse=True)
def _own_state(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SMART_ROUTER_STATE", str(tmp_path / "state"))
    monkeypatch.setenv("SMART_ROUTER_CONFIG", str(tmp_path / "config.toml"))
    monkeypatch.setenv("OPENAI_API_KEY", "sk-canary-1,sk-canary-2")


def run(*args: str, given: str | None = None) -> Result:
    result = CliRunner().invoke(main, ["profiles", *args], input=given)
    assert "canary" not in result.output
    return result


def test_names_are_whole_in_a_terminal_of_80_columns(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("FORCE_COLOR", "1")
    monkeypatch.setenv("COLUMNS", "80")
    run("add", "openai", "a-name-that-somebody-has-chosen", given="sk-canary-3\n")
    printed = run("list").output
    assert all(
        name in printed for name in ("openai:env ", "openai:env2 ", "openai:a-name-that-somebody-has-chosen ")
    )


def test_move_to_missing_keyring_leaves_no_trace(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setenv("PYTHON_KEYRING_BACKEND", "keyring.backends.fail.Keyring")
    run("add", "openai", "work", given="sk-canary-3\n")
    before = {path.name for path in (tmp_path / "state").iterdir()}
    failed = run("move", "--to", "keyring")
    assert (failed.exit_code, failed.output.count("there is no system keyring here")) == (1, 1)
    for command in (["list"], ["move", "--to", "database"]):
        later = run(*command)
        assert later.exit_code == 0
        assert "there is no system keyring" not in later.output + caplog.text
    assert {path.name for path in (tmp_path / "state").iterdir()} == before


def test_list_and_show(tmp_path: Path) -> None:
    env = {"OPENAI_API_KEY": "sk-canary-1,sk-canary-2"}
    store = AuthStore(env, load_config(tmp_path / "config.toml", env).providers, tmp_path / "state")
    store.mark_profile_failure(
        "openai:env2", "gpt", failure("rate_limit", retry_after=3600), time.monotonic()
    )
    store.close()
    text = run("list", "--provider", "openai").output
    assert "openai:env " in text and "openai:env2" in text and "OPENAI_API_KEY" in text
    listed = json.loads(run("list", "--json").output)
    assert [one["state"] for one in listed if one["provider"] == "openai"] == ["usable", "usable"]
    assert re.search(r" 1 h|59 min", run("show", "openai:env2").output)
    shown = json.loads(run("show", "openai:env2", "--json").output)
    assert shown["models"]["gpt"]["state"] == "cooled"
    assert shown["counts"] == {"rate_limit": 1}
    assert json.loads(run("reset", "openai:env2", "--json").output)["counts"] == {}


def test_switches() -> None:
    assert json.loads(run("disable", "openai:env", "--json").output)["state"] == "disabled"
    assert "switched off by the user" in run("list").output
    assert json.loads(run("enable", "openai:env", "--json").output)["state"] == "usable"


def test_stored_keys() -> None:
    assert "openai:work" in run("add", "openai", "work", given="sk-canary-3\n").output
    assert json.loads(run("show", "openai:work", "--json").output)["kind"] == "stored_key"
    assert json.loads(run("remove", "openai:work", "--json").output) == {"removed": "openai:work"}
    assert run("show", "openai:work").exit_code == 1


def test_move(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "ring").mkdir()
    monkeypatch.setenv("TEST_KEYRING", str(tmp_path / "ring"))
    monkeypatch.setenv("PYTHON_KEYRING_BACKEND", BACKEND)
    assert run("add", "openai", "work", given="sk-canary-3\n").exit_code == 0
    (tmp_path / "state" / "auth.sqlite.damaged-1").touch()
    moved = run("move", "--to", "keyring").output
    assert "openai:work is now in the keyring." in moved
    assert "auth.sqlite.damaged-1: delete it" in moved
    assert passwords(tmp_path / "ring") == ["sk-canary-3"]
    assert json.loads(run("show", "openai:work", "--json").output)["in_keyring"] is True
    assert "stored key, in the keyring" in run("list").output
    (tmp_path / "ring" / "locked").touch()
    assert "is locked: unlock it" in run("list").output
    stays = run("move", "--to", "database")
    assert stays.exit_code == 1
    assert "openai:work stays where it was: the system's keyring is locked: unlock it" in stays.output
    (tmp_path / "ring" / "locked").unlink()
    done = json.loads(run("move", "--to", "database", "--json").output)
    expected = {"place": "database", "moved": ["openai:work"], "left": {}}
    assert done == {**expected, "old_copies": ["auth.sqlite.damaged-1"]}
    assert passwords(tmp_path / "ring") == []


def test_token_expiry_is_listed(tmp_path: Path) -> None:
    store = AuthStore({}, load_config(tmp_path / "config.toml", {}).providers, tmp_path / "state")
    now = time.time()
    ends = {"a": now + 7230, "b": now - 9, "c": None}
    for name, at in ends.items():
        refresh = None if name == "b" else SecretStr("canary-r")
        store.add_login("openai-codex", name, GrantedTokens(SecretStr("canary-a"), refresh, now, at))
    store.close()
    listed = run("list", "--provider", "openai-codex").output
    assert re.search(r"in 2 h( [0-9]+ s)?, refreshed automatically", listed)
    assert "expired, not refreshable" in listed
    assert "unknown, refreshed automatically" in listed
    shown = json.loads(run("show", "openai-codex:a", "--json").output)
    assert shown["refreshable"] is True
    assert 7200 <= shown["expires_in"] <= 7230
    shown = json.loads(run("show", "openai:env", "--json").output)
    assert (shown["refreshable"], shown["expires_in"]) == (None, None)


@pytest.mark.parametrize(
    ("args", "given", "message"),
    [
        (
            ["show", "openai:nobody"],
            None,
            "there is no profile openai:nobody; `smart-router profiles list` shows all",
        ),
        (["remove", "openai:env"], None, "it comes from OPENAI_API_KEY"),
        (["add", "nobody", "work"], "sk-canary-3\n", "there is no provider 'nobody'"),
        (["add", "openai", "work"], "sk canary\n", "not a key: it contains whitespace"),
    ],
)
def test_errors(args: list[str], given: str | None, message: str) -> None:
    result = run(*args, given=given)
    assert result.exit_code == 1
    assert message in result.output


def test_unwritable_store_is_an_error(tmp_path: Path) -> None:
    (tmp_path / "state").write_text("a file where the folder should be")
    result = run("disable", "openai:env")
    assert result.exit_code == 1
    assert "Error: " in result.output


@pytest.mark.parametrize(
    ("seconds", "text"), [(None, ""), (0.2, "0 s"), (95.0, "1 min 35 s"), (86_400 + 7205, "1 d 2 h")]
)
def test_durations(seconds: float | None, text: str) -> None:
    assert _duration(seconds) == text
