"""Wrong inputs on the command line and in the config: each message says what is wrong and what to do."""

from __future__ import annotations

from pathlib import Path

import pytest
from click.testing import CliRunner

from smart_router.cli.main import main

COMMANDS = [
    ("rout", 2, "there is no command 'rout'; did you mean route?"),
    ("stats --sinc 7d", 2, "No such option '--sinc'. (Did you mean one of: '--json', '--since'?)"),
    (
        "stats --since yesterday",
        2,
        "'yesterday' is neither a span such as 7d or 12h nor a date such as 2026-11-01",
    ),
    ("audit tail -n x", 2, "'x' is not a whole number of 0 or more"),
    ("start --port x", 2, "'x' is not a whole number of 0 to 65535"),
    ("serve --port 99999", 2, "99999' is not a whole number of 0 to 65535"),
    ("serve --workers 0", 2, "'0' is not a whole number of 1 to 256"),
    ("serve --workers 2 --web", 2, "--web shows the flows of one process: it needs --workers 1"),
    (
        "serve --mode nonsense",
        2,
        "'nonsense' is not a mode of mitmproxy (unknown mode); use one of reverse, regular",
    ),
    ("route", 2, "Give one of PROMPT, --jsonl or --flows."),
    (
        "login openai",
        2,
        "openai takes an API key: set OPENAI_API_KEY, or run `smart-router profiles add openai main`",
    ),
    (
        "profiles show openai:work",
        1,
        "there is no profile openai:work; `smart-router profiles list` shows all",
    ),
    ("profiles add opnai main", 1, "there is no provider 'opnai'; did you mean openai?"),
    ("profiles list --provider opnai", 1, "there is no provider 'opnai'; did you mean openai?"),
    ("models show clude-haiku-5-5", 1, "does not exist; did you mean claude-haiku-5-5?"),
    ("setup cursor", 2, "'cursor' is not one of 'aider', 'claude', 'cline', 'codex'"),
    ("setup claude --write --undo", 2, "--write and --undo exclude each other: use one of them"),
    ("setup claude --url lab", 2, "--url 'lab' is no address: write it like http://127.0.0.1:8080"),
    ("setup jetbrains --write", 2, "has no config file to write; set it up in the tool:"),
    ("setup codex --url http://", 2, "--url 'http://' is no address: write it like http://127.0.0.1:8080"),
    ("setup zed --undo", 1, "nothing to undo: setup has written no file of this tool"),
    ("run", 2, "Missing argument 'COMMAND...'"),
    ("run no-such-tool", 127, "no-such-tool is not installed or not on the PATH"),
    ("run --via pigeon ls", 2, "'pigeon' is not one of 'auto', 'base-url', 'proxy'"),
    ("config chek", 2, "No such command 'chek'. (Did you mean one of: 'check', 'schema'?)"),
    ("config show routng", 2, "there is no setting 'routng'; did you mean routing?"),
    ("config check /none/x.toml", 1, "/none/x.toml does not exist: name another, or none for "),
    (
        "env --confdir /none",
        1,
        "/none/mitmproxy-ca-cert.pem does not exist: start mitmproxy once to create it",
    ),
    ("report -o /none/x.html", 1, "/none/x.html: No such file or directory"),
    ("service --for cron", 2, "'cron' is not one of 'systemd', 'launchd'"),
]
"""Command line, exit code, and what the message has."""

CONFIGS = [
    ("routng = 1", "routng: is not known here; did you mean routing?"),
    ("[routing]\nsticky_ttl = 'x'", "routing.sticky_ttl: must be a number"),
    ("[routing]\nsticky_ttl = -1", "routing.sticky_ttl: must be 0.0 or greater"),
    ("[routing]\nbaseline = 'sol'", "routing.baseline: 'sol' is not of the form provider/model"),
    (
        "[routing.tier_models.standard]\nsimple = ['a/b']",
        "routing.tier_models.standard.simple: is not known here; did you mean SIMPLE?",
    ),
    (
        "[routing.tier_models.standard]\nSIMPLE = 'a/b'",
        'routing.tier_models.standard.SIMPLE: must be a list of texts, such as ["a", "b"]',
    ),
    (
        "[routing.tier_models.standard]\nSIMPLE = ['opnai/x']",
        "'opnai/x' is skipped, for there is no provider 'opnai'; did you mean openai?",
    ),
    (
        "[routing.virtual_models]\n'auto:x' = {tier_models = 'standrd'}",
        "virtual model 'auto:x' names unknown tier models 'standrd'; did you mean standard?",
    ),
    (
        "[providers.opnai]\nmodels = ['x']",
        "providers.opnai.base_url: is missing, and no provider of that name is known; did you mean openai?",
    ),
    (
        "[providers.openai]\nbase_url = 'a b'",
        "providers.openai.base_url: must be an http(s) URL without query",
    ),
    (
        "[providers.openai]\nkey_env = 'sk-of-nobody'",
        "providers.openai.key_env: must be the name of an environment variable, not a key itself",
    ),
    ("[providers.Open]\nbase_url = 'http://x/v1'", "providers.Open: must consist of a-z, 0-9, - and _"),
    ("[clients]\nlaptop = 'short'", "clients.laptop: must have at least 16 characters"),
    *(
        (f"[clients]\n{name} = {value}", f"clients.{name}: is an option of `smart-router clients add`")
        for name, value in [("on_limit", "'eco'"), ("on-limit", "'eco'"), ("limit", "'5'"), ("admin", "true")]
    ),
    ("[clients.own_login]\nanthropic = 'middle'", "clients.own_login.anthropic: must be 'first' or 'last'"),
    ("[models]\npresets = ['claude']", "models.presets.0: must be 'claude-code', 'codex' or 'gemini-cli'"),
    ("[prices.'a/b']\ninput = 1", "prices.a/b.output: is missing"),
    ("[prices]\nb = {input = 1, output = 2}", "prices.b: must be of the form provider/model"),
    (
        "[cluster]\nurl = 'mysql://x'",
        "cluster.url: is not an address of PostgreSQL: postgresql://user@host/database",
    ),
    (
        "[providers.openai.login]\ntoken_url = 'http://evil.example'",
        "providers.openai.login.token_url: must be an https URL, or an http URL of this machine",
    ),
    ("[clients]\nown_login = ['openai']", "clients.own_login: must be a table"),
    ("[clients]\nrequire_keys = 5", "clients.require_keys: must be true or false"),
    ("a = \n", "is not TOML: Invalid value (at line 1, column 5)"),
]
"""Text of the file, and what its message has."""


@pytest.fixture(autouse=True)
def _home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.setenv("SMART_ROUTER_STATE", str(tmp_path / "state"))
    monkeypatch.setenv("SMART_ROUTER_CONFIG", str(tmp_path / "config.toml"))


@pytest.mark.parametrize(("command", "code", "said"), COMMANDS, ids=[one[0] for one in COMMANDS])
def test_a_wrong_command(command: str, code: int, said: str) -> None:
    result = CliRunner().invoke(main, command.split(), input="\n")
    assert said in result.output
    assert result.exit_code == code
    assert isinstance(result.exception, SystemExit)


@pytest.mark.parametrize(("text", "said"), CONFIGS, ids=[one[1].partition(":")[0] for one in CONFIGS])
def test_a_wrong_config(text: str, said: str, tmp_path: Path) -> None:
    (tmp_path / "config.toml").write_text(text)
    result = CliRunner().invoke(main, ["config", "check"])
    assert said in result.output
    assert result.exit_code == (0 if "warning: " in result.output else 1)
