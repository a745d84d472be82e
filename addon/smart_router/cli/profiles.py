"""`smart-router profiles`: lists, adds, disables and removes credentials."""

from __future__ import annotations

import os
import sys
import time
from collections.abc import Iterator
from contextlib import closing, contextmanager
from typing import Any

import click
from pydantic import SecretStr
from rich.table import Table

from smart_router.auth.store import AuthStore, UnknownProfileError
from smart_router.cli.common import output_console, own_config, own_store, print_json
from smart_router.cluster.replica_file import LOGIN, REMOVED, retract
from smart_router.paths import state_path

as_json = click.option("--json", "as_json", is_flag=True, help="Print JSON; times are seconds from now.")
one_profile = click.argument("profile_id", metavar="PROFILE")

WIDE = 110
"""Columns from which a terminal has room for the last use and the outcomes."""


@click.group()
def profiles() -> None:
    """Manage API keys and logins.

    Environment keys are those of this shell; a router started elsewhere may have others.
    """


@profiles.command("list")
@click.option("--provider", help="Only profiles of this provider.")
@as_json
def list_(provider: str | None, as_json: bool) -> None:
    """List all profiles."""
    with _store() as store:
        if provider is not None:
            store.new_id(provider, "any")  # raises for an unknown provider
        found = [one.as_dict() for one in store.statuses(provider, time.monotonic())]
    if as_json:
        print_json(found)
    elif found:
        _print_table("profile", {one["id"]: one for one in found}, origin=True)
    else:
        click.echo(
            "No profiles: set a provider's key, such as OPENAI_API_KEY, or add one with `profiles add`."
        )


@profiles.command()
@one_profile
@as_json
def show(profile_id: str, as_json: bool) -> None:
    """Show a profile and the state of its models."""
    with _store() as store:
        _print_one(_status(store, profile_id), as_json)


@profiles.command()
@click.argument("provider")
@click.argument("name")
@as_json
def add(provider: str, name: str, as_json: bool) -> None:
    """Store an API key as PROVIDER:NAME; it is prompted for, or read from standard input."""
    asked = sys.stdin.isatty()
    secret = SecretStr(click.prompt("Key", hide_input=True) if asked else sys.stdin.readline().rstrip("\r\n"))
    with _store() as store:
        _print_one(_status(store, store.add_key(provider, name, secret).id), as_json)


@profiles.command()
@one_profile
@as_json
def remove(profile_id: str, as_json: bool) -> None:
    """Remove a stored key or login; environment keys can only be disabled.

    A login that machines of a cluster share is removed on all of them.
    """
    with _store() as store:
        store.remove(profile_id)
    retract(state_path(os.environ), LOGIN, profile_id, REMOVED)
    if as_json:
        print_json({"removed": profile_id})
    else:
        click.echo(f"{profile_id} is removed.")


def _switch(name: str, help_: str) -> None:
    """Add a command that calls the store's method of that name and shows the result."""

    @profiles.command(name, help=help_)
    @one_profile
    @as_json
    def command(profile_id: str, as_json: bool) -> None:
        with _store() as store:
            getattr(store, name)(profile_id)
            store.flush()
            _print_one(_status(store, profile_id), as_json)


@profiles.command()
@click.option(
    "--to",
    "place",
    type=click.Choice(["keyring", "database"]),
    required=True,
    help="keyring: the system's. database: auth.sqlite in the state folder.",
)
@as_json
def move(place: str, as_json: bool) -> None:
    """Move all stored secrets to the system's keyring, or back; new secrets are stored there, too.

    Each secret is written to its new place and read back before it is deleted from the old one. Running
    routers notice the move. The keyring needs the extra `keyring`: pip install 'smart-router[keyring]'.
    """
    with _store() as store:
        found = store.move(to_keyring=place == "keyring")
        file = store.file
        assert file is not None
        old_copies = sorted(path.name for path in file.parent.glob(f"{file.name}.damaged-*"))
    left = {profile_id: why for profile_id, why in found.items() if why is not None}
    moved = [profile_id for profile_id in found if profile_id not in left]
    if as_json:
        print_json({"place": place, "moved": moved, "left": left, "old_copies": old_copies})
    else:
        for profile_id in moved:
            click.echo(f"{profile_id} is now in the {place}.")
        click.echo(f"New secrets go to the {place}.")
        for name in old_copies:
            click.echo(f"Old secrets may still be in {name}: delete it if you do not need it.", err=True)
    if left:
        lines = (f"{profile_id} stays where it was: {why}" for profile_id, why in left.items())
        raise click.ClickException("\n".join(lines))


_switch("enable", "Enable a profile, even one that the router disabled.")
_switch("disable", "Disable a profile until it is enabled again.")
_switch("reset", "Clear the cooldowns, counts and failures of a profile.")


@contextmanager
def _store() -> Iterator[AuthStore]:
    """Open the store of this configuration, and wait for the keyring."""
    with closing(own_store(own_config())) as store:
        store.settle()
        yield store


def _status(store: AuthStore, profile_id: str) -> dict[str, Any]:
    for one in store.statuses(None, time.monotonic()):
        if one.id == profile_id:
            return one.as_dict()
    raise UnknownProfileError(profile_id)


def _print_one(status: dict[str, Any], as_json: bool) -> None:
    if as_json:
        print_json(status)
        return
    _print_table("profile", {status["id"]: status}, origin=True)
    if status["models"]:
        _print_table("model", status["models"], origin=False)


def _print_table(what: str, rows: dict[str, dict[str, Any]], *, origin: bool) -> None:
    """Print a table; `rows` have the form of ProfileStatus.as_dict, by name."""
    console = output_console()
    wide = console.width >= WIDE
    own = ("from", "token expires") if origin else ()
    table = Table(box=None, pad_edge=False)
    table.add_column(what, min_width=max(map(len, rows), default=0))  # a cut name says nothing
    for column in (*own, "state", "why", "cooled for", *(("used", "outcomes") if wide else ())):
        table.add_column(column)
    for name, one in rows.items():
        table.add_row(
            name,
            *((_origin(one), _end(one)) if origin else ()),
            one["state"],
            one["why"] or "",
            _duration(one["cooled_for"]),
            *(_uses(one) if wide else ()),
        )
    console.print(table)


def _uses(status: dict[str, Any]) -> tuple[str, str]:
    """Time since the last use, and the outcomes by kind."""
    used = f"{_duration(status['used_ago'])} ago" if status["used_ago"] is not None else ""
    return used, ", ".join(f"{count} {outcome}" for outcome, count in status["counts"].items())


def _origin(status: dict[str, Any]) -> str:
    where = status["variable"] or status["kind"].replace("_", " ")
    return f"{where}, in the keyring" if status["in_keyring"] else str(where)


def _end(status: dict[str, Any]) -> str:
    """Expiry of a login's token, and what happens then."""
    seconds = status["expires_in"]
    if status["refreshable"] is None:
        return ""
    after = "refreshed automatically" if status["refreshable"] else "not refreshable"
    if seconds is None:
        return f"unknown, {after}"
    return f"in {_duration(seconds)}, {after}" if seconds > 0 else f"expired, {after}"


def _duration(seconds: float | None) -> str:
    """Format `95.0` as `1 min 35 s`, with the two largest units."""
    if seconds is None:
        return ""
    whole = round(seconds)
    units = (("d", whole // 86_400), ("h", whole // 3600 % 24), ("min", whole // 60 % 60), ("s", whole % 60))
    parts = [f"{count} {unit}" for unit, count in units if count]
    return " ".join(parts[:2]) or "0 s"
