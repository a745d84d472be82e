from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner, Result
from mitmproxy.io import FlowWriter
from mitmproxy.test import tflow

from smart_router import __version__
from smart_router.cli.main import COMMANDS, main
from smart_router.providers.registry import PROVIDERS

KEYS = {key for provider in PROVIDERS.values() for key in provider.key_env}
CHEAP = '[routing.tier_models.standard]\nSIMPLE = ["groq/openai/gpt-oss-20b"]\n'


@pytest.fixture
def run(tmp_path: Path) -> Any:
    """Run the command without keys and configuration file."""
    env: dict[str, str | None] = dict.fromkeys(KEYS)
    env["SMART_ROUTER_CONFIG"] = str(tmp_path / "none.toml")

    def run(*args: str, input: bytes = b"", **more: str) -> Result:
        return CliRunner().invoke(main, args, input=input, env=env | more)

    return run


def lines(result: Result) -> list[dict[str, Any]]:
    return [json.loads(line) for line in result.stdout.splitlines()]


def test_help_and_version(run: Any) -> None:
    assert __version__ in run("--version").output
    for command in COMMANDS:
        assert command in run("--help").output
        assert run(command, "--help").exit_code == 0


def test_prompt(run: Any) -> None:
    result = run("route", "Prove that there is no largest prime.")
    assert result.exit_code == 0
    assert "REASONING: SIMPLE " in result.output and "difficulty 0." in result.output
    assert "proof" in result.output and "1 anthropic/" in result.output
    assert "candidates, as if you had a key of every provider\n" in result.output
    assert "\ncandidates\n" in run("route", "one", GROQ_API_KEY="test").output
    assert " 1 word " in run("route", "one").output


def test_prompt_as_json_with_one_key(run: Any) -> None:
    result = run("route", "--json", "hello there", GROQ_API_KEY="test")
    decision = json.loads(result.stdout)
    assert decision["tier"] == "SIMPLE"
    assert {name.partition("/")[0] for name in decision["candidates"]} == {"groq"}


def test_explicit_model(run: Any) -> None:
    assert "asked for openai/gpt-6-luna" in run("route", "--model", "gpt-6-luna", "hi").output


JSONL = b"""{"id": "a", "prompt": "hello"}

{"id": 2, "messages": [{"role": "user", "content": "Prove the theorem by induction."}]}
{"request": {"model": "auto:eco", "messages": [{"role": "user", "content": "hello"}]}}
"""


def test_tools_names_for_models_mean_what_the_config_says(run: Any, tmp_path: Path) -> None:
    config = tmp_path / "aliases.toml"
    config.write_text(
        '[models]\npresets = ["claude-code"]\n[models.aliases]\n"gpt-*" = "groq/openai/gpt-oss-20b"\n'
    )
    shown = run("route", "Hi", "--model", "claude-haiku-9", "--config", str(config))
    assert shown.output.startswith("asked for as claude-haiku-9; ")
    asked = b'{"id": 1, "request": {"model": "gpt-9", "messages": [{"role": "user", "content": "Hi"}]}}\n'
    (decision,) = lines(run("route", "--jsonl", "-", "--config", str(config), input=asked))
    assert decision["candidates"] == ["groq/openai/gpt-oss-20b"]
    assert "asked for as gpt-9" in decision["why"]


def test_jsonl(run: Any) -> None:
    result = run("route", "--jsonl", "-", input=JSONL)
    rows = lines(result)
    assert result.exit_code == 0
    assert [(row["id"], row["tier"], row["asked"]) for row in rows] == [
        ("a", "SIMPLE", "auto"),
        (2, "REASONING", "auto"),
        (4, "SIMPLE", "auto:eco"),
    ]
    assert {"score", "chances", "signals", "candidates", "why"} <= rows[0].keys()


@pytest.mark.parametrize(
    "line",
    [b"{", b"[]", b"{}", b'{"messages": []}', b'{"prompt": 3}', b"\xff", b'{"messages": "x"}', b"[" * 9999],
)
def test_invalid_line_is_reported_in_order(run: Any, line: bytes) -> None:
    result = run("route", "--jsonl", "-", input=line + b'\n{"prompt": "hi"}\n')
    bad, good = lines(result)
    assert result.exit_code == 1
    assert bad["error"]["message"] and good["tier"] == "SIMPLE"


def write_flows(path: Path) -> None:
    body = json.dumps({"model": "auto", "messages": [{"role": "user", "content": "hello"}]}).encode()
    client, attempt, other = tflow.tflow(), tflow.tflow(), tflow.tflow()
    for flow in (client, attempt):
        flow.request.method, flow.request.path = "POST", "/v1/chat/completions?x=1"
        flow.request.content = body
    attempt.metadata["router_client"] = client.id
    with path.open("wb") as file:
        for flow in (client, attempt, other, tflow.ttcpflow()):
            FlowWriter(file).add(flow)


def test_flows(run: Any, tmp_path: Path) -> None:
    write_flows(tmp_path / "flows")
    (row,) = lines(run("route", "--flows", str(tmp_path / "flows")))
    assert row["tier"] == "SIMPLE"


def test_compare(run: Any, tmp_path: Path) -> None:
    other = tmp_path / "other.toml"
    other.write_text(CHEAP)
    table = run("route", "--jsonl", "-", "--compare", str(other), input=JSONL).output
    assert "1 of 3 requests change" in table and "-> groq/openai/gpt-oss-20b (1)" in table
    found = json.loads(run("route", "--json", "--jsonl", "-", "--compare", str(other), input=JSONL).stdout)
    assert found["total"] == 3 and found["tiers"] == {}
    assert [row["id"] for row in found["changed"]] == ["a"]
    assert found["estimated_usd"]["requests"] == 3 and found["estimated_usd"]["after"] > 0


@pytest.mark.parametrize(
    ("args", "code", "told"),
    [
        (["route"], 2, "Give one of PROMPT, --jsonl or --flows"),
        (["route", "hi", "--jsonl", "-"], 2, "Give one of"),
        (["route", "--jsonl", "/nowhere"], 2, "No such file"),
        (["walk"], 2, "No such command"),
        (["route", "hi", "--model", "nonsense"], 1, "The model `nonsense` does not exist"),
        (["route", "--flows", __file__], 1, "not a flow file"),
        (["route", "hi", "--config", "BAD"], 1, "routing.colour: is not known here"),
    ],
)
def test_errors_are_one_line(run: Any, tmp_path: Path, args: list[str], code: int, told: str) -> None:
    bad = tmp_path / "bad.toml"
    bad.write_text("[routing]\ncolour = 'red'\n")
    result = run(*(str(bad) if arg == "BAD" else arg for arg in args))
    assert result.exit_code == code
    assert told in result.output and "Traceback" not in result.output
