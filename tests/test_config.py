"""The user's config file: merging with defaults, errors, and reloading."""

from __future__ import annotations

import os
import re
import subprocess
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from smart_router.config import load_config, parse_config
from smart_router.config_errors import ConfigError
from smart_router.paths import config_path, state_path
from smart_router.providers.registry import PROVIDERS
from smart_router.routing.config import load_defaults
from smart_router.runtime import Runtime
from tests.conftest import StartRouter
from tests.testbed.harness import MITMDUMP, ROUTER, Router, bare_env, provider_env
from tests.testbed.provider import Provider

HI: list[Any] = [{"role": "user", "content": "Hi"}]
CHAT = "/v1/chat/completions"


def test_nothing_configured() -> None:
    config = parse_config({}, {})
    assert config.routing == load_defaults()
    assert list(config.providers) == list(PROVIDERS)
    assert config.clients == {}


def test_the_keywords_are_compiled_once() -> None:
    """With the user's tables; compiling the defaults as well took a sixth of a start."""
    load_defaults.cache_clear()
    parse_config({}, {})
    assert load_defaults.cache_info().currsize == 0


def test_a_file_overrides_key_by_key(tmp_path: Path) -> None:
    file = tmp_path / "config.toml"
    file.write_text(
        """
        [routing]
        sticky_ttl = 60
        [routing.tier_models.standard]
        SIMPLE = ["local/m"]
        [routing.virtual_models]
        mine = { tier_models = "eco", tier = "COMPLEX" }
        [providers.openai]
        base_url = "https://gateway.example/v1/"
        models = ["my-own"]
        key_env = "GATEWAY_KEY"
        [providers.local]
        base_url = "http://127.0.0.1:11434/v1"
        models = ["m"]
        [clients]
        laptop = "sixteen characters"
        """
    )
    config = load_config(file, {})
    defaults = load_defaults()
    assert config.routing.sticky_ttl == 60
    assert config.routing.tier_models["standard"].SIMPLE == ("local/m",)
    assert config.routing.tier_models["standard"].MEDIUM == defaults.tier_models["standard"].MEDIUM
    assert config.routing.tier_models["eco"] == defaults.tier_models["eco"]
    assert config.routing.virtual_models.keys() == defaults.virtual_models.keys() | {"mine"}
    openai, local = config.providers["openai"], config.providers["local"]
    assert (openai.base_url, openai.key_env) == ("https://gateway.example/v1", ("GATEWAY_KEY",))
    assert openai.models.keys() == PROVIDERS["openai"].models.keys() | {"my-own"}
    assert config.providers["groq"] == PROVIDERS["groq"]
    assert (local.key_env, local.key_optional, local.listed, *local.models) == ((), True, False, "m")
    assert list(config.providers) == [*PROVIDERS, "local"]
    assert config.clients["laptop"].get_secret_value() == "sixteen characters"
    assert "sixteen" not in repr(config)


# the file's [providers] and the environment; openai's base URL then
BASE_URLS = [
    ({}, {}, "https://api.openai.com/v1"),
    ({}, {"OPENAI_BASE_URL": ""}, "https://api.openai.com/v1"),
    ({}, {"OPENAI_BASE_URL": "http://env.example:8000/v1/"}, "http://env.example:8000/v1"),
    ({"openai": {"base_url": "http://file.example/v1"}}, {}, "http://file.example/v1"),
    ({"openai": {"base_url": "http://file.example/v1"}}, {"OPENAI_BASE_URL": "http://env.example/v1"},
     "http://file.example/v1"),
    ({"openai": {"models": ["m"]}}, {"OPENAI_BASE_URL": "http://env.example/v1"}, "http://env.example/v1"),
    ({}, {"GROQ_BASE_URL": "http://env.example"}, "https://api.openai.com/v1"),
]  # fmt: skip


@pytest.mark.parametrize(("tables", "env", "url"), BASE_URLS)
def test_base_urls(tables: dict[str, Any], env: dict[str, str], url: str) -> None:
    assert parse_config({"providers": tables}, env).providers["openai"].base_url == url


@pytest.mark.parametrize("id_", [id_ for id_, row in PROVIDERS.items() if row.kind == "key"])
def test_every_base_url_can_come_from_the_environment(id_: str) -> None:
    variable = PROVIDERS[id_].base_url_env
    assert variable is not None
    base_url = parse_config({}, {variable: "http://e.example/x"}).providers[id_].base_url
    assert base_url in ("http://e.example/x", "http://e.example/x/v1beta")


PATHS: list[tuple[Callable[[dict[str, str]], Path], str, str]] = [
    (config_path, "SMART_ROUTER_CONFIG", "config.toml"),
    (state_path, "SMART_ROUTER_STATE", "smart-router"),
]


@pytest.mark.parametrize(("path", "variable", "last"), PATHS)
def test_paths_of_config_and_state(path: Callable[[dict[str, str]], Path], variable: str, last: str) -> None:
    assert path({variable: "/a/b"}) == Path("/a/b")
    assert path({variable: "~/b"}) == Path.home() / "b"
    assert path({}).name == path({variable: ""}).name == last
    assert "smart-router" in path({}).parts


# a file, the key that its error names, a part of the reason
WRONG_FILES = [
    ("[routing", "", "is not TOML"),
    ("a = " + "[" * 5000, "", "is not TOML"),
    ("routing = 1", "routing", "must be a table"),
    ("[rooting]", "rooting", "is not known here; did you mean routing?"),
    ("[routing]\nsticky_tll = 5", "routing.sticky_tll", "did you mean sticky_ttl?"),
    ("[routing]\nsticky_ttl = 'long'", "routing.sticky_ttl", "must be a number"),
    ("[routing]\nsticky_ttl = -1", "routing.sticky_ttl", "greater"),
    ("[routing]\nfallback = ['gpt']", "routing.fallback", "provider/model"),
    ("[routing]\nfallback = 'openai/gpt'", "routing.fallback", 'must be a list of texts, such as ["a", "b"]'),
    ("[routing.tier_models.standard]\nSIMPLE = ['gpt']", "routing.tier_models.standard.SIMPLE", "provider/"),
    ("[routing.tier_models.standard]\nsimple = []", "routing.tier_models.standard.simple",
     "did you mean SIMPLE?"),
    ("[routing.tier_models.mine]\nSIMPLE = []", "routing.tier_models.mine.MEDIUM", "is missing"),
    ("[routing.virtual_models]\nx = { tier_models = 'none' }", "routing", "unknown tier models 'none'"),
    ("[routing.virtual_models]\nx = { tier_models = 'eco', tier = 'EASY' }", "routing.virtual_models.x.tier",
     "SIMPLE"),
    ("[providers.new]", "providers.new.base_url", "missing"),
    ("[providers.New]\nbase_url = 'http://h'", "providers.New", "must consist of a-z"),
    ("[providers.openai]\nurl = 'http://h'", "providers.openai.url", "known: base_url, key_env"),
    ("[providers.openai]\nbase_url = 'openai'", "providers.openai.base_url", "http(s) URL"),
    ("[providers.openai]\nbase_url = 'ftp://h'", "providers.openai.base_url", "http(s) URL"),
    ("[providers.openai]\nbase_url = 'http://'", "providers.openai.base_url", "http(s) URL"),
    ("[providers.openai]\nbase_url = 'http://h/?a=b'", "providers.openai.base_url", "without query"),
    ("[providers.openai]\nbase_url = 'http://h:99999'", "providers.openai.base_url", "ort"),
    ("[providers.openai]\nbase_url = 'http://h:x'", "providers.openai.base_url", "ort"),
    ("[providers.openai]\nbase_url = 'http://[::1'", "providers.openai.base_url", "Invalid IPv6"),
    ("[providers.openai]\nbase_url = 'http://a b/'", "providers.openai.base_url", "http(s) URL"),
    ("[providers.openai]\nbase_url = 'http://u:sesame@h'", "providers.openai.base_url", "environment"),
    ("[providers.openai]\nkey_env = 'sk-sesame'", "providers.openai.key_env", "not a key itself"),
    ("[providers.openai]\nmodels = 'm'", "providers.openai.models", "must be a list of texts"),
    ("[clients]\na = 'sesame'", "clients.a", "at least 16"),
    ("[clients]\na = 5", "clients.a", "must be a text in quotes"),
    ("[clients]\nrequire_keys = 'true, for all of them'", "clients.require_keys", "must be true or false"),
    ("[clients]\nown_login = 'a long random string'", "clients.own_login", "must be a table"),
    ("[providers.lokal]\n[providers.grok]", "providers.lokal.base_url", "is missing"),
    ("[prices.'a/b']\ninputs = 1\noutput = 1", "prices.a/b.input", "is missing"),
    ("[prices]\n'a/b' = 'nonsense'", "prices.a/b", "must be of the form provider/model"),
    ("[prices]\n'a/b' = 5", "prices.a/b", "must be a text in quotes"),
    ("[prices]\nmine = 'a/b'", "prices.mine", "must be of the form provider/model"),
    ("[providers.openai-codex.login]\ntoken = 'x'", "providers.openai-codex.login.token",
     "did you mean token_url?"),
]  # fmt: skip


@pytest.mark.parametrize(
    ("text", "key", "reason"), WRONG_FILES, ids=[f"{n} {row[1]}" for n, row in enumerate(WRONG_FILES)]
)
def test_errors_name_file_key_and_reason(tmp_path: Path, text: str, key: str, reason: str) -> None:
    file = tmp_path / "config.toml"
    file.write_text(text)
    with pytest.raises(ConfigError) as caught:
        load_config(file, {})
    error = caught.value
    assert error.file == str(file)
    assert error.problems[0].key == key
    assert reason in error.problems[0].reason
    assert str(error).startswith(f"{file}: {key}")
    assert "\n" not in str(error)
    assert "sesame" not in str(error)


def test_all_errors_are_reported_together(tmp_path: Path) -> None:
    file = tmp_path / "config.toml"
    file.write_text(
        """
        [rooting]
        [routing]
        sticky_tll = 5
        fallback = "openai/gpt-5.4"
        [providers.openai]
        models = "m"
        [clients]
        a = "sesame"
        """
    )
    with pytest.raises(ConfigError) as caught:
        load_config(file, {"GROQ_BASE_URL": "https://sesame:sesame@h", "OPENAI_BASE_URL": "no url"})
    assert [problem.key for problem in caught.value.problems] == [
        "providers.openai.models",
        "clients.a",
        "rooting",
        "routing.fallback",
        "routing.sticky_tll",
        "OPENAI_BASE_URL",
    ]
    assert "sesame" not in str(caught.value)


# [routing] of a file, and what it is warned of
ODD = [
    ("[routing.tier_models.standard]\nSIMPLE = ['opnai/gpt-5.4']", "routing.tier_models.standard.SIMPLE: "
     "'opnai/gpt-5.4' is skipped, for there is no provider 'opnai'; did you mean openai?"),
    ("[routing.tier_models.eco]\nCOMPLEX = ['anthropic/claude-opus-5.5']", "routing.tier_models.eco.COMPLEX: "
     "'anthropic/claude-opus-5.5' is not a model of anthropic that the router knows; "
     "did you mean claude-opus-5-5?; a new one is added with `models` under [providers.anthropic]"),
    ("[routing]\nfallback = ['nobody/x']", "routing.fallback: "
     "'nobody/x' is skipped, for there is no provider 'nobody'"),
    ("[routing]\nprovider_order = ['grok']", "routing.provider_order: "
     "there is no provider 'grok'; did you mean groq?"),
    ("[routing.keywords.prooof]\nen = ['widget']", "routing.keywords.prooof: "
     "does nothing without [routing.weights.prooof]; did you mean proof?"),
    ("[routing]\nfallback = ['openrouter/x/y']", None),
    ("[routing]\nfallback = ['openai/mine']\n[providers.openai]\nmodels = ['mine']", None),
    ("", None),
]  # fmt: skip


@pytest.mark.parametrize(("text", "said"), ODD)
def test_unknown_names_cause_warnings(
    tmp_path: Path, text: str, said: str | None, caplog: pytest.LogCaptureFixture
) -> None:
    file = tmp_path / "config.toml"
    file.write_text(text)
    config = load_config(file, {})
    assert [str(warning) for warning in config.warnings] == ([said] if said else [])
    assert caplog.messages == ([f"{file}: {said}"] if said else [])


def test_files_that_cannot_be_read(tmp_path: Path) -> None:
    latin = tmp_path / "latin.toml"
    latin.write_bytes(b'a = "\xe4"')
    for path in (latin, tmp_path):
        with pytest.raises(ConfigError, match="cannot be read"):
            load_config(path, {})
    assert load_config(tmp_path / "missing.toml", {}).routing == load_defaults()


def test_invalid_base_url_in_the_environment_is_named() -> None:
    with pytest.raises(ConfigError, match=r"^OPENAI_BASE_URL: must be an http\(s\) URL"):
        parse_config({}, {"OPENAI_BASE_URL": "ftp://localhost:8000"})


# Running.


async def ask(router: Router, model: str) -> tuple[int, str]:
    """Status, and the text or the error's code."""
    async with router.http() as http:
        answer = await http.post(CHAT, json={"model": model, "messages": HI})
    body = answer.json()
    return answer.status_code, body["error"]["code"] if "error" in body else body["choices"][0]["message"][
        "content"
    ]


@pytest.mark.xdist_group("config")
async def test_running_router_applies_edits(start_router: StartRouter, provider: Provider) -> None:
    config = f"""
        [providers.free]
        base_url = "{provider.url}/free/v1"
        models = ["qwen3:8b"]
        [providers.keyed]
        base_url = "{provider.url}/keyed"
        key_env = "KEYED_API_KEY"
        models = ["m"]
    """
    env = {"KEYED_API_KEY": "the-key", "LATER_KEY": "later"}
    router = await start_router(config=config, env=env)
    async with router.http() as http:
        listed = [model["id"] for model in (await http.get("/v1/models")).json()["data"]]
    assert listed[-2:] == ["free/qwen3:8b", "keyed/m"]
    for model in ("free/qwen3:8b", "free/another", "qwen3:8b", "keyed/m"):
        assert await ask(router, model) == (200, "You said: Hi")
    assert [request.path for request in provider.requests] == ["/free/v1/chat/completions"] * 3 + [
        "/keyed/chat/completions"
    ]
    assert [request.headers.get("authorization") for request in provider.requests] == [None] * 3 + [
        "Bearer the-key"
    ]
    assert [request.model for request in provider.requests] == ["qwen3:8b", "another", "qwen3:8b", "m"]

    assert await ask(router, "later/m") == (404, "model_not_found")
    later = f'[providers.later]\nbase_url = "{provider.url}/later"\nkey_env = "LATER_KEY"\n'
    router.config_file.write_text(config + later)
    router.wait_for_log("config reloaded")
    assert await ask(router, "later/m") == (200, "You said: Hi")
    assert provider.requests[-1].headers["authorization"] == "Bearer later"

    router.config_file.write_text("[routing]\nsticky_ttl = 'x'")
    file = re.escape(str(router.config_file))
    router.wait_for_log(rf"not reloaded, the old one stays: {file}: routing.sticky_ttl: ")
    assert await ask(router, "later/m") == (200, "You said: Hi")

    router.config_file.unlink()
    router.wait_for_log(r"config reloaded(?s:.*)config reloaded")
    assert await ask(router, "later/m") == (404, "model_not_found")


def test_a_file_that_is_being_written_is_left_for_the_next_look(tmp_path: Path) -> None:
    """An editor that empties a file before it writes it would switch to the defaults for a moment."""
    file = tmp_path / "config.toml"
    file.write_text("[routing]\nsticky_ttl = 60")
    router = Runtime({}, file, tmp_path / "state")
    try:
        file.write_text("")
        assert not router.reload()
        file.write_text("[routing]\nsticky_ttl = 70")
        assert (router.reload(), router.config.routing.sticky_ttl) == (False, 60)
        os.utime(file, (time.time() - 1, time.time() - 1))
        assert (router.reload(), router.config.routing.sticky_ttl) == (True, 70)
        file.write_text("[routing]\nsticky_ttl = 80")
        assert (router.reload(force=True), router.config.routing.sticky_ttl) == (True, 80)
    finally:
        router.recording.writer.close()
        router.auth.close()


@pytest.mark.xdist_group("config")
async def test_missing_config_file(start_router: StartRouter, provider: Provider, tmp_path: Path) -> None:
    env = provider_env(provider.url, "openai") | {
        "SMART_ROUTER_CONFIG": str(tmp_path / "none" / "config.toml")
    }
    router = await start_router(env=env)
    assert await ask(router, "auto") == (200, "You said: Hi")


@pytest.mark.xdist_group("config")
def test_invalid_file_at_start_ends_mitmdump(tmp_path: Path) -> None:
    file = tmp_path / "config.toml"
    file.write_text("[routing]\nsticky_ttl = 'x'\n")
    env = {
        **bare_env(),
        "SMART_ROUTER_CONFIG": str(file),
        "SMART_ROUTER_STATE": str(tmp_path / "state"),
        "HOME": str(tmp_path),
    }
    command = [str(MITMDUMP), "-s", ROUTER, "--mode", "reverse:http://127.0.0.1:1", "--listen-port", "0"]
    ended = subprocess.run(command, env=env, capture_output=True, text=True, timeout=30)
    said = ended.stdout + ended.stderr
    assert ended.returncode == 1
    assert "Traceback" not in said
    assert len([line for line in said.splitlines() if f"{file}: routing.sticky_ttl: " in line]) == 1


def test_providers_with_logins() -> None:
    tables = {
        "openai-codex": {
            "extras": {"instructions": "Be brief."},
            "login": {"token_url": "https://a.example/t"},
        },
        "antigravity": {"base_url": "https://gateway.example"},
        "qwen-portal": {"resource_hosts": ["gateway.example"]},
    }
    config = parse_config({"providers": tables}, {})
    codex = config.providers["openai-codex"]
    assert codex.extras == {"originator": "codex_cli_rs", "instructions": "Be brief."}
    assert config.logins["openai-codex"].token_url == "https://a.example/t"
    assert config.providers["antigravity"].address(place=1) == "https://gateway.example"
    assert config.providers["qwen-portal"].resource_hosts == ("gateway.example",)
    for url in ("http://a.example/t", "ftp://localhost/t", "/t"):
        with pytest.raises(ConfigError, match=r"providers\.openai-codex\.login\.token_url"):
            parse_config({"providers": {"openai-codex": {"login": {"token_url": url}}}}, {})
