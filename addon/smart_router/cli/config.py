"""`smart-router config`: the config file's place, its errors, its effective values, its schema."""

from __future__ import annotations

import os
import tomllib
from collections.abc import Iterator
from itertools import accumulate
from pathlib import Path
from typing import Any

import click

from smart_router.cli.common import as_json, print_json
from smart_router.config import load_config
from smart_router.config_errors import ConfigError
from smart_router.paths import config_path
from smart_router.reference.effective import DEFAULT, FILE, Setting, as_toml, effective
from smart_router.suggestions import did_you_mean
from smart_router.tools.proxy_variables import CONFDIR

LONG = ("routing.keywords", "routing.weights", "routing.bias", "routing.directives")
"""Tables that are shown only if the file changes them, or on request."""

SKELETON = """\
# Smart Router's config. Every key: docs/config.md; `smart-router config check` checks this file.

# [providers.local]
# base_url = "http://127.0.0.1:11434/v1"
# models = ["qwen3:8b"]
"""


@click.group()
def config() -> None:
    """Show, check and edit the config file.

    \b
    Examples:
      smart-router config show providers.openai
      smart-router config check other.toml
      smart-router config schema > config.schema.json
    """


@config.command()
def path() -> None:
    """Print the path of the config file. It need not exist."""
    click.echo(config_path(os.environ))


@config.command()
@click.argument("file", required=False, type=click.Path(dir_okay=False, path_type=Path))
@as_json
def check(file: Path | None, as_json: bool) -> None:
    """Check FILE, by default the config file. Exit code 1 if it has errors."""
    if file is not None and not file.exists():
        raise click.ClickException(
            f"{file} does not exist: name another, or none for {config_path(os.environ)}"
        )
    _check(file or config_path(os.environ), as_json)


@config.command()
@click.argument("prefix", metavar="[KEY]", default="")
@click.option("--all", "everything", is_flag=True, help="Include keywords and weights.")
@as_json
def show(prefix: str, everything: bool, as_json: bool) -> None:
    """Show the effective values and the origin of each: default, file, variable.

    With KEY only those below it.
    """
    settings = _settings()
    chosen = (
        [one for one in settings if one.key == prefix or one.key.startswith(f"{prefix}.")]
        if prefix
        else [one for one in settings if everything or one.origin != DEFAULT or not one.key.startswith(LONG)]
    )
    if not chosen:
        parts = (one.key.split(".") for one in settings)
        names = {name for some in parts for name in accumulate(some, "{}.{}".format)}  # tables, too
        raise click.UsageError(f"there is no setting {prefix!r}{did_you_mean(prefix, names)}")
    if as_json:
        print_json([one._asdict() for one in chosen])
        return
    for one in chosen:
        click.echo(f"{one.key} = {as_toml(one.value) or '{}'}   # {one.origin}")


@config.command()
def edit() -> None:
    """Open the config file in $VISUAL or $EDITOR, then check it. A new one begins with examples."""
    file = config_path(os.environ)
    if not file.exists():
        file.parent.mkdir(parents=True, exist_ok=True)
        file.touch(0o600)
        file.write_text(SKELETON, "utf-8")
    click.edit(filename=str(file))
    _check(file)


@config.command()
def schema() -> None:
    """Print a JSON schema of the config file, for editors."""
    from smart_router.reference.schema import config_schema

    print_json(config_schema())


def _check(file: Path, as_json: bool = False) -> None:
    """Print what is wrong with a file. Exit code 1 if it has errors."""
    exists = file.exists()
    found: dict[str, Any] = {"file": str(file), "exists": exists, "errors": [], "warnings": []}
    try:
        if exists:
            found["warnings"] = [str(one) for one in load_config(file, os.environ, warn=False).warnings]
    except ConfigError as error:
        found["errors"] = [str(one) for one in error.problems]
    if as_json:
        print_json(found)
    else:
        for kind in ("error", "warning"):
            for one in found[f"{kind}s"]:
                click.echo(f"{kind}: {one}")
        if not found["errors"]:
            click.echo(f"{file} is valid" if exists else f"{file} does not exist: the defaults hold")
    if found["errors"]:
        raise SystemExit(1)


def _settings() -> list[Setting]:
    file = config_path(os.environ)
    config = load_config(file, os.environ, warn=False)
    tables = tomllib.loads(file.read_text("utf-8-sig")) if file.exists() else {}
    settings = effective(tables, config, os.environ)
    return [one._replace(origin=str(file)) if one.origin == FILE else one for one in settings] + [*_options()]


def _options() -> Iterator[Setting]:
    """The router's options of mitmproxy, with mitmproxy's own file; a command line may set others."""
    from ruamel.yaml import YAML

    from smart_router.options import OPTIONS, read_value

    file = Path(CONFDIR).expanduser() / "config.yaml"
    given = (YAML(typ="safe").load(file.read_text("utf-8")) or {}) if file.exists() else {}
    for option in OPTIONS:
        try:
            value = read_value(option.name, given[option.name]) if option.name in given else option.default
        except ValueError as error:
            raise click.ClickException(f"{file}: {error}") from None
        yield Setting(option.name, value, str(file) if option.name in given else DEFAULT)
