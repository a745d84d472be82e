from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import SecretStr

from smart_router.auth.profiles import Profile, auth_headers, env_profiles, fingerprint, refusal
from tests.auth.helpers import PROVIDERS, WITHOUT_LOCAL


@pytest.mark.parametrize(
    ("env", "expected"),
    [
        pytest.param({}, [], id="nothing"),
        pytest.param({"OPENAI_API_KEY": "sk-1"}, [("openai:env", "sk-1")], id="one"),
        pytest.param(
            {"OPENAI_API_KEY_10": "sk-10", "OPENAI_API_KEY_2": "sk-2", "OPENAI_API_KEY": "sk-1"},
            [("openai:env", "sk-1"), ("openai:env2", "sk-2"), ("openai:env3", "sk-10")],
            id="numbered, in the numbers' order",
        ),
        pytest.param({"OPENAI_API_KEY_2": "sk-2"}, [("openai:env", "sk-2")], id="numbered only"),
        pytest.param(
            {"OPENAI_API_KEY": "sk-1, sk-2", "OPENAI_API_KEY_2": "sk-3"},
            [("openai:env", "sk-1"), ("openai:env2", "sk-2"), ("openai:env3", "sk-3")],
            id="comma list and numbered",
        ),
        pytest.param(
            {"OPENAI_API_KEY": "sk-1,sk-1", "OPENAI_API_KEY_2": "sk-1"},
            [("openai:env", "sk-1")],
            id="the same key once",
        ),
        pytest.param(
            {"OPENAI_API_KEY": "your-api-key", "OPENAI_API_KEY_2": "sk-2"},
            [("openai:env2", "sk-2")],
            id="a refused one keeps its number",
        ),
        pytest.param(
            {"OPENAI_API_KEY_0": "k", "OPENAI_API_KEY_X": "k", "OPENAI_API_KEYS": "k"}, [], id="others"
        ),
        pytest.param(
            {"GOOGLE_API_KEY": "AIza1", "GEMINI_API_KEY": "AIza2"},
            [("google:env", "AIza1")],
            id="the first that is set wins",
        ),
        pytest.param(
            {"GOOGLE_API_KEY": "", "GEMINI_API_KEY": "AIza2"},
            [("google:env", "AIza2")],
            id="empty is not set",
        ),
        pytest.param(
            {"GOOGLE_API_KEY": "<key>", "GEMINI_API_KEY": "AIza2"},
            [("google:env", "AIza2")],
            id="a placeholder is not set",
        ),
        pytest.param(
            {"ANTHROPIC_AUTH_TOKEN": "t", "OPENAI_API_KEY": "sk-1"},
            [("openai:env", "sk-1"), ("anthropic:env", "t")],
            id="in the providers' order",
        ),
    ],
)
def test_what_the_environment_holds(env: dict[str, str], expected: list[tuple[str, str]]) -> None:
    found = env_profiles(env, WITHOUT_LOCAL)
    assert [(one.id, one.secret.get_secret_value()) for one in found if one.secret] == expected
    assert all(one.kind == "key" and one.variable in env for one in found)


@pytest.mark.parametrize(
    "value",
    [
        " ",
        "sk 1",
        "sk-\x00",
        "sk-\x7f",
        "sk-é",
        "sk-\u200b1",
        "sk-xxxxxxxx",
        "***",
        "sk-...",
        "<your key>",
        "${OPENAI_KEY}",
        "$OPENAI_KEY",
        "{{ key }}",
        "your-api-key",
        "YOUR_OPENAI_API_KEY_HERE",
        "replace-me",
        "changeme",
        "sk-placeholder",
        "None",
        "undefined",
    ],
)
def test_refused_values_are_named_by_variable_only(value: str, caplog: pytest.LogCaptureFixture) -> None:
    assert env_profiles({"OPENAI_API_KEY": value}, WITHOUT_LOCAL) == []
    (record,) = caplog.records
    assert "OPENAI_API_KEY" in record.getMessage()
    assert not value.strip() or value not in record.getMessage()


@pytest.mark.parametrize(
    "value", ["sk-proj-Abc_123", "gsk_x", "AIzaSy-xxxA", "my-key", "test", "a=b/c+d", "none-of-it"]
)
def test_unusual_keys_are_keys(value: str) -> None:
    assert refusal(value) is None


def test_an_empty_variable_is_no_key_and_no_mistake(caplog: pytest.LogCaptureFixture) -> None:
    found = env_profiles({"OPENAI_API_KEY": "sk-1", "OPENAI_API_KEY_2": ""}, WITHOUT_LOCAL)
    assert [one.id for one in found] == ["openai:env"]
    assert not caplog.records


def test_a_list_with_one_bad_key_keeps_the_others(caplog: pytest.LogCaptureFixture) -> None:
    found = env_profiles({"OPENAI_API_KEY": "sk-1,,sk-3"}, WITHOUT_LOCAL)
    assert [one.id for one in found] == ["openai:env", "openai:env3"]
    assert "empty" in caplog.text


@pytest.mark.parametrize(
    ("env", "expected"), [({}, ("local:none", None)), ({"LOCAL_KEY": "k"}, ("local:env", "k"))]
)
def test_a_server_whose_key_is_optional(env: dict[str, str], expected: tuple[str, str | None]) -> None:
    (profile,) = env_profiles(env, {"local": PROVIDERS["local"]})
    assert (profile.id, profile.secret and profile.secret.get_secret_value()) == expected


@pytest.mark.parametrize(
    ("variable", "header"),
    [
        ("OPENAI_API_KEY", ("authorization", "Bearer key")),
        ("GOOGLE_API_KEY", ("authorization", "Bearer key")),
        ("ANTHROPIC_API_KEY", ("x-api-key", "key")),
        ("ANTHROPIC_AUTH_TOKEN", ("authorization", "Bearer key")),
        ("ANTHROPIC_AUTH_TOKEN_2", ("authorization", "Bearer key")),
    ],
)
def test_how_it_travels(variable: str, header: tuple[str, str]) -> None:
    (profile,) = env_profiles({variable: "key"}, WITHOUT_LOCAL)
    [(name, value)] = auth_headers(PROVIDERS[profile.provider], profile).items()
    assert (name, value.get_secret_value()) == header


def test_logins_travel_as_bearer() -> None:
    login = Profile("anthropic:me", "anthropic", "login", SecretStr("token"), "f")
    [(name, value)] = auth_headers(PROVIDERS["anthropic"], login).items()
    assert (name, value.get_secret_value()) == ("authorization", "Bearer token")


def test_no_secret_no_header() -> None:
    (profile,) = env_profiles({}, {"local": PROVIDERS["local"]})
    assert auth_headers(PROVIDERS["local"], profile) == {}


def test_a_fingerprint_tells_secrets_apart_and_does_not_give_them_away() -> None:
    assert fingerprint(SecretStr("a")) != fingerprint(SecretStr("b")) != fingerprint(None) == ""
    assert "a-secret" not in fingerprint(SecretStr("a-secret"))


@given(st.text())
def test_only_what_can_be_a_header_passes(key: str) -> None:
    if refusal(key) is None:
        assert key.isascii() and key.isprintable() and " " not in key
