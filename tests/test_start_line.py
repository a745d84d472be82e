"""The log line at start, and the warning about base URLs of the router itself."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from smart_router import __version__
from smart_router.auth.store import AuthStore
from smart_router.config import parse_config
from smart_router.start_line import pointed_at_itself, start_line
from tests.conftest import StartRouter
from tests.testbed.harness import provider_env
from tests.testbed.provider import Provider

LOOPBACK = [("127.0.0.1", 8080)]


# addresses, environment, disabled profiles, and what the line says after the version
LINES = [
    (LOOPBACK, {"OPENAI_API_KEY": "a", "OPENAI_API_KEY_2": "b", "GROQ_API_KEY": "c"}, ["groq:env"],
     r"at 127\.0\.0\.1:8080, live page: http://127\.0\.0\.1:8080/router, config: FILE, "
     r"usable providers: openai \(2 profiles\); "
     r"not usable: groq:env \(switched off by the user\); without key or login: anthropic, google, "),
    ([("0.0.0.0", 80), ("::", 80, 0, 0)], {"XAI_API_KEY": "a"}, [],
     r"at \*:80, live page: http://127\.0\.0\.1:80/router, config: FILE, "
     r"usable providers: xai \(1 profile\); without key or login: openai, "),
    ([], {}, [], r"at no address, config: FILE, usable providers: none \(set a key such as OPENAI_API_KEY "),
]  # fmt: skip


@pytest.mark.parametrize(("addresses", "env", "disabled", "said"), LINES)
def test_start_line(
    tmp_path: Path,
    addresses: list[tuple[str, int]],
    env: dict[str, str],
    disabled: list[str],
    said: str,
) -> None:
    config = parse_config({}, env)
    store = AuthStore(env, config.providers, tmp_path)
    for profile in disabled:
        store.disable(profile)
    profiles = {name: store.statuses(name, 1.0) for name in config.providers}
    store.close()
    line = start_line(addresses, "FILE", profiles, addresses[0] if addresses else None)
    assert re.match(rf"smart-router {re.escape(__version__)} {said}", line), line
    assert "\n" not in line


# where the router listens, the environment, and the beginning of its warning
ITSELF = [
    (
        LOOPBACK,
        {"OPENAI_BASE_URL": "http://127.0.0.1:8080/v1"},
        "OPENAI_BASE_URL is http://127.0.0.1:8080/v1",
    ),
    (LOOPBACK, {"OPENAI_BASE_URL": "http://localhost:8080"}, "OPENAI_BASE_URL is"),
    ([("0.0.0.0", 80)], {"GROQ_BASE_URL": "http://localhost"}, "GROQ_BASE_URL is"),
    ([("192.0.2.1", 8080)], {"OPENAI_BASE_URL": "http://192.0.2.1:8080"}, "OPENAI_BASE_URL is"),
    (LOOPBACK, {"OPENAI_BASE_URL": "http://127.0.0.1:8081/v1"}, None),
    (LOOPBACK, {"OPENAI_BASE_URL": "http://192.0.2.1:8080/v1"}, None),
    (LOOPBACK, {}, None),
]


@pytest.mark.parametrize(("addresses", "env", "said"), ITSELF)
def test_base_url_of_the_router_itself_is_named(
    addresses: list[tuple[str, int]], env: dict[str, str], said: str | None
) -> None:
    warnings = list(pointed_at_itself(addresses, parse_config({}, env).providers, env))
    assert [warning[: len(said)] for warning in warnings if said] == ([said] if said else [])
    assert said or not warnings


def test_base_url_in_the_config_is_named_by_its_key() -> None:
    config = parse_config({"providers": {"mine": {"base_url": "http://localhost:8080/v1"}}}, {})
    (warning,) = pointed_at_itself(LOOPBACK, config.providers, {})
    assert warning.startswith(
        "base_url of [providers.mine] is http://localhost:8080/v1, which is this router"
    )


async def test_start_line_is_logged_once_and_health_stays_current(
    start_router: StartRouter, provider: Provider
) -> None:
    config = "[routing]\nfallback = ['opnai/x']\n"
    router = await start_router(config=config, env=provider_env(provider.url, "openai", "groq"))
    line = rf"smart-router {re.escape(__version__)} at 127\.0\.0\.1:{router.port}, "
    line += rf"live page: {router.url}/router, config: "
    line += (
        rf"{re.escape(str(router.config_file))}, usable providers: openai \(1 profile\), groq \(1 profile\);"
    )
    router.wait_for_log(line)
    async with router.http() as http:
        fresh = (await http.get("/health")).json()["config"]
        assert (fresh["path"], fresh["defaults"], fresh["error"]) == (str(router.config_file), False, None)
        assert fresh["warnings"] == [
            "routing.fallback: 'opnai/x' is skipped, for there is no provider 'opnai'; did you mean openai?"
        ]
        router.config_file.write_text("[rooting]")
        router.wait_for_log("the old one stays")
        broken = (await http.get("/health")).json()["config"]
        assert broken["error"] == f"{router.config_file}: rooting: is not known here; did you mean routing?"
        assert broken["loaded"] == fresh["loaded"]
        router.config_file.unlink()
        router.wait_for_log("config reloaded")
        none = (await http.get("/health")).json()["config"]
        assert (none["defaults"], none["error"], none["warnings"]) == (True, None, [])
