"""The registry: each provider's facts, and the checks on all of them."""

from __future__ import annotations

import dataclasses
import re
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import pytest

from smart_router import providers
from smart_router.dialects.hub import ChatRequest
from smart_router.providers.base import Provider
from smart_router.providers.catalogue import rules_for
from smart_router.providers.openai_compatible import CHAT, declared_provider
from smart_router.providers.registry import PROVIDERS, collect
from smart_router.routing import config as routing_config
from smart_router.routing.decision import TIERS
from tests.dialects.openai_chat.chat_wire import call_to

ROWS = [pytest.param(provider, id=provider.id) for provider in PROVIDERS.values()]

ADDRESSES = {
    "openai": "https://api.openai.com/v1/chat/completions",
    "anthropic": "https://api.anthropic.com/v1/messages",
    "google": "https://generativelanguage.googleapis.com/v1beta/models/m:generateContent",
    "deepseek": "https://api.deepseek.com/chat/completions",
    "xai": "https://api.x.ai/v1/chat/completions",
    "qwen-dashscope": "https://dashscope-intl.aliyuncs.com/compatible-mode/v1/chat/completions",
    "groq": "https://api.groq.com/openai/v1/chat/completions",
    "openrouter": "https://openrouter.ai/api/v1/chat/completions",
    "openai-codex": "https://chatgpt.com/backend-api/codex/responses",
    "minimax-portal": "https://api.minimax.io/anthropic/v1/messages",
    "antigravity": "https://daily-cloudcode-pa.googleapis.com/v1internal:generateContent",
    "qwen-portal": "https://portal.qwen.ai/v1/chat/completions",
}


@pytest.mark.parametrize(("provider_id", "address"), ADDRESSES.items())
def test_address(provider_id: str, address: str) -> None:
    provider = PROVIDERS[provider_id]
    request: ChatRequest = {"model": "m", "messages": [{"role": "user", "content": "x"}]}
    call = dataclasses.replace(call_to(provider_id, "m"), stream=False, extras={"project": "p"})
    assert provider.base_url + provider.dialect.write_request(request, call).path == address


@pytest.mark.parametrize("provider", ROWS)
def test_row(provider: Provider) -> None:
    assert PROVIDERS[provider.id] is provider
    assert re.fullmatch(r"[a-z0-9]+(-[a-z0-9]+)*", provider.id)
    for address in (provider.base_url, *provider.more_base_urls):
        url = urlsplit(address)
        assert url.scheme == "https"
        assert url.hostname
        assert not url.path.endswith("/")
    assert provider.models
    assert provider.order
    assert provider.bearer_env <= {*provider.key_env}
    assert provider.client_headers == tuple(name.lower() for name in provider.client_headers)
    assert provider.kind == "login" or provider.base_url_env
    for model in provider.models.values():
        assert model.rules == rules_for(provider.id, model.id)
    assert provider.kind == "login" or provider.key_env


def test_one_module_and_one_file_of_models_per_provider() -> None:
    folder = Path(providers.__path__[0])
    modules = {file.stem.replace("_", "-") for file in folder.glob("*.py")}
    assert modules >= PROVIDERS.keys()
    assert {file.stem for file in (folder / "models").iterdir()} == PROVIDERS.keys() | {"declared"}


def test_order() -> None:
    assert [id_ for id_ in PROVIDERS if id_ in ADDRESSES] == list(ADDRESSES)


def _row(id_: str, **fields: Any) -> Provider:
    return Provider(id_, CHAT, "https://x.test", **fields)


def test_providers_with_a_key_come_first_then_order_counts() -> None:
    rows = [_row("login", kind="login"), _row("b", order=2), _row("a", order=2), _row("c", order=1)]
    assert list(collect(rows)) == ["c", "a", "b", "login"]


@pytest.mark.parametrize(
    ("second", "complaint"),
    [
        ({"id_": "a"}, "a and a have the same id a"),
        ({"id_": "b", "key_env": ("KEY",)}, "a and b have the same KEY"),
        ({"id_": "b", "base_url_env": "KEY"}, "a and b have the same KEY"),
    ],
)
def test_ids_and_variables_belong_to_one_provider(second: dict[str, Any], complaint: str) -> None:
    with pytest.raises(ValueError, match=complaint):
        collect([_row("a", key_env=("KEY",)), _row(**second)])


def test_how_keys_travel() -> None:
    own_header = {id_: provider.auth for id_, provider in PROVIDERS.items() if provider.auth != "bearer"}
    assert own_header == {"anthropic": "x-api-key", "google": "x-goog-api-key"}


def test_headers() -> None:
    assert PROVIDERS["openai"].env_headers == {
        "OpenAI-Organization": "OPENAI_ORG_ID",
        "OpenAI-Project": "OPENAI_PROJECT_ID",
    }


def test_ids_outside_the_catalogue() -> None:
    assert {id_ for id_, provider in PROVIDERS.items() if not provider.listed} == {"openrouter"}


def test_declared_server() -> None:
    server = declared_provider("local", "http://127.0.0.1:8000/v1", models=("a", "b"))
    assert (server.id, server.base_url, server.key_env, server.key_optional) == (
        "local",
        "http://127.0.0.1:8000/v1",
        (),
        True,
    )
    assert list(server.models) == ["a", "b"]
    assert not server.listed


def test_declared_server_with_a_key() -> None:
    server = declared_provider("local", "http://127.0.0.1:8000/v1", key_env="LOCAL_KEY")
    assert server.key_env == ("LOCAL_KEY",)
    assert not server.key_optional


RESOURCE_URLS = [
    ("https://portal.qwen.ai/v1", True),
    ("https://qwen.ai", True),
    ("https://portal.qwen.ai:8443/v1/", True),
    ("http://portal.qwen.ai/v1", False),
    ("https://evilqwen.ai/v1", False),
    ("https://qwen.ai.example/v1", False),
    ("https://user@portal.qwen.ai/v1", False),
    ("https://evil.example\\@portal.qwen.ai/v1", False),
    ("https://portal.qwen.ai/v1?to=elsewhere", False),
    ("https://portal.qwen.ai/v1\nhost: evil.example", False),
    ("https://evil.example#.qwen.ai", False),
    ("https://[::1", False),
    ("portal.qwen.ai/v1", False),
]


@pytest.mark.parametrize(("url", "taken"), RESOURCE_URLS)
def test_a_login_names_its_address_only_within_its_providers_domains(url: str, taken: bool) -> None:
    provider = PROVIDERS["qwen-portal"]
    assert provider.address(url) == (url.rstrip("/") if taken else provider.base_url)
    assert PROVIDERS["openai-codex"].address(url) == PROVIDERS["openai-codex"].base_url


def test_addresses_in_turn() -> None:
    provider = PROVIDERS["antigravity"]
    assert [provider.address(place=place) for place in range(3)] == [
        "https://daily-cloudcode-pa.googleapis.com",
        *["https://cloudcode-pa.googleapis.com"] * 2,
    ]


def test_what_needs_the_users_consent_is_in_no_default_chain() -> None:
    defaults = routing_config.load({})
    chosen = str([defaults.tier_models, defaults.fallback])
    assert "openai-codex" in chosen
    assert "antigravity" not in chosen
    assert "qwen-portal" not in chosen


@pytest.mark.parametrize("provider", ROWS)
def test_any_one_key_is_enough_for_virtual_models(provider: Provider) -> None:
    """A provider that the default tiers leave out has a model of its own for each tier."""
    chains = routing_config.load_defaults().chains.values()
    if provider.kind == "key" and not any(one.provider == provider.id for chain in chains for one in chain):
        assert len(provider.tier_models) == len(TIERS)
    assert set(provider.tier_models) <= provider.models.keys()
