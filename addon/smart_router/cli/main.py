"""The command line: `smart-router COMMAND`. Each command's module is imported when the command is run."""

from __future__ import annotations

from importlib import import_module
from typing import Any

import click

from smart_router import __version__
from smart_router.errors import UserError
from smart_router.suggestions import did_you_mean

COMMANDS = {
    "audit": "smart_router.cli.stats:audit",
    "certs": "smart_router.cli.certs:certs",
    "clients": "smart_router.cli.clients:clients",
    "cluster": "smart_router.cli.cluster:cluster",
    "config": "smart_router.cli.config:config",
    "demo": "smart_router.cli.demo:demo",
    "doctor": "smart_router.cli.doctor:doctor",
    "env": "smart_router.cli.env:env",
    "import": "smart_router.cli.logins:import_",
    "login": "smart_router.cli.logins:login",
    "models": "smart_router.cli.models:models",
    "profiles": "smart_router.cli.profiles:profiles",
    "report": "smart_router.cli.stats:report",
    "route": "smart_router.cli.route:route_command",
    "run": "smart_router.cli.run:run",
    "script": "smart_router.cli.start:script",
    "serve": "smart_router.cli.serve:serve",
    "service": "smart_router.cli.service:service",
    "setup": "smart_router.cli.setup:setup",
    "start": "smart_router.cli.start:start",
    "stats": "smart_router.cli.stats:stats",
}
"""Module and function of each command."""

OWN_OPTIONS = ("-h", "--help", "--version")
"""Options of the command itself; others are those of `start`."""


class _Commands(click.Group):
    """Loads commands by name, and prints errors in one line."""

    def parse_args(self, ctx: click.Context, args: list[str]) -> list[str]:
        completing = ctx.resilient_parsing  # of a shell, which asks for the commands
        if not completing and (not args or (args[0].startswith("-") and args[0] not in OWN_OPTIONS)):
            args = ["start", *args]  # the router itself: `uvx smart-router`
        return super().parse_args(ctx, args)

    def resolve_command(
        self, ctx: click.Context, args: list[str]
    ) -> tuple[str | None, click.Command | None, list[str]]:
        if args[0] not in COMMANDS and (near := did_you_mean(args[0], COMMANDS)):
            ctx.fail(f"there is no command {args[0]!r}{near}")
        return super().resolve_command(ctx, args)

    def list_commands(self, ctx: click.Context) -> list[str]:
        return sorted(COMMANDS)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        if cmd_name not in COMMANDS:
            return None
        module, _, name = COMMANDS[cmd_name].partition(":")
        command: click.Command = getattr(import_module(module), name)
        return command

    def invoke(self, ctx: click.Context) -> Any:
        try:
            return super().invoke(ctx)
        except BrokenPipeError:  # `| head`: click exits silently
            raise
        except ModuleNotFoundError as error:
            if error.name != "psycopg":
                raise
            why = "install the database's client: pip install 'smart-router[cluster]'"
            raise click.ClickException(why) from None
        except OSError as error:
            where = error.filename or "the output cannot be written"
            raise click.ClickException(f"{where}: {error.strerror}") from error
        except UserError as error:
            raise click.ClickException(str(error)) from error


@click.command(cls=_Commands, context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(__version__, prog_name="smart-router")
def main() -> None:
    """Start the router, inspect its decisions and records, and manage credentials.

    Without a command, `start` runs: the router on 127.0.0.1:8080.
    """


if __name__ == "__main__":
    main()
