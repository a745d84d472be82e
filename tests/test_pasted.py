"""Settings as users write them: base URLs, keys, and the file's encoding."""

from __future__ import annotations

import codecs
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from smart_router.auth.profiles import env_profiles
from smart_router.config import load_config
from smart_router.config_errors import ConfigError
from smart_router.pasted import unwrap, unwrap_key
from smart_router.providers.base_urls import fit_base_url, read_base_url
from smart_router.providers.openai_compatible import DECLARED
from smart_router.providers.registry import PROVIDERS

LOCAL = "http://127.0.0.1:1"

BASE_URLS = [
    ("anthropic", f"{LOCAL}/a", f"{LOCAL}/a"),
    ("anthropic", f"{LOCAL}/a/v1", f"{LOCAL}/a"),
    ("anthropic", f"{LOCAL}/a/v1/", f"{LOCAL}/a"),
    ("anthropic", f"{LOCAL}/a/v1/messages", f"{LOCAL}/a"),
    ("anthropic", "api.anthropic.com", "https://api.anthropic.com"),
    ("google", f"{LOCAL}/g", f"{LOCAL}/g/v1beta"),
    ("google", LOCAL, f"{LOCAL}/v1beta"),
    ("google", f"{LOCAL}/g/v1beta/", f"{LOCAL}/g/v1beta"),
    ("google", f"{LOCAL}/g/v1", f"{LOCAL}/g/v1"),
    ("google", f"{LOCAL}/g/v1alpha", f"{LOCAL}/g/v1alpha"),
    ("google", f"{LOCAL}/v1beta/openai/", f"{LOCAL}/v1beta"),
    ("google", f"{LOCAL}/v1beta/models", f"{LOCAL}/v1beta"),
    ("google", f"{LOCAL}/v1beta/models/gemini-3.8-flash:generateContent", f"{LOCAL}/v1beta"),
    ("openai", LOCAL, f"{LOCAL}/v1"),
    ("openai", f"{LOCAL}/", f"{LOCAL}/v1"),
    ("openai", f"{LOCAL}/v1", f"{LOCAL}/v1"),
    ("openai", f"{LOCAL}//v1//", f"{LOCAL}/v1"),
    ("openai", f"{LOCAL}/v1/chat/completions", f"{LOCAL}/v1"),
    ("openai", f"{LOCAL}/v1/responses", f"{LOCAL}/v1"),
    ("openai", f'"{LOCAL}/v1"\n', f"{LOCAL}/v1"),
    ("openai", f"\ufeff{LOCAL}/v1", f"{LOCAL}/v1"),
    ("openai", f"{LOCAL}/gateway/openai", f"{LOCAL}/gateway/openai"),
    ("groq", "https://api.groq.com", "https://api.groq.com/openai/v1"),
    ("groq", "https://api.groq.com/openai", "https://api.groq.com/openai/v1"),
    ("openrouter", "openrouter.ai", "https://openrouter.ai/api/v1"),
    ("deepseek", "https://api.deepseek.com", "https://api.deepseek.com"),
    ("deepseek", "https://api.deepseek.com/v1/chat/completions", "https://api.deepseek.com/v1"),
    ("minimax-portal", "https://api.minimax.io/anthropic/v1", "https://api.minimax.io/anthropic"),
    ("declared", "http://127.0.0.1:11434", "http://127.0.0.1:11434/v1"),
    ("declared", "localhost:11434", "http://localhost:11434/v1"),
    ("declared", "ollama:11434", "http://ollama:11434/v1"),
    ("declared", "10.0.0.7:8000/v1", "http://10.0.0.7:8000/v1"),
    ("declared", "[::1]:11434/v1", "http://[::1]:11434/v1"),
    ("declared", "https://host.example/api/paas/v4", "https://host.example/api/paas/v4"),
]


@pytest.mark.parametrize(("provider", "written", "used"), BASE_URLS)
def test_base_url_is_read_with_or_without_version_and_endpoint(
    provider: str, written: str, used: str
) -> None:
    row = DECLARED if provider == "declared" else PROVIDERS[provider]
    assert fit_base_url(read_base_url(written), row) == used


@pytest.mark.parametrize("provider", PROVIDERS.values(), ids=PROVIDERS)
def test_own_base_url_of_each_provider_is_left_as_it_is(provider: object) -> None:
    row = PROVIDERS[getattr(provider, "id", "")]
    assert fit_base_url(read_base_url(row.base_url), row) == row.base_url


@pytest.mark.parametrize(
    "written", ["ftp://x/v1", "https://", "openai", "", "https://a b/v1", "https://u:p@x/v1", "https://x?a=b"]
)
def test_base_url_that_is_no_address_is_refused(written: str) -> None:
    with pytest.raises(ValueError, match="must"):
        read_base_url(written)


AROUND = ["", " ", "\n", "\r\n", '"', "'", "\ufeff", "\u200b", "\u00a0", '"\n', " '"]


@pytest.mark.parametrize("after", AROUND)
@pytest.mark.parametrize("before", AROUND)
def test_key_is_read_without_what_surrounds_it(before: str, after: str) -> None:
    env = {"OPENAI_API_KEY": f"{before}sk-one-long-key{after}"}
    profiles = env_profiles(env, {"openai": PROVIDERS["openai"]})
    assert [one.secret and one.secret.get_secret_value() for one in profiles] == ["sk-one-long-key"]


@pytest.mark.parametrize(
    "listed", ["sk-key-one,sk-key-two", '"sk-key-one, sk-key-two"', '"sk-key-one","sk-key-two"\n']
)
def test_each_key_of_a_list_is_read(listed: str) -> None:
    profiles = env_profiles({"OPENAI_API_KEY": listed}, {"openai": PROVIDERS["openai"]})
    assert [one.secret and one.secret.get_secret_value() for one in profiles] == ["sk-key-one", "sk-key-two"]


def test_scheme_of_an_authorization_header_is_no_part_of_a_key() -> None:
    assert unwrap_key('"Bearer sk-key"') == unwrap_key("bearer sk-key\n") == "sk-key"


@given(st.text())
def test_unwrapping_twice_changes_nothing_more(value: str) -> None:
    assert unwrap(unwrap(value)) == unwrap(value)
    assert unwrap(value) in value


TEXT = '[providers.lab]\r\nbase_url = "http://127.0.0.1:1/lab/v1"\r\nmodels = ["å"]\r\n'
ENCODED = {
    "utf-8": TEXT.encode(),
    "utf-8 with BOM": codecs.BOM_UTF8 + TEXT.encode(),
    "utf-16 little": codecs.BOM_UTF16_LE + TEXT.encode("utf-16-le"),
    "utf-16 big": codecs.BOM_UTF16_BE + TEXT.encode("utf-16-be"),
}


@pytest.mark.parametrize("data", ENCODED.values(), ids=ENCODED)
def test_file_is_read_in_the_encodings_that_editors_write(data: bytes, tmp_path: Path) -> None:
    file = tmp_path / "config.toml"
    file.write_bytes(data)
    assert list(load_config(file, {}).providers["lab"].models) == ["å"]


@pytest.mark.parametrize("data", [b"\xff\xfe[", b"\xc3", b"\xfe\xff\xd8\x00"])
def test_file_in_no_encoding_is_refused_by_name(data: bytes, tmp_path: Path) -> None:
    file = tmp_path / "config.toml"
    file.write_bytes(data)
    with pytest.raises(ConfigError, match=r"config\.toml"):
        load_config(file, {})
