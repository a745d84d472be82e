"""`smart-router login` and `smart-router import`, with the scripted provider and test files."""

from __future__ import annotations

import asyncio
import json
import time
import webbrowser
from pathlib import Path
from typing import Any

import httpx
import pytest
from click.testing import CliRunner, Result

from smart_router.auth.profiles import Profile
from smart_router.auth.store import AuthStore
from smart_router.cli.main import main
from smart_router.providers.registry import PROVIDERS
from tests.auth.logins.helpers import ACCOUNT, jwt
from tests.testbed.answers import Answer
from tests.testbed.harness import NO_TLS
from tests.testbed.provider import Provider, refused_port

HOUR = 3600


@pytest.fixture(autouse=True)
def _own_home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.setenv("SMART_ROUTER_STATE", str(tmp_path / "state"))
    monkeypatch.setenv("SMART_ROUTER_CONFIG", str(tmp_path / "config.toml"))
    for name in ("CODEX_HOME", "ANTIGRAVITY_CLIENT_ID", "ANTIGRAVITY_CLIENT_SECRET"):
        monkeypatch.delenv(name, raising=False)
    # nobody must see a browser open
    monkeypatch.setattr(webbrowser, "open", lambda url: None)


def run(*args: str) -> Result:
    result = CliRunner().invoke(main, args)
    assert "canary" not in result.output + result.stderr
    return result


def configure(folder: Path, provider: str, **settings: str) -> None:
    lines = [f"[providers.{provider}.login]", *(f'{name} = "{value}"' for name, value in settings.items())]
    (folder / "config.toml").write_text("\n".join(lines).replace('"[', "[").replace(']"', "]"))


def stored(folder: Path, profile_id: str) -> Profile:
    store = AuthStore({}, PROVIDERS, folder / "state")
    store.close()
    profile = store.find(profile_id)
    assert profile is not None
    return profile


def tokens(**fields: Any) -> Answer:
    data = {"access_token": "canary-access", "refresh_token": "canary-refresh", "expires_in": HOUR, **fields}
    return Answer(body=json.dumps(data).encode())


def come_back(url: str) -> None:
    """A browser whose user agrees at once."""
    query = httpx.URL(url).params
    httpx.get(query["redirect_uri"], params={"code": "canary-code", "state": query["state"]}, verify=NO_TLS)


@pytest.mark.parametrize("as_json", [False, True])
async def test_codex(
    provider: Provider, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, as_json: bool
) -> None:
    provider.on(tokens(id_token=jwt(email="me@example.com", **ACCOUNT)), path="/token")
    redirect = "['http://localhost:0/auth/callback']"
    configure(tmp_path, "openai-codex", token_url=f"{provider.url}/token", redirect_uris=redirect)
    monkeypatch.setattr(webbrowser, "open", come_back)
    result = await asyncio.to_thread(run, "login", "openai-codex", *(["--json"] if as_json else []))
    assert result.exit_code == 0
    if as_json:
        shown, done = [json.loads(line) for line in result.stdout.splitlines()]
        assert shown["open"].startswith("https://auth.openai.com/oauth/authorize?")
        assert shown["code"] is None
        assert done["profile"] == "openai-codex:me@example.com"
        assert (done["refreshable"], done["notice"]) == (True, None)
        assert HOUR - 9 <= done["expires_in"] <= HOUR
    else:
        assert "https://auth.openai.com/oauth/authorize?" in result.stdout
        assert "ssh -L" in result.stdout
        assert "profile openai-codex:me@example.com" in result.stdout
    profile = stored(tmp_path, "openai-codex:me@example.com")
    assert profile.secret and profile.secret.get_secret_value() == "canary-access"
    assert profile.refreshable
    assert profile.extras == {"account_id": "acc-1"}


async def test_qwen(provider: Provider, tmp_path: Path) -> None:
    code = {"device_code": "canary-device", "user_code": "ABCD-1", "interval": 1}
    code |= {"verification_uri": "https://chat.qwen.ai/authorize"}
    provider.on(Answer(body=json.dumps(code).encode()), path="/code")
    provider.on(tokens(resource_url="portal.qwen.ai"), path="/token")
    configure(tmp_path, "qwen-portal", token_url=f"{provider.url}/token", device_url=f"{provider.url}/code")
    result = await asyncio.to_thread(run, "login", "qwen-portal", "--no-browser", "--name", "work")
    assert result.exit_code == 0
    assert "Qwen ended its free logins" in result.stderr
    assert "https://chat.qwen.ai/authorize" in result.stdout
    assert "ABCD-1" in result.stdout
    assert stored(tmp_path, "qwen-portal:work").extras == {"resource_url": "https://portal.qwen.ai/v1"}


async def test_minimax_region(provider: Provider, tmp_path: Path) -> None:
    def code(request: Any) -> Answer:
        fields = {"user_code": "U", "verification_uri": "https://platform.minimaxi.com", "interval": 1}
        return Answer(
            body=json.dumps({**fields, "state": httpx.QueryParams(request.body.decode())["state"]}).encode()
        )

    provider.on(code, path="/code")
    provider.on(tokens(status="success", notification_message="Welcome"), path="/token")
    configure(
        tmp_path, "minimax-portal", token_url=f"{provider.url}/token", device_url=f"{provider.url}/code"
    )
    result = await asyncio.to_thread(run, "login", "minimax-portal", "--region", "cn")
    assert "Welcome" in result.stdout
    assert stored(tmp_path, "minimax-portal:default").extras == {
        "region": "cn",
        "resource_url": "https://api.minimaxi.com/anthropic",
    }


ERRORS = [
    (["login", "antigravity"], 2, "antigravity needs --accept-risk"),
    (["login", "antigravity", "--accept-risk"], 1, "set ANTIGRAVITY_CLIENT_ID and ANTIGRAVITY_CLIENT_SECRET"),
    (["login", "antigravity", "--accept-risk", "--device"], 2, "no login with a code"),
    (["login", "minimax-portal", "--region", "mars"], 1, "no region 'mars'"),
    (["login", "openai-codex", "--name", "a b"], 1, "is no name"),
    (
        ["login", "openai"],
        2,
        "openai takes an API key: set OPENAI_API_KEY, or run `smart-router profiles add",
    ),
    (["login", "opena"], 2, "'opena' is not one of"),
    (["import", "antigravity"], 2, "'antigravity' is not one of"),
    (["import", "openai-codex"], 1, "there is no"),
    (["import", "minimax-portal"], 1, "config.json"),
]


@pytest.mark.parametrize(("args", "exit_code", "message"), ERRORS)
def test_errors(args: list[str], exit_code: int, message: str) -> None:
    result = run(*args)
    assert result.exit_code == exit_code
    assert message in " ".join(result.stderr.split())


def test_unreachable_server(tmp_path: Path) -> None:
    with refused_port() as port:
        configure(tmp_path, "qwen-portal", device_url=f"http://127.0.0.1:{port}/code")
        result = run("login", "qwen-portal")
    assert result.exit_code == 1
    assert "asking for a code got no answer (ConnectError)" in result.stderr


FILES: list[tuple[str, str, dict[str, Any], dict[str, str]]] = [
    (
        "openai-codex",
        ".codex/auth.json",
        {"tokens": {"access_token": "canary-a", "refresh_token": "canary-r", "account_id": "acc-2"}},
        {"account_id": "acc-2"},
    ),
    (
        "qwen-portal",
        ".qwen/oauth_creds.json",
        {
            "access_token": "canary-a",
            "refresh_token": "canary-r",
            "resource_url": "portal.qwen.ai",
            "expiry_date": (time.time() + HOUR) * 1000,
        },
        {"resource_url": "https://portal.qwen.ai/v1"},
    ),
    (
        "minimax-portal",
        ".mmx/config.json",
        {
            "oauth": {
                "access_token": "canary-a",
                "refresh_token": "canary-r",
                "expires_at": "2099-01-01T00:00:00Z",
                "resource_url": "https://api.minimaxi.com/anthropic",
            }
        },
        {"region": "global", "resource_url": "https://api.minimaxi.com/anthropic"},
    ),
]


@pytest.mark.parametrize(("provider_id", "path", "content", "extras"), FILES)
@pytest.mark.parametrize("with_refresh", [False, True])
def test_import(
    tmp_path: Path, provider_id: str, path: str, content: Any, extras: dict[str, str], with_refresh: bool
) -> None:
    (tmp_path / path).parent.mkdir()
    (tmp_path / path).write_text(json.dumps(content))
    result = run("import", provider_id, *(["--with-refresh-token"] if with_refresh else []))
    assert result.exit_code == 0
    assert "refresh token works once" in " ".join(result.stderr.split())
    profile = stored(tmp_path, f"{provider_id}:default")
    assert profile.secret and profile.secret.get_secret_value() == "canary-a"
    assert profile.refreshable is with_refresh
    assert profile.extras == extras


def test_import_from_another_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    _, _, content, _ = FILES[0]
    (tmp_path / "auth.json").write_text(json.dumps(content))
    monkeypatch.setenv("CODEX_HOME", str(tmp_path))
    assert run("import", "openai-codex", "--name", "one").exit_code == 0
    monkeypatch.delenv("CODEX_HOME")
    result = run("import", "openai-codex", "--file", str(tmp_path / "auth.json"), "--json")
    assert json.loads(result.stdout)["profile"] == "openai-codex:default"


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ("{}", "holds no access token"),
        ("not JSON", "holds no access token"),
        ('{"tokens": null, "OPENAI_API_KEY": "canary"}', "holds no access token"),
        ('{"tokens": {"access_token": "canary"}}', "names no ChatGPT account"),
        (json.dumps({"tokens": {"access_token": jwt(exp=1_700_000_000, **ACCOUNT)}}), "has ended"),
    ],
)
def test_unusable_files(tmp_path: Path, content: str, message: str) -> None:
    (tmp_path / ".codex").mkdir()
    (tmp_path / ".codex" / "auth.json").write_text(content)
    result = run("import", "openai-codex")
    assert result.exit_code == 1
    assert message in result.stderr
