"""`smart-router models`: the catalogue, and one model's rules with their sources."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from click.testing import CliRunner

from smart_router.cli.main import main


@pytest.fixture(autouse=True)
def own_config(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    file = tmp_path / "config.toml"
    file.write_text(
        '[providers.openai]\nmodels = ["gpt-7"]\n[providers.lab]\nbase_url = "http://127.0.0.1:1/v1"\n'
    )
    monkeypatch.setenv("SMART_ROUTER_CONFIG", str(file))
    return file


def run(*arguments: str) -> str:
    result = CliRunner().invoke(main, ["models", *arguments])
    assert result.exit_code == 0, result.output
    return result.output


def test_show_prints_rules_and_their_sources() -> None:
    text = run("show", "openai/gpt-6.1-sol")
    assert text.startswith("openai/gpt-6.1-sol\n")
    for line in (
        "  wire = responses_for_tools\n",
        "  efforts = low, medium, high, xhigh\n",
        "  default_effort = medium\n",
        "  context = 1,050,000\n",
        "  tool_names = longest 64, characters a-zA-Z0-9_-, first \n",
        "  gpt-6.1-*: reports: GPT-6.1 Sol on chat completions\n",
    ):
        assert line in text


@pytest.mark.parametrize(
    "asked", ["openai/gpt-7", "gpt-8-preview", "openai/gpt-5.5-2026-04-23", "lab/anything"]
)
def test_show_knows_new_dated_and_declared_models(asked: str) -> None:
    shown = json.loads(run("show", asked, "--json"))
    assert shown["model"].endswith(asked)
    assert shown["rules"]["thinking"] == "effort"
    assert shown["rows"]


def test_show_says_what_the_api_refuses_of_every_model() -> None:
    dropped = json.loads(run("show", "groq/openai/gpt-oss-20b", "--json"))["rules"]["dropped"]
    assert {"logprobs", "reasoning_format", "store"} <= {*dropped}


def test_an_unknown_model_is_a_failure_that_names_a_near_one() -> None:
    result = CliRunner().invoke(main, ["models", "show", "clude-haiku-5-5"])
    assert result.exit_code == 1
    assert "did you mean claude-haiku-5-5?" in result.output


def test_list() -> None:
    table = [line.split() for line in run().splitlines()]
    assert ["openai/gpt-4.1", "1M", "32.8k", "2.00", "8.00", "images", "files"] in table
    rows = {row["model"]: row for row in json.loads(run("--json"))}
    assert rows["openai/gpt-7"]["efforts"] == ["low", "medium", "high", "xhigh", "max"]
    assert rows["xai/grok-4.7"]["context"] == 500_000
    priced = rows["openai/gpt-4.1"]
    assert (priced["input_usd_per_mtok"], priced["output_usd_per_mtok"]) == (2.0, 8.0)
    assert (priced["tools"], priced["vision"], priced["reasoning"]) == (True, True, False)
    assert rows["openai/gpt-7"]["input_usd_per_mtok"] is None
