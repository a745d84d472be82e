"""The config, an option, and output that commands have in common."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

import click
from pydantic_core import to_json

from smart_router.paths import config_path

if TYPE_CHECKING:
    from rich.console import Console

    from smart_router.config import Config

as_json = click.option("--json", "as_json", is_flag=True, help="Print JSON.")


def own_config() -> Config:
    """Read the config of this environment. Raises ConfigError."""
    from smart_router.config import load_config  # slow to import

    return load_config(config_path(os.environ), os.environ)


def print_json(value: object) -> None:
    """Print a value as indented JSON."""
    click.echo(to_json(value, indent=2))


def output_console() -> Console:
    """Return a console for tables, whose lines are not folded in files and pipes."""
    from rich.console import Console  # slow to import

    console = Console()
    return console if console.is_terminal else Console(width=250)
