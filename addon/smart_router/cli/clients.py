"""`smart-router clients`: clients with keys and limits of their own."""

from __future__ import annotations

import os
import re
import sqlite3
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import closing, contextmanager
from fnmatch import fnmatchcase
from math import inf
from typing import Any

import click
from pydantic import SecretStr

from smart_router.cli.common import as_json, output_console, own_config, print_json
from smart_router.client_keys.client import allotments
from smart_router.client_keys.counters import Counters
from smart_router.client_keys.database import ClientFile, ClientsError, Settings, Stored, changing
from smart_router.client_keys.description import describe_stored
from smart_router.client_keys.ledger import Ledger, Pot
from smart_router.client_keys.limits import Limit, read_limit
from smart_router.cluster.pots import POTS, Told
from smart_router.cluster.replica_file import read_facts
from smart_router.paths import state_path
from smart_router.stats.since import read_span, read_time
from smart_router.storage.sqlite_file import NewerFileError
from smart_router.suggestions import did_you_mean

_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._+-]{0,63}")
_NO_CLIENT = ("own_login", "require_keys")
"""Words of `[clients]` in the config that are no client's name."""

Context = click.Context


def _name(ctx: Context, param: click.Parameter, value: str) -> str:
    if not _NAME.fullmatch(value) or value in _NO_CLIENT:
        raise click.BadParameter(f"{value!r} is no name: use up to 64 letters, digits and . _ + -")
    return value


def _tag_name(ctx: Context, param: click.Parameter, value: str | None) -> str | None:
    return _name(ctx, param, value) if value else value


def _limits(ctx: Context, param: click.Parameter, value: tuple[str, ...]) -> tuple[Limit, ...] | None:
    if value == ("none",):
        return ()
    try:
        limits = tuple(map(read_limit, value))
    except ValueError as error:
        raise click.BadParameter(str(error)) from None
    if len({(one.unit, one.window) for one in limits}) < len(limits):
        raise click.BadParameter("two limits of the same unit and window; the lower one would count")
    return limits or None


def _models(ctx: Context, param: click.Parameter, value: str | None) -> tuple[str, ...] | None:
    if value is None or value == "all":
        return None if value is None else ()
    return tuple(one for one in map(str.strip, value.split(",")) if one)


def _end(ctx: Context, param: click.Parameter, value: str | None) -> float | None:
    if value is None or value == "never":
        return None if value is None else inf
    now = time.time()
    try:
        end = now + span if (span := read_span(value)) is not None else read_time(value)
    except ValueError as error:
        raise click.BadParameter(str(error)) from None
    if end <= now:
        raise click.BadParameter(f"{value} is in the past")
    return end


def _grace(ctx: Context, param: click.Parameter, value: str) -> float:
    span = 0.0 if value == "0" else read_span(value)
    if span is None:
        raise click.BadParameter(f"{value!r} is no span such as 24h or 7d")
    return span


one_client = click.argument("name", callback=_name)

_LIMIT = click.option(
    "--limit",
    "limits",
    multiple=True,
    callback=_limits,
    metavar="LIMIT",
    help="Such as '10 USD/day', '2M tokens/week' or '60 requests/minute'; repeat for several. Windows: "
    "minute, hour, 5h, day, week, month, total.",
)

_SETTINGS = (
    click.option("--tag", callback=_tag_name, help="Team whose limits it shares; see `clients tag`."),
    click.option(
        "--models",
        callback=_models,
        metavar="LIST",
        help="Models that it may use, with commas and *: auto,openai/*. Default: all.",
    ),
    _LIMIT,
    click.option(
        "--on-limit",
        type=click.Choice(["refuse", "eco"]),
        help="eco: `auto` means `auto:eco` once 80 % of a money limit is used.",
    ),
    click.option(
        "--on-cluster-away",
        type=click.Choice(["deny", "allow", "default"]),
        help="What its limits do while a cluster's database is away. deny: they end at this machine's slice; "
        "allow: this machine counts alone. Default: deny for money, else allow.",
    ),
    click.option("--admin/--no-admin", default=None, help="It may see all clients' use, logs and metrics."),
    click.option(
        "--expires", callback=_end, metavar="WHEN", help="90d, 12h, a date such as 2027-01-31, or never."
    ),
)


def _settings[F: Callable[..., Any]](command: F) -> F:
    for option in reversed(_SETTINGS):
        command = option(command)
    return command


@click.group()
def clients() -> None:
    """Manage client keys: who may use the router, which models, and how much.

    \b
    smart-router clients add laptop --limit '10 USD/day' --models 'auto,openai/*'
    smart-router clients list
    smart-router clients rotate laptop --grace 24h

    A running router notices changes within a second. Windows of limits are in UTC.
    """


@clients.command()
@one_client
@_settings
@as_json
def add(name: str, as_json: bool, **settings: Any) -> None:
    """Add a client and print its key, which is shown this once.

    \b
    smart-router clients add ci --expires 90d --limit '60 requests/minute'
    smart-router clients add ann --tag team --on-limit eco --limit '10 USD/day'
    """
    if name in own_config().clients:
        raise click.ClickException(f"{name} stands in the config already, under [clients]")
    _warn_of_models(settings["models"])
    with _file() as file:
        key = file.add(name, Settings(**settings), time.time())
        _print_key(_shown(file.read(), name), key, as_json)


@clients.command("list")
@as_json
def list_(as_json: bool) -> None:
    """List clients, what they have used of their limits, and tags."""
    with _file() as file:
        stored = file.read()
    with _ledger() as ledger:
        found = [describe_stored(one, ledger, time.time()) for one in stored.clients.values()]
        tags = [_tag(name, stored, ledger) for name in stored.tags]
    if as_json:
        print_json({"clients": found, "tags": tags})
    elif not found and not tags:
        click.echo("No clients: add one with `smart-router clients add NAME`.")
    else:
        _print_table(found, tags)


@clients.command()
@one_client
@as_json
def show(name: str, as_json: bool) -> None:
    """Show a client: its keys, what it may do, and what it has used."""
    with _file() as file:
        _print_one(_shown(file.read(), name), as_json)


@clients.command()
@one_client
@_settings
@as_json
def change(name: str, as_json: bool, **settings: Any) -> None:
    """Change a client's rights and limits. Settings that are not given stay, and so does its key.

    Given limits replace all of its limits; its use so far stays counted. `--limit none`, `--models all`,
    `--tag ''` and `--expires never` lift the restriction.
    """
    _warn_of_models(settings["models"])
    with _file() as file:
        file.change(name, Settings(**settings))
        _print_one(_shown(file.read(), name), as_json)


@clients.command()
@one_client
@click.option(
    "--grace", default="0", callback=_grace, metavar="SPAN", help="How long the old key stays valid: 24h, 7d."
)
@as_json
def rotate(name: str, grace: float, as_json: bool) -> None:
    """Print a new key for a client; its old key ends at once, or after the grace period."""
    with _file() as file:
        key = file.rotate(name, grace, time.time())
        _print_key(_shown(file.read(), name), key, as_json)


@clients.command()
@one_client
@as_json
def revoke(name: str, as_json: bool) -> None:
    """Refuse a client's keys from now on. `clients add` may use the name again."""
    with _file() as file:
        file.revoke(name, time.time())
        described = _shown(file.read(), name)
    if as_json:
        print_json(described)
    else:
        click.echo(f"{name} is revoked; running routers refuse its key within a second.")


@clients.command()
@click.argument("name", metavar="TAG", callback=_name)
@_LIMIT
@as_json
def tag(name: str, limits: tuple[Limit, ...] | None, as_json: bool) -> None:
    """Set limits that all clients of a tag share, or show them. `--limit none` removes them.

    \b
    smart-router clients tag team --limit '100 USD/month'
    """
    with _file() as file:
        if limits is not None:
            file.set_tag(name, limits)
        stored = file.read()
    with _ledger() as ledger:
        described = _tag(name, stored, ledger)
    if limits is None and not (described["limits"] or described["clients"]):
        raise ClientsError(
            f"there is no tag {name}: `--limit` gives it limits, see `smart-router clients list`"
        )
    print_json(described) if as_json else _print_table([], [described])


@contextmanager
def _file() -> Iterator[ClientFile]:
    """Open the file of this configuration; turn its errors into the command's error."""
    folder = state_path(os.environ)
    try:
        with changing(folder) as file:
            yield file
    except (sqlite3.Error, NewerFileError) as error:
        raise click.ClickException(f"the clients in {folder} cannot be used: {error}") from None


@contextmanager
def _ledger() -> Iterator[Ledger]:
    """Open the counters that the routers of this state folder share, with the last counts of a cluster's
    other machines."""
    folder = state_path(os.environ)
    told = Told.of(*read_facts(folder, POTS))
    with closing(Counters(folder)) as counters:
        yield Ledger(counters, lambda one, period: Pot(told.others(one, period), one.limit.amount))


def _shown(stored: Stored, name: str) -> dict[str, Any]:
    found = stored.clients.get(name)
    if found is None:
        raise ClientsError(f"there is no client {name}: see `smart-router clients list`")
    with _ledger() as ledger:
        return describe_stored(found, ledger, time.time())


def _tag(name: str, stored: Stored, ledger: Ledger) -> dict[str, Any]:
    shared = allotments(f"tag:{name}", stored.tags.get(name, ()))
    members = [one.client.name for one in stored.clients.values() if one.client.tag == name]
    return {
        "tag": name,
        "clients": members,
        "limits": [share.as_dict() for share in ledger.look(shared, time.time())],
    }


def _warn_of_models(patterns: Sequence[str] | None) -> None:
    """Name patterns of providers that there are not: they match nothing."""
    providers = own_config().providers
    for pattern in patterns or ():
        provider, slash, _ = pattern.partition("/")
        if slash and not any(fnmatchcase(id_, provider) for id_ in providers):
            hint = did_you_mean(provider, providers)
            click.echo(
                f"warning: {pattern} matches no model, there is no provider {provider}{hint}", err=True
            )


def _print_key(described: dict[str, Any], key: SecretStr, as_json: bool) -> None:
    if as_json:
        print_json({**described, "key": key.get_secret_value()})
        return
    click.echo(key.get_secret_value())
    ends = f", and ends at {described['expires_at']}" if described["expires_at"] else ""
    click.echo(
        f"This is the key of {described['name']}, shown this once{ends}. Clients send it as their API key, "
        "or as a proxy password: http://NAME:KEY@HOST:PORT",
        err=True,
    )


def _print_one(described: dict[str, Any], as_json: bool) -> None:
    if as_json:
        print_json(described)
        return
    for name, value in described.items():
        if name not in ("keys", "limits") and value not in (None, False):
            shown = ", ".join(value) if isinstance(value, list | tuple) else value
            click.echo(f"{name.replace('_', ' '):<11} {shown}")
    for key in described["keys"]:
        ends = f", ends {key['ends_at']}" if key["ends_at"] else ""
        click.echo(f"{'key':<11} {key['key']}, made {key['created_at']}{ends}")
    for limit in described["limits"]:
        click.echo(f"{'limit':<11} {_use(limit)}")


def _use(limit: dict[str, Any]) -> str:
    tag = f" of the tag {limit['tag']}" if limit["tag"] else ""
    resets = f", resets {limit['resets_at']}" if limit["resets_at"] else ""
    return f"{limit['limit']}{tag}: {_amount(limit)} used ({limit['used'] / limit['amount']:.0%}){resets}"


def _amount(limit: dict[str, Any]) -> str:
    return f"{limit['used']:.4g}" if limit["unit"] == "USD" else f"{limit['used']:,.0f}"


def _print_table(clients: Sequence[dict[str, Any]], tags: Sequence[dict[str, Any]]) -> None:
    from rich.table import Table

    rows = [(one["name"], one["state"], one["tag"] or "", one) for one in clients]
    rows += [(f"tag {one['tag']}", f"{len(one['clients'])} clients", "", one) for one in tags]
    table = Table("client", "state", "tag", "used of its own limits", box=None, pad_edge=False)
    for name, state, tag, one in rows:
        own = [limit for limit in one["limits"] if not limit["tag"] or "clients" in one]
        used = "; ".join(f"{_amount(limit)} of {limit['limit']}" for limit in own)
        table.add_row(name, state, tag, used or "no limits")
    output_console().print(table)
