from __future__ import annotations

import dataclasses

import pytest

from smart_router.errors import ClientError
from smart_router.routing.resolve import resolve
from tests.routing.fakes import only, provider, world

KNOWN = world(
    dataclasses.replace(provider("openai", "gpt-6", "gpt-4o"), families=("gpt-*", "o[0-9]*")),
    dataclasses.replace(provider("anthropic", "claude-5-5"), families=("claude-*",)),
    provider("groq", "openai/gpt-oss"),
)
PROVIDERS = world(
    provider("openai", "gpt-6", "shared"),
    provider("anthropic", "claude-5-5", "shared"),
    provider("groq", "openai/gpt-oss", "qwen/qwen3", "shared"),
    provider("openrouter", "anthropic/claude-5.5", "openai/gpt-6", listed=False),
    provider("codex", "gpt-codex", login=True),
)
ALL = only(*PROVIDERS)


@pytest.mark.parametrize(
    ("asked", "found"),
    [
        ("openai/gpt-6", "openai/gpt-6"),  # the named provider goes before openrouter's bare id
        ("gpt-6", "openai/gpt-6"),
        ("openai/gpt-oss", "groq/openai/gpt-oss"),  # openai does not list it: only the bare reading exists
        ("groq/openai/gpt-oss", "groq/openai/gpt-oss"),
        ("qwen/qwen3", "groq/qwen/qwen3"),  # qwen is no provider
        ("anthropic/claude-5.5", "openrouter/anthropic/claude-5.5"),
        ("openrouter/anthropic/claude-5.5", "openrouter/anthropic/claude-5.5"),
        ("openrouter/anyone/anything:free", "openrouter/anyone/anything:free"),  # takes any id
        ("openrouter/gpt-6", "openrouter/gpt-6"),
        ("shared", "groq/shared"),  # the config's order
        ("anthropic/shared", "anthropic/shared"),
    ],
)
def test_readings(asked: str, found: str) -> None:
    assert str(resolve(asked, PROVIDERS, ALL, order=["groq", "gone"])) == found


def test_bare_id_goes_to_a_configured_provider() -> None:
    assert resolve("shared", PROVIDERS, only("anthropic"), order=["groq"]).provider == "anthropic"


@pytest.mark.parametrize(
    "asked", ["gpt-7", "openai/gpt-7", "nobody/gpt-6", "openai/", "openai", "/", "openai//gpt-6", "GPT-6"]
)
def test_unknown_is_404(asked: str) -> None:
    with pytest.raises(ClientError) as caught:
        resolve(asked, PROVIDERS, ALL)
    error = caught.value
    assert (error.status, error.code, error.param) == (404, "model_not_found", "model")


@pytest.mark.parametrize(
    ("asked", "told"),
    [
        ("gpt-6", "set OPENAI_API_KEY"),
        ("openai/gpt-6", "It can also be reached as `openrouter/openai/gpt-6`"),
        ("gpt-codex", "run `smart-router login codex`"),
        ("claude-5-5", "set ANTHROPIC_API_KEY"),
    ],
)
def test_without_credential_is_401_and_says_what_to_do(asked: str, told: str) -> None:
    with pytest.raises(ClientError, match="needs a credential") as caught:
        resolve(asked, PROVIDERS, only("openrouter"))
    assert caught.value.status == 401
    assert told in caught.value.message


@pytest.mark.parametrize(
    ("asked", "found"),
    [
        ("openai/gpt-4o-2024-08-06", "openai/gpt-4o-2024-08-06"),  # a date is no other model
        ("gpt-4o-2024-08-06", "openai/gpt-4o-2024-08-06"),
        ("anthropic/claude-5-5-20261001", "anthropic/claude-5-5-20261001"),
        ("openai/gpt-7", "openai/gpt-7"),  # newer than the catalogue: the vendor knows whether it exists
        ("gpt-7-mini", "openai/gpt-7-mini"),
        ("o9", "openai/o9"),
        ("claude-next", "anthropic/claude-next"),
        ("openai/gpt-oss", "groq/openai/gpt-oss"),  # who lists it goes before whose family it looks like
    ],
)
def test_dated_ids_and_ids_newer_than_the_catalogue(asked: str, found: str) -> None:
    assert str(resolve(asked, KNOWN, only(*KNOWN))) == found


def test_an_id_of_a_family_needs_its_providers_credential() -> None:
    with pytest.raises(ClientError, match="set OPENAI_API_KEY") as caught:
        resolve("openai/gpt-7", KNOWN, only("groq"))
    assert caught.value.status == 401


@pytest.mark.parametrize(
    ("asked", "near"), [("gtp-6", "gpt-6"), ("openai/gtp-4o", "openai/gpt-4o"), ("clude-5-5", "claude-5-5")]
)
def test_a_404_names_the_nearest_id(asked: str, near: str) -> None:
    with pytest.raises(ClientError) as caught:
        resolve(asked, KNOWN, only(*KNOWN))
    assert caught.value.message.endswith(f"; did you mean {near}?")
