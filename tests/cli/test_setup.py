"""`smart-router setup`: each tool's files on fixture homes, written and undone byte for byte."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner, Result

from smart_router.cli.main import main
from smart_router.tools.setups import SETUPS
from tests.tools.json_with_comments import read_json
from tests.tools.test_documents import CODEX, CONTINUE, SETTINGS

THERE = {
    "claude": {
        ".claude/settings.json": '{\n  "permissions": {"allow": ["Bash(ls)"]}, "env": {"A": "1"}\n}\n'
    },
    "cline": {".cline/data/settings/providers.json": '{"version": 1, "providers": {"cline": {"a": 1}}}'},
    "codex": {".codex/config.toml": CODEX},
    "gemini": {".gemini/settings.json": '{"ui": {"theme": "Ayu"}}', ".gemini/.env": "GEMINI_API_KEY=mine\n"},
    "opencode": {".config/opencode/opencode.jsonc": '{\n  // mine\n  "autoupdate": false,\n}\n'},
    "aider": {".aider.conf.yml": "# mine\ndark-mode: true\n"},
    "continue": {".continue/config.yaml": CONTINUE},
    "zed": {".config/zed/settings.json": SETTINGS},
    "vscode": {".config/Code/User/chatLanguageModels.json": '[\n\t{"name": "Mine", "vendor": "ollama"}\n]'},
}
"""Files that a user of the tool may have, by tool and path below the home."""

IN_THE_TOOL = sorted(SETUPS.keys() - THERE.keys())


@pytest.fixture
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    home = tmp_path / "home"
    home.mkdir()
    for name in ("XDG_CONFIG_HOME", "CODEX_HOME", "CONTINUE_GLOBAL_DIR"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("HOME", str(home))
    monkeypatch.setenv("SMART_ROUTER_STATE", str(tmp_path / "state"))
    monkeypatch.setenv("SMART_ROUTER_CONFIG", str(tmp_path / "config.toml"))
    monkeypatch.setenv("OPENAI_API_KEY", "sk-of-nobody")
    return home


def call(*arguments: str) -> Result:
    return CliRunner().invoke(main, ["setup", *arguments])


def run(*arguments: str) -> str:
    result = call(*arguments)
    assert result.exit_code == 0, result.output
    return result.output


def snapshot(home: Path) -> dict[str, tuple[bytes, int]]:
    """All files of a home with their modes, and its folders."""
    return {
        str(path.relative_to(home)): (path.read_bytes() if path.is_file() else b"", path.stat().st_mode)
        for path in home.rglob("*")
    }


@pytest.mark.parametrize("there", [True, False], ids=["files", "no files"])
@pytest.mark.parametrize("tool", THERE)
def test_files_are_written_and_undone_byte_for_byte(tool: str, there: bool, home: Path) -> None:
    for name, text in THERE[tool].items() if there else ():
        path = home / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text, newline="")
        path.chmod(0o640)
    before = snapshot(home)

    shown = json.loads(run(tool, "--json"))
    assert snapshot(home) == before, "printing changes nothing"
    written = json.loads(run(tool, "--write", "--json"))["written"]
    assert written == [file["path"] for file in shown["files"]]
    for name, (data, mode) in before.items():
        path = home / name
        assert path.stat().st_mode == mode
        if tool != "gemini" and path.is_file():
            kept = [line for line in data.decode().splitlines() if "mine" in line or "//" in line]
            assert all(line in path.read_text() for line in kept)
    assert "127.0.0.1:8080" in "".join(Path(path).read_text() for path in written)

    again = json.loads(run(tool, "--write", "--json"))
    assert (again["written"], again["unchanged"]) == ([], written)
    run(tool, "--undo")
    assert snapshot(home) == before
    assert "nothing to undo" in call(tool, "--undo").output


@pytest.mark.parametrize("tool", IN_THE_TOOL)
def test_a_tool_without_a_config_file_is_set_up_by_hand(tool: str, home: Path) -> None:
    assert "http://127.0.0.1:8080/v1" in run(tool)
    assert any("http://127.0.0.1:8080/v1" in step for step in json.loads(run(tool, "--json"))["steps"])
    refused = call(tool, "--write")
    assert refused.exit_code == 2
    assert "has no config file to write; set it up in the tool:\n  " in refused.output
    assert snapshot(home) == {}


def block_of(tool: str, *arguments: str) -> Any:
    return read_json(json.loads(run(tool, "--json", *arguments))["files"][0]["block"])


def test_limits_are_those_of_the_models_that_the_keys_reach(
    home: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def limit() -> dict[str, int]:
        limits: dict[str, int] = block_of("opencode")["provider"]["router"]["models"]["auto"]["limit"]
        return limits

    assert limit()["context"] == 1_050_000
    monkeypatch.delenv("OPENAI_API_KEY")
    monkeypatch.setenv("GROQ_API_KEY", "gsk_of_nobody")
    assert limit()["context"] == 131_072


def test_address_and_key_are_the_given_ones(home: Path) -> None:
    env = block_of("claude", "--url", "http://lab:9/v1/", "--key", "long-key")["env"]
    assert (env["ANTHROPIC_BASE_URL"], env["ANTHROPIC_AUTH_TOKEN"]) == ("http://lab:9", "long-key")
    assert 'experimental_bearer_token = "long-key"' in run("codex", "--key", "long-key")


def test_a_link_stays_a_link(home: Path) -> None:
    dotfiles = home / "dotfiles.toml"
    dotfiles.write_text(CODEX)
    (home / ".codex").mkdir()
    link = home / ".codex/config.toml"
    link.symlink_to("../dotfiles.toml")
    run("codex", "--write")
    assert link.is_symlink()
    assert 'model = "auto"' in dotfiles.read_text()
    run("codex", "--undo")
    assert link.is_symlink()
    assert dotfiles.read_text() == CODEX


def test_a_file_that_was_changed_since_is_not_undone(home: Path) -> None:
    run("codex", "--write")
    path = home / ".codex/config.toml"
    path.write_text(path.read_text() + "# mine\n")
    mine = path.read_text()
    refused = call("codex", "--undo")
    assert refused.exit_code == 1
    assert f"{path} was changed since setup wrote it, so it stays" in refused.output
    assert path.read_text() == mine


def test_two_changes_are_undone_in_turn(home: Path) -> None:
    run("claude", "--write")
    first = snapshot(home)
    run("claude", "--write", "--url", "http://lab:9")
    assert snapshot(home) != first
    run("claude", "--undo")
    assert snapshot(home) == first
    run("claude", "--undo")
    assert snapshot(home) == {}


def test_a_file_that_is_not_of_its_format_is_not_touched(home: Path) -> None:
    path = home / ".claude/settings.json"
    path.parent.mkdir()
    path.write_text('{\n  "env": {\n}')
    refused = call("claude", "--write")
    assert refused.exit_code == 1
    expected = f"Error: {path}: line 3 is not JSON; mend it, or add the block by hand: nothing was changed\n"
    assert refused.output == expected
    assert path.read_text() == '{\n  "env": {\n}'


def test_write_and_undo_exclude_each_other(home: Path) -> None:
    assert call("claude", "--write", "--undo").exit_code == 2


def test_a_damaged_record_of_a_change_is_one_line(home: Path, tmp_path: Path) -> None:
    run("codex", "--write")
    (record,) = tmp_path.glob("state/setup/codex/*/change.json")
    record.write_text("{")
    refused = call("codex", "--undo")
    assert refused.exit_code == 1
    assert refused.output.startswith(f"Error: {record} is damaged: ")
    assert (home / ".codex/config.toml").exists()


def test_a_file_that_is_no_text_stays(home: Path) -> None:
    path = home / ".codex/config.toml"
    path.parent.mkdir()
    path.write_bytes(b"model\xff")
    refused = call("codex", "--write")
    assert "byte 5 is not UTF-8; save it as UTF-8 text; nothing was changed" in refused.output
    assert path.read_bytes() == b"model\xff"


def test_an_empty_home_is_named(home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HOME", "")
    assert "HOME is '', not the path of a folder: set it to your home" in call("codex").output
