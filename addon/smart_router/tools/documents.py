"""Merges values into the text of a config file, or writes them as a block of their own."""

from __future__ import annotations

import io
import re
from collections.abc import Callable, Mapping, MutableMapping
from typing import Any, Literal

from smart_router.tools.json_text import NAMES, check_kind, merge_json

Format = Literal["json", "toml", "yaml", "env"]
Values = Any
"""Tables, lists and scalars; a list only at the top of JSON."""


def merge(text: str, values: Values, format_: Format) -> str:
    """Return a file's text with these values set; comments, other settings and line endings stay.

    Raises ValueError for text that is not of the format, or that has a value of another kind in place of a
    table or a list.
    """
    windows = "\r\n" in text and text.count("\r\n") == text.count("\n")
    if not windows or format_ == "json":  # JSON's merger changes single places only
        return _MERGERS[format_](text, values)
    return _MERGERS[format_](text.replace("\r\n", "\n"), values).replace("\n", "\r\n")


def block(values: Values, format_: Format) -> str:
    """Return the values as the text of a file of their own."""
    return merge("", values, format_)


def _merge_toml(text: str, values: Values) -> str:
    import tomlkit
    from tomlkit.exceptions import TOMLKitError

    try:
        document = tomlkit.parse(text)
    except TOMLKitError as error:
        raise ValueError(f"it is not TOML: {error}") from None
    _set(document, values)
    return tomlkit.dumps(document)


def _merge_yaml(text: str, values: Values) -> str:
    from ruamel.yaml import YAML
    from ruamel.yaml.error import YAMLError

    yaml = YAML()
    yaml.preserve_quotes = True
    yaml.width = 4096  # do not fold what was one line
    yaml.indent(mapping=2, sequence=4, offset=2)
    try:
        document = yaml.load(text)
    except YAMLError as error:
        raise ValueError(f"it is not YAML: {' '.join(str(error).split())}") from None
    if document is None:  # an empty file
        document = {}
    if not isinstance(document, MutableMapping):
        raise ValueError("it is not a table of settings")
    _set(document, values)
    out = io.StringIO()
    yaml.dump(document, out)
    return out.getvalue()


def _set(table: MutableMapping[str, Any], values: Mapping[str, Any]) -> None:
    for key, value in values.items():
        there = table.get(key)
        check_kind(key, there, value)
        if isinstance(value, Mapping) and isinstance(there, MutableMapping):
            _set(there, value)
        elif isinstance(value, list) and isinstance(there, list):
            _extend(there, value)
        elif there != value:
            table[key] = value


def _extend(there: list[Any], values: list[Any]) -> None:
    named = {name: one for one in there if isinstance(one, MutableMapping) and (name := _name(one))}
    for value in values:
        if isinstance(value, Mapping) and (found := named.get(_name(value))) is not None:
            _set(found, value)
        elif value not in there:
            there.append(value)


def _name(table: Mapping[str, Any]) -> Any:
    return next((table[name] for name in NAMES if name in table), None)


def _merge_env(text: str, values: Values) -> str:
    """Lines `NAME=value`, as dotenv reads them."""
    for name, value in values.items():
        line = re.compile(rf"^(?:export[ \t]+)?{re.escape(name)}[ \t]*=.*$", re.MULTILINE)
        if line.search(text):
            text = line.sub(f"{name}={value}", text, count=1)
        else:
            text += f"{'' if not text or text.endswith(chr(10)) else chr(10)}{name}={value}\n"
    return text


_MERGERS: Mapping[Format, Callable[[str, Values], str]] = {
    "json": merge_json,
    "toml": _merge_toml,
    "yaml": _merge_yaml,
    "env": _merge_env,
}
