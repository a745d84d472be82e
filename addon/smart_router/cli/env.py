"""`smart-router env`: variables that send a shell's programs through the router and make them trust its
CA."""

from __future__ import annotations

import shlex
from pathlib import Path

import click

from smart_router.cli.common import DEFAULT_URL
from smart_router.tools.proxy_variables import CA_FILE, CONFDIR, proxy_variables, trust_variables

SHELLS = {
    "sh": lambda name, value: f"export {name}={shlex.quote(value)}",
    "fish": lambda name, value: f"set -gx {name} {shlex.quote(value)}",
    "powershell": lambda name, value: f"$env:{name} = '{value.replace(chr(39), chr(39) * 2)}'",
}

confdir_option = click.option(
    "--confdir",
    type=click.Path(file_okay=False, path_type=Path),
    default=CONFDIR,
    show_default=True,
    help="mitmproxy's folder, which has the CA.",
)


def find_ca(confdir: Path) -> Path:
    """Return the path of the CA's certificate. Raises ClickException if it does not exist."""
    path = confdir.expanduser().resolve() / CA_FILE
    if not path.is_file():
        raise click.ClickException(f"{path} does not exist: start mitmproxy once to create it")
    return path


@click.command()
@click.option("--proxy", default=DEFAULT_URL, show_default=True, help="Where the router listens.")
@click.option("--shell", type=click.Choice(list(SHELLS)), default="sh", show_default=True)
@confdir_option
def env(proxy: str, shell: str, confdir: Path) -> None:
    """Print variables that send a shell's programs through the router: eval "$(smart-router env)".

    For a router in regular mode. They affect only this shell; nothing else on the machine trusts the CA.
    """
    for name, value in {**proxy_variables(proxy), **trust_variables(find_ca(confdir))}.items():
        click.echo(SHELLS[shell](name, value))
