"""A tool's page has the block that `smart-router setup` writes, but for models and their limits."""

from __future__ import annotations

import json
import re
import tomllib
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner
from ruamel.yaml import YAML

from smart_router.cli.main import main
from tests.docs.pages import blocks, commands, text_of

FILES = ("codex", "continue", "opencode", "vscode", "zed")
"""Tools with a block on their page."""

FORMS = ("cline", "jetbrains")
"""Tools with a form to fill in."""


def setup(tool: str, home: Path, *options: str) -> str:
    """Return the command's output."""
    env = {"HOME": str(home), "XDG_CONFIG_HOME": None, "SMART_ROUTER_STATE": str(home)}
    done = CliRunner().invoke(main, ["setup", tool, *options], env=env)
    assert done.exit_code == 0, done.output
    return done.output


def read(text: str, kind: str) -> Any:
    return tomllib.loads(text) if kind == "toml" else YAML(typ="safe").load(text)


def within(part: Any, whole: Any) -> bool:
    """All of the part is in the whole; numbers and further items of lists may differ."""
    if isinstance(part, dict):
        return isinstance(whole, dict) and all(key in whole and within(part[key], whole[key]) for key in part)
    if isinstance(part, list):
        return isinstance(whole, list) and all(any(within(one, other) for other in whole) for one in part)
    return part == whole or (isinstance(part, int) and isinstance(whole, int))


@pytest.mark.parametrize("tool", FILES)
def test_a_block_is_what_setup_writes(tool: str, tmp_path: Path) -> None:
    (file,) = json.loads(setup(tool, tmp_path, "--json"))["files"]
    page = f"docs/tools/{tool}.md"
    shown = [read(one, file["format"]) for one in blocks(page, file["format"])]
    if (
        tool == "codex"
    ):  # its page names a variable for a key, which a router on this machine does not ask for
        shown[0]["model_providers"]["router"].pop("env_key")
    assert any(within(one, read(file["block"], file["format"])) for one in shown), file["block"]
    assert Path(file["path"]).name in text_of(page) or "(JSON)" in text_of(page)


@pytest.mark.parametrize("tool", FORMS)
def test_a_form_is_what_setup_says(tool: str, tmp_path: Path) -> None:
    said = setup(tool, tmp_path)
    rows = dict(re.findall(r"^\| ([\w ]+) \| [*`](.+?)[*`] \|$", text_of(f"docs/tools/{tool}.md"), re.M))
    assert {"Base URL", "Model"} < rows.keys()
    assert all(f": {value}\n" in said for value in rows.values()), said


def test_variables_are_what_setup_says(tmp_path: Path) -> None:
    (line, *_) = [one for one in commands("docs/tools/open-webui.md") if "=http" in one]
    assert line.partition(" open-webui")[0] in setup("open-webui", tmp_path)
