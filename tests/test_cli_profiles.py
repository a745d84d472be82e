from __future__ import annotations

import json
import re
import time
from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from smart_router.auth.store import AuthStore
from smart_router.cli_profiles import _duration, profiles
from smart_router.config import load_config
from tests.auth.helpers import failure


@pytest.fixture(autouse=True)
def _own_state(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SMART_ROUTER_STATE", str(tmp_path / "state"))
    monkeypatch.setenv("SMART_ROUTER_CONFIG", str(tmp_path / "config.toml"))
    monkeypatch.setenv("OPENAI_API_KEY", "sk-canary-1,sk-canary-2")


def run(*args: str, given: str | None = None) -> Result:
    result = CliRunner().invoke(profiles, args, input=given)
    assert "canary" not in result.output
    return result


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


@pytest.mark.parametrize(
    ("args", "given", "message"),
    [
        (["show", "openai:nobody"], None, "no profile openai:nobody"),
        (["remove", "openai:env"], None, "it comes from OPENAI_API_KEY"),
        (["add", "nobody", "work"], "sk-canary-3\n", "no provider 'nobody'"),
        (["add", "openai", "work"], "sk canary\n", "not a key: it contains whitespace"),
    ],
)
def test_errors(args: list[str], given: str | None, message: str) -> None:
    result = run(*args, given=given)
    assert result.exit_code == 1
    assert message in result.output


def test_what_cannot_be_kept_is_an_error(tmp_path: Path) -> None:
    (tmp_path / "state").write_text("a file where the folder should be")
    result = run("disable", "openai:env")
    assert result.exit_code == 1
    assert "Error: " in result.output


@pytest.mark.parametrize(
    ("seconds", "text"), [(None, ""), (0.2, "0 s"), (95.0, "1 min 35 s"), (86_400 + 7205, "1 d 2 h")]
)
def test_durations(seconds: float | None, text: str) -> None:
    assert _duration(seconds) == text
