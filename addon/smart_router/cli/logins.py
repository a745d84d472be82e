"""`smart-router login` and `smart-router import`: add profiles by a login or from a vendor's CLI."""

from __future__ import annotations

import os
import re
import secrets
import sys
import time
import webbrowser
from collections.abc import Iterator
from contextlib import closing, contextmanager
from dataclasses import replace
from pathlib import Path
from urllib.parse import parse_qs, urlsplit

import click
from pydantic_core import to_json
from rich.console import Console
from rich.live import Live
from rich.text import Text

from smart_router.auth.logins.cli_files import CLI_FILES, read_cli_file
from smart_router.auth.logins.provider import LoginProvider
from smart_router.auth.logins.run import run_login
from smart_router.auth.logins.steps import Context, Grant, LoginError
from smart_router.auth.logins.table import LOGINS
from smart_router.auth.logins.transport import Transport
from smart_router.auth.profiles import Profile
from smart_router.auth.store import AuthStore
from smart_router.cli.common import own_config, own_store
from smart_router.config import Config
from smart_router.providers.registry import PROVIDERS

SINGLE_USE = (
    "A refresh token works once: when the router or the vendor's command line uses it, "
    "the other one is logged out"
)

_name = click.option("--name", help="The profile's name; default: the account's address, or `default`.")
_region = click.option("--region", help="minimax-portal: global (the default) or cn.")
_as_json = click.option("--json", "as_json", is_flag=True, help="Print JSON, one object a line.")


class _LoginProvider(click.Choice[str]):
    """A provider with logins; the error for one with keys says how to set a key."""

    def convert(self, value: str, param: click.Parameter | None, ctx: click.Context | None) -> str:
        provider = PROVIDERS.get(value)
        if provider is not None and provider.kind == "key":
            how = f"set {provider.key_env[0]}, or run `smart-router profiles add {value} main`"
            self.fail(f"{value} takes an API key: {how}", param, ctx)
        return super().convert(value, param, ctx)


@click.command()
@click.argument("provider", type=_LoginProvider(list(LOGINS)))
@_name
@_region
@click.option(
    "--device", is_flag=True, help="openai-codex: confirm a code on any device; needs no browser here."
)
@click.option("--old-hosts", is_flag=True, help="minimax-portal: use the addresses from before May 2026.")
@click.option("--no-browser", is_flag=True, help="Print the address without opening it.")
@click.option(
    "--accept-risk", is_flag=True, help="antigravity: confirm that you read the warning about its terms."
)
@_as_json
def login(
    provider: str,
    name: str | None,
    region: str | None,
    device: bool,
    old_hosts: bool,
    no_browser: bool,
    accept_risk: bool,
    as_json: bool,
) -> None:
    """Log in to PROVIDER and store the login as a profile."""
    row = LOGINS[provider]
    screen = _Screen(as_json=as_json, browser=not no_browser)
    _warn(row, screen, accepted=accept_risk)
    flow = row.device if device else row.browser or row.device
    if flow is None:
        raise click.UsageError(f"{provider} has no login with a code.")
    with _opened() as (config, store):
        if name is not None:
            store.new_id(provider, name)
        settings = row.settings_for(config.logins.get(provider), os.environ, region, old_hosts=old_hosts)
        extras = config.providers[provider].extras
        context = Context(settings, time.time, secrets.token_urlsafe, extras)
        with Transport() as transport, screen:
            grant = run_login(flow(context), transport.send, screen)
        profile = _keep(store, row, grant, name, region)
    screen.done(profile, grant)


@click.command("import")
@click.argument("provider", type=click.Choice(list(CLI_FILES)))
@_name
@_region
@click.option("--file", type=click.Path(path_type=Path), help="The file, if it is not in its usual place.")
@click.option(
    "--with-refresh-token",
    is_flag=True,
    help="Move the login here for good. Without it the profile lasts as long as the access token.",
)
@_as_json
def import_(
    provider: str,
    name: str | None,
    region: str | None,
    file: Path | None,
    with_refresh_token: bool,
    as_json: bool,
) -> None:
    """Import the login of PROVIDER's own command line from its file."""
    row, screen = LOGINS[provider], _Screen(as_json=as_json, browser=False)
    with _opened() as (_, store):
        grant = _read_file(provider, file, with_refresh=with_refresh_token)
        profile = _keep(store, row, grant, name, region)
    if with_refresh_token:
        screen.warn(f"{SINGLE_USE}. Stop using the vendor's command line with this account.")
    else:
        screen.warn(f"Only the access token was imported. {SINGLE_USE}.")
    screen.done(profile, grant)


def _read_file(provider: str, file: Path | None, *, with_refresh: bool) -> Grant:
    places = [(one, file or one.find(Path.home(), os.environ)) for one in CLI_FILES[provider]]
    missing = LoginError(f"there is no {' and no '.join(str(path) for _, path in places)}")
    for known, path in places:
        if not path.is_file():
            continue
        try:
            return read_cli_file(known, path, time.time(), with_refresh=with_refresh)
        except LoginError as error:
            missing = error  # --file may be in the other format
    raise missing


def _keep(
    store: AuthStore, row: LoginProvider, grant: Grant, name: str | None, region: str | None
) -> Profile:
    found = row.region(region)
    tokens = replace(grant.tokens, extras={**(found.extras if found else {}), **grant.tokens.extras})
    fitting = re.sub(r"[^A-Za-z0-9._@+-]", "-", grant.account or "")[:64]
    return store.add_login(row.id, name or fitting or "default", tokens)


def _warn(row: LoginProvider, screen: _Screen, *, accepted: bool) -> None:
    if row.warning is None:
        return
    screen.warn(row.warning)
    if not row.opt_in or accepted:
        return
    if screen.as_json or not sys.stdin.isatty():
        raise click.UsageError(f"{row.id} needs --accept-risk.")
    click.confirm("Log in anyway?", abort=True, err=True)


@contextmanager
def _opened() -> Iterator[tuple[Config, AuthStore]]:
    """Open config and store; raise StoreError now if a login could not be stored later."""
    config = own_config()
    with closing(own_store(config)) as store:
        store.try_out()
        yield config, store


class _Screen:
    """Shows a login to the user: address, code and a countdown, or JSON lines."""

    def __init__(self, *, as_json: bool, browser: bool) -> None:
        self.as_json = as_json
        self._browser = browser
        self._console = Console(highlight=False)
        self._live = Live(console=self._console, auto_refresh=False, transient=True)

    def __enter__(self) -> None:
        if self._console.is_terminal and not self.as_json:
            self._live.start()

    def __exit__(self, *exc: object) -> None:
        self._live.stop()

    def warn(self, text: str) -> None:
        """Print a warning to standard error, also with --json."""
        Console(stderr=True, highlight=False).print(Text(f"Warning: {text}", "yellow"))

    def show(self, url: str, code: str | None) -> None:
        """See `Screen` in auth/logins/run.py."""
        if self.as_json:
            self._line(open=url, code=code)
        elif code:
            self._say("Open this address:", url, "and enter or compare this code:", code)
        else:
            port = _redirect_port(url)
            self._say("Log in here:", url)
            self._say(
                f"With a browser on another machine, first: ssh -L {port}:localhost:{port} THIS_MACHINE"
            )
        if self._browser:
            webbrowser.open(url)

    def waiting(self, seconds: float) -> None:
        """See `Screen` in auth/logins/run.py."""
        if self._live.is_started:
            minutes, rest = divmod(max(0, round(seconds)), 60)
            self._live.update(Text(f"Waiting for you … {minutes}:{rest:02d} left"), refresh=True)

    def done(self, profile: Profile, grant: Grant) -> None:
        """Report the stored login."""
        expires_at, refresh = grant.tokens.expires_at, grant.tokens.refresh
        seconds = None if expires_at is None else round(expires_at - time.time())
        if self.as_json:
            self._line(
                profile=profile.id, expires_in=seconds, refreshable=refresh is not None, notice=grant.notice
            )
            return
        self._say(f"Logged in: profile {profile.id}.", grant.notice or "")
        if refresh is None and seconds is not None:
            self._say(f"It expires in {seconds / 3600:.1f} hours and cannot be refreshed.")

    def _say(self, *lines: str) -> None:
        for line in filter(None, lines):
            self._console.print(Text(line), soft_wrap=True)

    def _line(self, **fields: object) -> None:
        click.echo(to_json(fields))


def _redirect_port(url: str) -> int | None:
    query = parse_qs(urlsplit(url).query)
    return urlsplit(query.get("redirect_uri", [""])[0]).port
