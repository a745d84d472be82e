"""docs/config.md and the JSON schema say what the code does; every key has a valid example."""

from __future__ import annotations

import tomllib
from collections.abc import Mapping
from typing import Any

import pytest
from scripts.config_page import EXAMPLES, ConfigKey, all_keys, config_page

from smart_router.config import parse_config
from smart_router.reference.effective import effective
from smart_router.reference.schema import config_schema
from smart_router.reference.words import WORDS
from tests.testbed.harness import ROOT

KEYS = all_keys()
SCHEMA = config_schema()
EACH = pytest.mark.parametrize("key", KEYS, ids=[key.path for key in KEYS])


def test_every_key_has_words_and_no_words_are_left() -> None:
    assert [key.path for key in KEYS] == [*dict.fromkeys(key.path for key in KEYS)]
    assert {key.path for key in KEYS} == WORDS.keys() == EXAMPLES.keys()


def test_the_page_is_what_the_code_says() -> None:
    assert (ROOT / "docs/config.md").read_text("utf-8") == config_page(KEYS), "run scripts/config_page.py"


def names_in(path: str, tables: Any) -> bool:
    """Return whether tables have a key; parts in capitals match any name."""
    name, _, rest = path.partition(".")
    if name.endswith("[]"):
        return any(names_in(rest, one) for one in tables.get(name[:-2], ()))
    if not isinstance(tables, Mapping):
        return False
    tier = name in ("SIMPLE", "MEDIUM", "COMPLEX", "REASONING")
    inner = [tables[name]] if name in tables else [] if not name.isupper() or tier else [*tables.values()]
    return bool(inner) if not rest else any(names_in(rest, one) for one in inner)


@EACH
def test_an_example_sets_its_key_and_is_valid(key: ConfigKey) -> None:
    tables = tomllib.loads(key.example)
    assert names_in(key.path, tables)
    assert parse_config(tables, {})


@EACH
def test_the_schema_has_the_words_of_each_key(key: ConfigKey) -> None:
    found: list[Any] = [SCHEMA]
    for name in key.path.replace("[]", ".[]").split("."):
        found = [one for part in found for one in below(part, name)]
    assert WORDS[key.path] in [one.get("description") for one in found]


def below(part: Mapping[str, Any], name: str) -> list[Any]:
    parts = [part, *part.get("anyOf", ()), *part.get("oneOf", ())]
    if name == "[]":
        return [one["items"] for one in parts if "items" in one]
    found = [one["properties"][name] for one in parts if name in one.get("properties", {})]
    if found:
        return found
    found = [
        one["additionalProperties"] for one in parts if isinstance(one.get("additionalProperties"), dict)
    ]
    return found + [inner for one in parts for inner in one.get("patternProperties", {}).values()]


def test_effective_values_have_an_origin() -> None:
    tables = tomllib.loads(
        '[routing]\nsticky_ttl = 5\n[clients]\nlaptop = "a long random string"\nown_login.openai = "last"\n'
        '[providers.openai.login]\nclient_secret = "hidden"\n[prices]\n"a/b" = "c/d"\n'
    )
    env = {"GROQ_BASE_URL": "http://127.0.0.1:1/v1", "SMART_ROUTER_CLUSTER_URL": "postgresql://u:secret@h/d"}
    found = {one.key: (one.value, one.origin) for one in effective(tables, parse_config(tables, env), env)}
    assert found["routing.sticky_ttl"] == (5, "file")
    assert found["routing.undershoot"] == (2.0, "default")
    assert found["providers.groq.base_url"] == ("http://127.0.0.1:1/v1", "GROQ_BASE_URL")
    assert found["clients.laptop"] == ("(secret)", "file")
    assert found["clients.own_login.openai"] == ("last", "file")
    assert found["clients.require_keys"] == (False, "default")
    assert found["providers.openai.login.client_secret"] == ("(secret)", "file")
    assert found["cluster.url"] == ("(secret)", "SMART_ROUTER_CLUSTER_URL")
    assert found['prices."a/b"'] == ("c/d", "file")
    assert "hidden" not in str(found) and "random" not in str(found)
