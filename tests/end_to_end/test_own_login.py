"""A client's own credential as profile `client`: at its vendor's own host only, and nowhere else."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import httpx
import pytest
from pydantic import SecretStr

from smart_router.api.own_login import find_own_login
from smart_router.client_keys.directory import Directory
from smart_router.providers.registry import PROVIDERS
from tests.conftest import StartRouter
from tests.testbed.answers import Answer
from tests.testbed.harness import Router, provider_env
from tests.testbed.provider import Provider
from tests.testbed.wires import messages_answer

CANARY = "sk-ant-oat01-canary-0123456789"
OWN = {
    "authorization": f"Bearer {CANARY}",
    "anthropic-beta": "oauth-2025-04-20",
    "user-agent": "claude-cli/2",
}
HI: dict[str, Any] = {
    "model": "claude-haiku-5-5",
    "max_tokens": 9,
    "messages": [{"role": "user", "content": "Hi"}],
}


async def start(start_router: StartRouter, provider: Provider, config: str, **options: str) -> Router:
    """A proxy that routes what is sent to the provider's host, which is Anthropic's to it."""
    return await start_router(
        modes=["regular"],
        env=provider_env(provider.url, "anthropic"),
        config=config,
        options={"router_intercept": f"127.0.0.1:{provider.port}", **options},
    )


async def ask(router: Router, provider: Provider, headers: dict[str, str] = OWN) -> httpx.Response:
    async with router.proxied_http() as http:
        return await http.post(f"{provider.url}/v1/messages?beta=true", json=HI, headers=headers)


def keys(provider: Provider) -> list[str]:
    """The credential of each request, as `own` or `ours`."""
    sent = [one.headers.get("authorization", one.headers.get("x-api-key", "")) for one in provider.requests]
    return ["own" if CANARY in key else "ours" for key in sent]


ORDERS = {"first": ["own", "ours"], "last": ["ours", "own"], None: ["ours"]}


@pytest.mark.parametrize("order", ORDERS)
async def test_order(start_router: StartRouter, provider: Provider, order: str | None) -> None:
    busy = Answer(429, {"retry-after": "600"}, b'{"type": "error", "error": {"type": "rate_limit_error"}}')
    provider.on(busy, messages_answer("Hello."))
    config = f'[clients.own_login]\nanthropic = "{order}"\n' if order else ""
    answer = await ask(await start(start_router, provider, config), provider)
    assert keys(provider) == ORDERS[order]
    assert answer.status_code == (200 if order else 429)
    names = {"own": "anthropic:client", "ours": "anthropic:env"}
    assert answer.headers["x-router-profile"] == names[ORDERS[order][-1]]


async def test_plan_that_is_used_up_is_left_alone_for_a_while(
    start_router: StartRouter, provider: Provider, tmp_path: Path
) -> None:
    """And the credential is in nothing that the router shows or keeps."""
    limit = {"type": "error", "error": {"type": "rate_limit_error", "message": f"Used up: {CANARY}"}}
    provider.on(Answer(429, {"retry-after": "600"}, json.dumps(limit).encode()), messages_answer("Hello."))
    router = await start(
        start_router,
        provider,
        '[clients.own_login]\nanthropic = "first"\n',
        save_stream_file=str(tmp_path / "flows"),
        router_audit_content="true",
    )
    first, second = await ask(router, provider), await ask(router, provider)
    assert (first.status_code, second.status_code) == (200, 200)
    assert keys(provider) == ["own", "ours", "ours"]
    shown = f"{first.headers}{first.text}{second.headers}{second.text}"
    router.stop()
    kept = [file for file in [*router.state_folder.rglob("*"), tmp_path / "flows"] if file.is_file()]
    assert kept
    assert CANARY not in shown + router.log
    assert not [file for file in kept if CANARY.encode() in file.read_bytes()]


async def test_own_login_alone_is_enough(start_router: StartRouter, provider: Provider) -> None:
    provider.on(messages_answer("Hello."))
    router = await start_router(
        modes=["regular"],
        config=f"""
            [clients.own_login]
            anthropic = "last"
            [providers.anthropic]
            base_url = "{provider.url}"
        """,
        options={"router_intercept": f"127.0.0.1:{provider.port}"},
    )
    assert (await ask(router, provider)).status_code == 200
    assert keys(provider) == ["own"]


def request_to(host: str, **headers: str) -> Any:
    from mitmproxy import http

    fields = {name.replace("_", "-"): value for name, value in headers.items()}
    return http.Request.make("POST", f"https://{host}/v1/messages", b"{}", fields)


BEARER = f"Bearer {CANARY}"
FOUND: list[tuple[str, str, dict[str, str], bool, bool]] = [
    ("router.test", "anthropic", {"authorization": BEARER}, False, True),
    ("router.test", "anthropic", {"x_api_key": CANARY}, False, True),
    ("api.anthropic.com", "anthropic", {"authorization": BEARER}, True, True),
    ("api.anthropic.com", "anthropic", {"authorization": "Bearer any-opaque-token"}, True, True),
    ("router.test", "anthropic", {"authorization": "Bearer any-opaque-token"}, False, False),
    ("router.test", "anthropic", {"authorization": "Bearer sk-proj-of-openai"}, False, False),
    ("router.test", "gemini", {"authorization": BEARER}, False, False),
    ("other.test", "anthropic", {"authorization": BEARER}, True, False),
    ("router.test", "anthropic", {"x_api_key": "unused"}, False, False),
    ("router.test", "anthropic", {"authorization": "Bearer sk-ant-the-routers-own-key"}, False, False),
    ("router.test", "anthropic", {}, False, False),
]


@pytest.mark.parametrize(("host", "format_", "headers", "intercepted", "found"), FOUND)
def test_which_credentials_are_taken(
    host: str, format_: str, headers: dict[str, str], intercepted: bool, found: bool
) -> None:
    asked = PROVIDERS["anthropic"] if intercepted else None
    clients = Directory({"me": SecretStr("sk-ant-the-routers-own-key")})
    wanted: Any = {"anthropic": "first", "google": "first"}
    own = find_own_login(request_to(host, **headers), format_, asked, PROVIDERS, wanted, clients)
    assert (own is not None) is found
    assert CANARY not in repr(own)


def test_credential_does_not_follow_a_base_url_of_the_users() -> None:
    from dataclasses import replace

    moved = {**PROVIDERS, "anthropic": replace(PROVIDERS["anthropic"], base_url="https://gateway.test")}
    request = request_to("api.anthropic.com", authorization=BEARER)
    for asked in (None, moved["anthropic"]):
        assert find_own_login(request, "anthropic", asked, moved, {"anthropic": "first"}, Directory()) is None
