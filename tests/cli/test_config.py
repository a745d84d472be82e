"""`smart-router config`: where the file is, whether it is valid, the effective values, the schema."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from smart_router.cli.main import main


@pytest.fixture
def file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    file = tmp_path / "folder/config.toml"
    monkeypatch.setenv("SMART_ROUTER_CONFIG", str(file))
    monkeypatch.setenv("HOME", str(tmp_path))
    file.parent.mkdir()
    return file


def call(*arguments: str) -> Result:
    return CliRunner().invoke(main, ["config", *arguments])


def test_path(file: Path) -> None:
    assert call("path").output == f"{file}\n"


def test_show_names_origins(file: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    file.write_text("[routing]\nsticky_ttl = 60\nweights.proof.score = 1\n")
    monkeypatch.setenv("GROQ_BASE_URL", "http://127.0.0.1:1/v1")
    lines = call("show").output.splitlines()
    assert f"routing.sticky_ttl = 60   # {file}" in lines
    assert f"routing.weights.proof.score = 1   # {file}" in lines
    assert "routing.undershoot = 2.0   # default" in lines
    assert 'providers.groq.base_url = "http://127.0.0.1:1/v1"   # GROQ_BASE_URL' in lines
    assert "router_max_attempts = 5   # default" in lines
    assert not any(line.startswith("routing.keywords") for line in lines)
    assert len(lines) < 130


def test_show_one_table_as_json(file: Path) -> None:
    found = json.loads(call("show", "routing.weights.proof", "--json").output)
    assert {one["key"] for one in found} >= {"routing.weights.proof.score", "routing.weights.proof.REASONING"}
    assert {one["origin"] for one in found} == {"default"}


def test_options_of_mitmproxys_file_are_shown(file: Path, tmp_path: Path) -> None:
    (tmp_path / ".mitmproxy").mkdir()
    (tmp_path / ".mitmproxy/config.yaml").write_text("router_max_wait: 3\n")
    assert call("show", "router_max_wait").output == (
        f'router_max_wait = "3"   # {tmp_path / ".mitmproxy/config.yaml"}\n'
    )


@pytest.mark.parametrize(
    ("text", "code", "said"),
    [
        (None, 0, ["does not exist: the defaults hold"]),
        ("[routing]\n", 0, [" is valid"]),
        (
            "[routing]\nstickyttl = 1\n[provider.x]\n",
            1,
            [
                "error: provider: is not known here; did you mean providers?",
                "error: routing.stickyttl: is not known here; did you mean sticky_ttl?",
            ],
        ),
        (
            '[routing.tier_models.standard]\nSIMPLE = ["lokal/x"]\n',
            0,
            ["warning: routing.tier_models.standard.SIMPLE"],
        ),
        ("a = \n", 1, ["error: is not TOML: "]),
    ],
)
def test_check(text: str | None, code: int, said: list[str], file: Path) -> None:
    if text is not None:
        file.write_text(text)
    result = call("check")
    assert result.exit_code == code
    for line in said:
        assert line in result.output
    found = json.loads(call("check", "--json").output)
    assert bool(found["errors"]) == bool(code)


def test_edit_creates_the_file_and_checks_what_the_editor_left(
    file: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    editor = tmp_path / "editor"
    editor.write_text('#!/bin/sh\ngrep -q "providers.local" "$1" && echo "routng = 1" > "$1"\n')
    editor.chmod(0o755)
    monkeypatch.delenv("VISUAL", raising=False)
    monkeypatch.setenv("EDITOR", str(editor))
    result = call("edit")
    assert result.exit_code == 1
    assert "error: routng: is not known here; did you mean routing?" in result.output
    assert file.read_text() == "routng = 1\n"


def test_schema_is_json(file: Path) -> None:
    assert json.loads(call("schema").output)["properties"].keys() >= {"routing", "providers", "clients"}
