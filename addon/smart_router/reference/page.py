"""docs/config.md: every key of the config file."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from itertools import groupby

from smart_router.reference.keys import ConfigKey

HEAD = """\
# Config

The config is one TOML file: `~/.config/smart-router/config.toml` on Linux, the file that
`smart-router config path` prints elsewhere, or the one that `SMART_ROUTER_CONFIG` names. Every key is
optional, and so is the file. An edit takes effect within a second; an invalid one is reported in the log, and
the previous config stays. [Options](options.md) are mitmproxy's.

```sh
smart-router config path              # where the file is
smart-router config edit              # opens it in $EDITOR and checks it
smart-router config check             # every error and warning, with the key, and what to write
smart-router config show              # the effective values, and where each is from
smart-router config show routing.weights
smart-router config schema            # a JSON schema for editors
```

Editors with a TOML plugin (Taplo, Even Better TOML) complete and check the file with a first line such as
`#:schema ./config.schema.json`, with the output of `smart-router config schema` in that file beside it.

Parts of a key in capitals stand for names of your own: `providers.NAME.base_url`. This page is written by
`scripts/config_page.py` from the code.
"""


def config_page(keys: Iterable[ConfigKey]) -> str:
    """Return the page's text."""
    return HEAD + "".join(
        f"\n## [{table}]\n" + "".join(map(_section, group)) for table, group in groupby(keys, _table)
    )


def _table(key: ConfigKey) -> str:
    return key.path.partition(".")[0]


def _section(key: ConfigKey) -> str:
    return "\n" + "\n".join(_lines(key)) + "\n"


def _lines(key: ConfigKey) -> Iterator[str]:
    yield f"### `{key.path}`"
    yield ""
    default = f", default `{key.default}`" if key.default else ""
    yield f"{key.type[0].upper()}{key.type[1:]}{default}: {key.words.says}."
    yield ""
    yield f"```toml\n{key.words.example}\n```"
