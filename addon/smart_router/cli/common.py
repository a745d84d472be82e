"""The config, options, and output that commands have in common."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING, Any

import click
from pydantic_core import to_json

from smart_router.paths import config_path, state_path

if TYPE_CHECKING:
    from rich.console import Console

    from smart_router.auth.store import AuthStore
    from smart_router.config import Config

DEFAULT_PORT = 8080
DEFAULT_URL = f"http://127.0.0.1:{DEFAULT_PORT}"

OPENAI = "reverse:https://api.openai.com"
"""mitmproxy's mode in which paths that are not the router's go on to this host."""

as_json = click.option("--json", "as_json", is_flag=True, help="Print JSON.")


def own_config() -> Config:
    """Read the config of this environment. Raises ConfigError."""
    from smart_router.config import load_config  # slow to import

    return load_config(config_path(os.environ), os.environ)


def own_store(config: Config) -> AuthStore:
    """Open the credentials of this environment."""
    from smart_router.auth.store import AuthStore  # slow to import

    return AuthStore(os.environ, config.providers, state_path(os.environ))


def print_json(value: object) -> None:
    """Print a value as indented JSON."""
    click.echo(to_json(value, indent=2))


def output_console() -> Console:
    """Return a console for tables, whose lines are not folded in files and pipes."""
    from rich.console import Console  # slow to import

    console = Console()
    return console if console.is_terminal else Console(width=250)


class WholeNumber(click.IntRange):
    """A whole number between bounds, with a message for people."""

    name = "number"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> Any:
        try:
            return super().convert(value, param, ctx)
        except click.BadParameter:
            bounds = f"{self.min} or more" if self.max is None else f"{self.min} to {self.max}"
            self.fail(f"{value!r} is not a whole number of {bounds}", param, ctx)


PORT = WholeNumber(1, 65535)
ANY_PORT = WholeNumber(0, 65535)
"""0 stands for a free one."""

WORKERS = WholeNumber(1, 256)

modes_option = click.option(
    "-m",
    "--mode",
    "modes",
    multiple=True,
    default=[OPENAI],
    show_default=True,
    help="A mode of mitmproxy; repeat for several.",
)
