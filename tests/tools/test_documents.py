"""Config files of tools: values are merged in, and everything else stays."""

from __future__ import annotations

import json
import re
import tomllib
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from ruamel.yaml import YAML

from smart_router.tools.documents import Format, merge
from tests.tools.json_with_comments import read_json

SETTINGS = """\
// Zed's settings
{
  "theme": "One Dark", // mine
  /* a block */
  "language_models": {
    "openai": {
      "api_url": "https://api.openai.com/v1",
    },
  },
}
"""

CODEX = """\
# my own
model = "gpt-5.5"  # the best

[profiles.work]
model = "o3"

[mcp_servers.files]
command = "npx"
"""

CONTINUE = """\
# mine
name: Mine
version: 1.0.0
schema: v1
models:
  - name: local   # at home
    provider: ollama
    model: qwen3:8b
"""


def test_json_keeps_comments_order_and_trailing_commas() -> None:
    merged = merge(SETTINGS, {"language_models": {"openai_compatible": {"R": {"api_url": "u"}}}}, "json")
    assert merged == SETTINGS.replace(
        """\
      "api_url": "https://api.openai.com/v1",
    },
""",
        """\
      "api_url": "https://api.openai.com/v1",
    },
    "openai_compatible": {
      "R": {
        "api_url": "u"
      }
    },
""",
    )


@pytest.mark.parametrize(
    ("text", "values", "merged"),
    [
        ("{}", {"a": 1}, '{\n  "a": 1\n}'),
        ('{"a": 1}', {"a": 2}, '{"a": 2}'),
        ('{"a": [1] }', {"a": [1, 2]}, '{"a": [1,\n2] }'),
        ('{"a": {"url": "http://x//y"}}', {"a": {"url": "z"}}, '{"a": {"url": "z"}}'),
        ('{\r\n  "a": 1\r\n}\r\n', {"b": 2}, '{\r\n  "a": 1,\r\n  "b": 2\r\n}\r\n'),
        ("[]", [{"name": "R"}], '[\n  {\n    "name": "R"\n  }\n]'),
        ('[{"name": "R", "n": 1}]', [{"name": "R", "n": 2}], '[{"name": "R", "n": 2}]'),
    ],
)
def test_json_edits(text: str, values: Any, merged: str) -> None:
    assert merge(text, values, "json") == merged
    assert merge(merged, values, "json") == merged


def test_toml_keeps_comments_and_puts_keys_before_tables() -> None:
    values = {"model": "auto", "model_provider": "router", "model_providers": {"router": {"name": "R"}}}
    merged = merge(CODEX, values, "toml")
    assert "# my own\n" in merged
    assert 'model = "auto"  # the best\n' in merged
    assert tomllib.loads(merged) == {**tomllib.loads(CODEX), **values}
    assert merge(merged, values, "toml") == merged


def test_yaml_keeps_comments_and_adds_models() -> None:
    values = {"models": [{"name": "auto", "provider": "openai"}]}
    merged = merge(CONTINUE, values, "yaml")
    assert merged == CONTINUE + "  - name: auto\n    provider: openai\n"
    assert merge(merged, values, "yaml") == merged


def test_env_replaces_a_line_and_adds_others() -> None:
    assert merge("# mine\nexport A=1\nB=2", {"A": "x", "C": "y"}, "env") == "# mine\nA=x\nB=2\nC=y\n"


@pytest.mark.parametrize(
    ("text", "format_", "said"),
    [
        ('{\n  "a": 1\n  "b": 2\n}', "json", "line 3 is not JSON"),
        ('{"a": 1} {', "json", "line 1 is not JSON"),
        ("[" * 200, "json", "line 1 is not JSON"),
        ("a = \n", "toml", "it is not TOML: "),
        ("a: b: c\n", "yaml", "it is not YAML: "),
        ("- a\n", "yaml", "it is not a table of settings"),
    ],
)
def test_a_file_that_cannot_be_read_is_refused(text: str, format_: Format, said: str) -> None:
    with pytest.raises(ValueError, match=said):
        merge(text, {"a": 1}, format_)


names = st.text('abc/*"\\,{}é ', max_size=4)
values = st.recursive(
    st.none() | st.booleans() | st.integers() | names,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(names, inner, max_size=3),
    max_leaves=8,
)
tables = st.dictionaries(names, values, max_size=4)


def expected(there: Any, wanted: Any) -> Any:
    """Return the merged value of objects without lists."""
    if isinstance(there, dict) and isinstance(wanted, dict):
        return there | {key: expected(there.get(key), value) for key, value in wanted.items()}
    return wanted


def would_lose(there: Any, wanted: Any) -> bool:
    return isinstance(wanted, dict) and there is not None and not isinstance(there, dict)


@given(
    tables,
    st.dictionaries(names, st.integers() | st.dictionaries(names, names, max_size=2), max_size=3),
    st.data(),
)
def test_any_json_is_merged_as_a_value_is(there: Any, wanted: Any, data: st.DataObject) -> None:
    text = json.dumps(there, indent=data.draw(st.sampled_from([None, 2])), ensure_ascii=False)
    if lost := [key for key, value in wanted.items() if would_lose(there.get(key), value)]:
        with pytest.raises(ValueError, match=f"^{re.escape(lost[0])} is not a table of settings$"):
            merge(text, wanted, "json")
        return
    merged = merge(text, wanted, "json")
    assert json.loads(merged) == read_json(merged) == expected(there, wanted)
    assert merge(merged, wanted, "json") == merged


def test_a_written_yaml_file_is_read_back() -> None:
    values = {"models": [{"name": "auto:eco", "apiKey": "unused"}]}
    assert YAML(typ="safe").load(merge("", values, "yaml")) == values


@pytest.mark.parametrize(
    ("text", "format_"),
    [(CODEX, "toml"), (CONTINUE, "yaml"), ("# mine\nA=1\n", "env"), (SETTINGS, "json")],
)
def test_lines_end_as_they_did(text: str, format_: Format) -> None:
    merged = merge(text.replace("\n", "\r\n"), {"NEW": "x"}, format_)
    assert merged.count("\r\n") == merged.count("\n") > text.count("\n")
    assert merged.replace("\r\n", "\n") == merge(text, {"NEW": "x"}, format_)


@pytest.mark.parametrize(
    ("text", "wanted", "format_", "said"),
    [
        ("[]", {"a": 1}, "json", "it is not a table of settings"),
        ("5", {"a": 1}, "json", "it is not a table of settings"),
        ("{}", [1], "json", "it is not a list"),
        ('{"env": "mine"}', {"env": {"A": "1"}}, "json", "env is not a table of settings"),
        ('{"a": {"b": {}}}', {"a": {"b": [1]}}, "json", "b is not a list"),
        (
            'model_providers = "mine"',
            {"model_providers": {"a": {}}},
            "toml",
            "model_providers is not a table",
        ),
        ("models:\n  mine: 1\n", {"models": [{"name": "a"}]}, "yaml", "models is not a list"),
    ],
)
def test_a_value_of_another_kind_is_not_replaced(text: str, wanted: Any, format_: Format, said: str) -> None:
    with pytest.raises(ValueError, match=said):
        merge(text, wanted, format_)


@pytest.mark.parametrize(("text", "format_"), [('{"env": null}', "json"), ("env:\n", "yaml")])
def test_an_empty_value_is_filled(text: str, format_: Format) -> None:
    assert "mine" in merge(text, {"env": {"A": "mine"}}, format_)
