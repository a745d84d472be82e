"""`smart-router cluster`: the machines that share this one's state in PostgreSQL."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

import click
from pydantic_core import to_json

from smart_router.cli.common import as_json, own_config, print_json
from smart_router.cluster.sealing import new_key
from smart_router.cluster.settings import URL, ClusterSettings, unlike_key
from smart_router.paths import state_path

if TYPE_CHECKING:
    from smart_router.cluster.database import SharedDatabase

UNUSABLE = "the cluster's database cannot be used"
CHECK = f"check {URL} or [cluster] url, and that the server lets this machine in"

COMMAND_WITHIN = 10.0
"""Seconds that a command waits for an answer of the database."""


@click.group()
def cluster() -> None:
    """Share state with other machines through PostgreSQL.

    \b
    Examples:
      export SMART_ROUTER_CLUSTER_KEY="$(smart-router cluster key)"   # the same on every machine
      export SMART_ROUTER_CLUSTER_URL=postgresql://router@db.example/router
      smart-router cluster join
      smart-router cluster status
    """


@cluster.command()
@as_json
def status(as_json: bool) -> None:
    """Show the database's state and the machines."""
    from smart_router.cluster.machines import machines
    from smart_router.cluster.replica_file import read_facts
    from smart_router.cluster.schema import schema_version

    (own,) = read_facts(state_path(os.environ), "machine")
    with connected() as (settings, db):
        version = schema_version(db)
        found = machines(db) if version else []
    if as_json:
        print_json({"cluster": "ok", "version": version, "machine": own, "machines": found})
        return
    click.echo(f"database: ok, tables of version {version}")
    for one in found:
        mark = " (this one)" if one["id"] == own else ""
        config = f", config {one['config_version']}" if one.get("config_version") else ""
        seen = f"{one.get('running', 0)} running, seen {one['seen']:.0f} s ago"
        click.echo(f"{one['name']}{mark}: {one['state']}, {one['version']}{config}, {seen}")
        if one.get("config_error"):
            click.echo(f"  {one['config_error']}")
    if not found:
        click.echo("no machine has joined: run `smart-router cluster join` on each")
    _warn_of_key(settings, found)


@cluster.command()
@as_json
def join(as_json: bool) -> None:
    """Make this machine one of the cluster, and create the tables if they are missing.

    A router that runs with the same configuration joins by itself; this command checks that it can.
    """
    from smart_router.cluster.machines import machines, register
    from smart_router.cluster.replica_file import ReplicaFile
    from smart_router.cluster.schema import migrate, schema_version

    with connected() as (settings, db), ReplicaFile(state_path(os.environ)) as file:
        migrate(db)
        machine = file.fact("machine") or ""
        register(db, machine, settings.name)
        version = schema_version(db)
        found = machines(db)
    _warn_of_key(settings, found)
    if as_json:
        click.echo(to_json({"machine": machine, "name": settings.name, "version": version}))
    else:
        click.echo(f"{settings.name} belongs to the cluster (tables of version {version})")


@cluster.command()
@click.argument("machine", required=False)
@as_json
def leave(machine: str | None, as_json: bool) -> None:
    """Take this machine out of the cluster, or MACHINE, if that one is gone for good. Stop its router first;
    its records stay.

    \b
    smart-router cluster leave
    smart-router cluster leave router-2
    """
    from smart_router.cluster.machines import is_running
    from smart_router.cluster.machines import leave as note_leave
    from smart_router.cluster.replica_file import read_facts

    with connected() as (settings, db):
        if machine is None:
            (id_,), name = read_facts(state_path(os.environ), "machine"), settings.name
        else:
            id_, name = _find(db, machine)
        if id_ is not None and is_running(db, id_):
            raise click.ClickException(f"the router of {name} runs: stop it first")
        left = id_ is not None and note_leave(db, id_)
    if as_json:
        click.echo(to_json({"machine": id_, "name": name, "left": left}))
    elif left:
        click.echo(f"{name} has left the cluster: remove [cluster] from its config")
    else:
        click.echo(f"{name} did not belong to the cluster")


@cluster.command()
@as_json
def migrate(as_json: bool) -> None:
    """Bring the database's tables up to date. Routers do so when they start, if their role may."""
    from smart_router.cluster.schema import migrate as run_migrations
    from smart_router.cluster.schema import schema_version

    with connected() as (_, db):
        made = run_migrations(db)
        version = schema_version(db)
    if as_json:
        click.echo(to_json({"version": version, "made": made}))
    elif made:
        click.echo(f"the tables have version {version} now")
    else:
        click.echo(f"the tables have version {version}: nothing to do")


@cluster.command()
def key() -> None:
    """Print a new key for SMART_ROUTER_CLUSTER_KEY, which seals shared secrets."""
    click.echo(new_key())


def _find(db: SharedDatabase, machine: str) -> tuple[str, str]:
    """Return id and name of the machine of this name or id."""
    from smart_router.cluster.machines import machines

    all_ = "see `smart-router cluster status --json`"
    found = [(one["id"], one["name"]) for one in machines(db) if machine in (one["id"], one["name"])]
    if not found:
        raise click.ClickException(f"no machine of the cluster is {machine}: {all_}")
    if len(found) > 1:
        raise click.ClickException(f"{len(found)} machines have the name {machine}: give the id, {all_}")
    return found[0]


def _warn_of_key(settings: ClusterSettings, found: list[dict[str, Any]]) -> None:
    if wrong := unlike_key(settings, found):
        click.echo(f"warning: {wrong}", err=True)


@contextmanager
def connected() -> Iterator[tuple[ClusterSettings, SharedDatabase]]:
    """Connect to the database of this configuration; turn its errors into the command's error."""
    settings = own_config().cluster
    if settings is None:
        raise click.UsageError(f"no cluster is configured: set [cluster] url in the config, or {URL}")
    from smart_router.cluster.database import LOST, SharedDatabase, reason
    from smart_router.cluster.schema import SchemaError

    try:
        with SharedDatabase(settings.url, within=COMMAND_WITHIN) as db:
            yield settings, db
    except LOST as error:
        raise click.ClickException(f"{UNUSABLE}: {reason(error)}; {CHECK}") from None
    except SchemaError as error:
        raise click.ClickException(f"{UNUSABLE}: {error}") from None
