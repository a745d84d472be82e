"""The checks of `smart-router doctor`."""

from __future__ import annotations

import sqlite3
import sys
import time
from collections.abc import Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from dataclasses import dataclass
from email.utils import parsedate_to_datetime
from functools import cached_property
from pathlib import Path
from shutil import disk_usage
from tempfile import TemporaryFile
from typing import NamedTuple

import click

from smart_router.addresses import LOOPBACK
from smart_router.auth.status import ProfileStatus
from smart_router.auth.store import AuthStore
from smart_router.cli.certs import refusals
from smart_router.cluster.settings import unlike_key
from smart_router.config import Config, load_config, parse_config
from smart_router.config_errors import ConfigError
from smart_router.pasted import unwrap
from smart_router.paths import config_path, state_path
from smart_router.providers.base import Provider
from smart_router.start_line import pointed_at_itself
from smart_router.tools.proxy_variables import CA_FILE, CONFDIR
from smart_router.tools.router_process import RouterStartError, free_port, health_of

OK, WARNING, ERROR = "ok", "warning", "error"

CONNECT_WITHIN = 5.0
"""Seconds for a provider's answer."""

MOST_SKEW = 60.0
"""Seconds by which the clock may differ from a provider's: tokens and rate limits are timed."""

LEAST_SPACE = 100 << 20
"""Free bytes for records."""

SOON = 300.0
"""Seconds before a login's end in which it cannot be relied on."""


class Finding(NamedTuple):
    """Result of a check: `ok`, `warning` or `error`, what was found, and what to do; empty for nothing."""

    status: str
    says: str
    do: str = ""


class ClockAnswer(NamedTuple):
    """A provider's answer to a request without a key: the clocks' difference in seconds, or the error."""

    skew: float | None
    error: str | None


@dataclass(repr=False)
class Surroundings:
    """This machine, as the checks see it. `programs` are those whose trust in the CA is checked."""

    env: Mapping[str, str]
    port: int
    offline: bool
    programs: Sequence[str]

    @cached_property
    def config(self) -> Config:
        """The config, the defaults if the file has errors."""
        try:
            return load_config(config_path(self.env), self.env, warn=False)
        except ConfigError:
            return parse_config({}, {})

    @cached_property
    def profiles(self) -> list[ProfileStatus]:
        """All credentials."""
        with closing(AuthStore(self.env, self.config.providers, state_path(self.env))) as store:
            return store.statuses(None, time.monotonic())

    @cached_property
    def answers(self) -> Mapping[str, ClockAnswer]:
        """The answer of each provider with a credential, by id."""
        used = {one.provider for one in self.profiles}
        asked = [one for one in self.config.providers.values() if one.id in used]
        with ThreadPoolExecutor(max(1, len(asked))) as threads:
            return dict(zip([one.id for one in asked], threads.map(_ask, asked), strict=True))


def _ask(provider: Provider) -> ClockAnswer:
    import httpx  # slow to import

    try:
        answer = httpx.head(provider.base_url, timeout=CONNECT_WITHIN)
    except httpx.HTTPError as error:
        return ClockAnswer(None, str(error) or type(error).__name__)
    date = answer.headers.get("date")
    try:
        return ClockAnswer(time.time() - parsedate_to_datetime(date).timestamp() if date else None, None)
    except ValueError:
        return ClockAnswer(None, None)


def config_file(here: Surroundings) -> Iterator[Finding]:
    """The config file's errors and warnings."""
    file = config_path(here.env)
    if not file.exists():
        yield Finding(OK, f"no {file}, so the defaults hold")
        return
    try:
        config = load_config(file, here.env, warn=False)
    except ConfigError as error:
        for problem in error.problems:
            yield Finding(ERROR, f"{file}: {problem}", "mend it: smart-router config edit")
        return
    for warning in config.warnings:
        yield Finding(WARNING, f"{file}: {warning}", "mend it: smart-router config edit")
    if not config.warnings:
        yield Finding(OK, f"{file} is valid")


def keys(here: Surroundings) -> Iterator[Finding]:
    """Keys in the environment and in the store."""
    if not here.profiles:
        do = "set a key such as OPENAI_API_KEY, or run smart-router login openai-codex"
        yield Finding(ERROR, "there is no key and no login", do)
    for provider in here.config.providers.values():
        for variable in provider.key_env:
            if here.env.get(variable):
                yield _key(provider, variable, here.env[variable])
    for one in here.profiles:
        if not one.usable and one.kind != "login":
            again = f"smart-router profiles reset {one.id}"
            yield Finding(WARNING, f"{one.id} is not used: {one.why}", again)


def _key(provider: Provider, variable: str, value: str) -> Finding:
    # imported late: it imports mitmproxy
    from smart_router.api.client_credentials import owners_of

    key = unwrap(value)
    owners = owners_of(key)
    if not key:
        return Finding(ERROR, f"{variable} is blank", "set it to a key, or unset it")
    if any(letter.isspace() for letter in key):
        return Finding(ERROR, f"{variable} has blanks in it", "paste the key again, in one line")
    if owners and provider.id not in owners:
        said = f"{variable} has a key of {' or '.join(sorted(owners))}"
        return Finding(ERROR, said, f"set it to a key of {provider.id}")
    if provider.key_prefixes and not key.startswith(provider.key_prefixes):
        expected = " or ".join(provider.key_prefixes)
        return Finding(WARNING, f"{variable} does not begin with {expected}", "check that the key is whole")
    return Finding(OK, f"{provider.id} has {variable}")


def logins(here: Surroundings) -> Iterator[Finding]:
    """Logins: whether their tokens are fresh."""
    for one in here.profiles:
        if one.kind != "login":
            continue
        again = f"log in again: smart-router login {one.provider}"
        if not one.usable:
            yield Finding(ERROR, f"{one.id} is not used: {one.why}", again)
        elif not one.refreshable and one.expires_in is not None and one.expires_in < SOON:
            ended = "has expired" if one.expires_in <= 0 else "expires within minutes"
            yield Finding(ERROR, f"{one.id} {ended} and is not refreshed", again)
        else:
            how = ", and refreshed automatically" if one.refreshable else ""
            yield Finding(OK, f"{one.id} is usable{how}")


def providers(here: Surroundings) -> Iterator[Finding]:
    """Providers with a credential: whether they answer."""
    for warning in pointed_at_itself([(LOOPBACK, here.port)], here.config.providers, here.env):
        yield Finding(ERROR, warning)
    if here.offline:
        yield Finding(OK, "not asked (--offline)")
        return
    for id_, answer in here.answers.items():
        address = here.config.providers[id_].base_url
        if answer.error is None:
            yield Finding(OK, f"{id_} answers at {address}")
        else:
            do = "check the network, a firewall, HTTPS_PROXY, and the base URL"
            yield Finding(ERROR, f"{id_} does not answer at {address}: {answer.error}", do)


def clock(here: Surroundings) -> Iterator[Finding]:
    """This machine's clock, against those of the providers that answered."""
    skews = [] if here.offline else [one.skew for one in here.answers.values() if one.skew is not None]
    if not skews:
        yield Finding(OK, "not compared: no provider has told its time")
        return
    skew = min(skews, key=abs)
    if abs(skew) > MOST_SKEW:
        how = "ahead of" if skew > 0 else "behind"
        yield Finding(ERROR, f"the clock is {abs(skew):.0f} s {how} the providers'", "set it: switch NTP on")
    else:
        yield Finding(OK, f"within {MOST_SKEW:g} s of the providers'")


def state_folder(here: Surroundings) -> Iterator[Finding]:
    """The folder with records and credentials."""
    folder = state_path(here.env)
    if not folder.exists():
        yield Finding(OK, f"{folder} does not exist yet; the router makes it")
        return
    if sys.platform != "win32" and folder.stat().st_mode & 0o077:
        yield Finding(WARNING, f"other users may look into {folder}", f"chmod 700 {folder}")
    if not _is_writable(folder):
        do = "make it yours, or name another: SMART_ROUTER_STATE"
        yield Finding(ERROR, f"{folder} cannot be written", do)
    if (free := disk_usage(folder).free) < LEAST_SPACE:
        yield Finding(ERROR, f"{folder} has {free >> 20} MB left", "free some space")
    damaged = [path for path in sorted(folder.glob("*.sqlite")) if not _is_sound(path)]
    for path in damaged:
        yield Finding(ERROR, f"{path} is damaged", "move it away; the router begins a new one at its start")
    if not damaged:
        yield Finding(OK, f"{folder} is sound")


def _is_writable(folder: Path) -> bool:
    try:
        with TemporaryFile(dir=folder):
            return True
    except OSError:
        return False


def _is_sound(path: Path) -> bool:
    try:
        with closing(sqlite3.connect(f"{path.absolute().as_uri()}?mode=ro", uri=True)) as db:
            return bool(db.execute("PRAGMA quick_check(1)").fetchone() == ("ok",))
    except sqlite3.OperationalError:  # it is locked, or may not be read by us
        return True
    except sqlite3.DatabaseError:
        return False


def cluster(here: Surroundings) -> Iterator[Finding]:
    """The database that machines share, and who is there; nothing without a cluster."""
    settings = here.config.cluster
    if settings is None:
        return
    try:
        from smart_router.cli.cluster import connected
        from smart_router.cluster.machines import machines
        from smart_router.cluster.schema import schema_version

        with connected() as (_, db):
            version = schema_version(db)
            found = machines(db) if version else []
    except (click.ClickException, ModuleNotFoundError) as error:
        missing = isinstance(error, ModuleNotFoundError)
        says = "its database's client is missing" if missing else str(error)
        yield Finding(ERROR, says, "pip install 'smart-router[cluster]'" if missing else "")
        return
    if not version:
        yield Finding(WARNING, "its database has no tables yet", "run smart-router cluster join")
        return
    there = ", ".join(f"{one['name']} ({one['state']})" for one in found)
    yield Finding(OK, f"its database answers, tables of version {version}, machines: {there or 'none'}")
    if wrong := unlike_key(settings, found):
        yield Finding(WARNING, wrong, "set the same keys on every machine: smart-router cluster key")


def port(here: Surroundings) -> Iterator[Finding]:
    """The port: free, or a router's."""
    if health := health_of(LOOPBACK, here.port):
        yield Finding(OK, f"a router {health['version']} runs at {LOOPBACK}:{here.port}: {health['status']}")
        return
    try:
        free_port(here.port)
    except RouterStartError as error:
        yield Finding(ERROR, str(error).partition(";")[0], "end the program there, or start with --port")
    else:
        yield Finding(OK, f"{here.port} is free")


def mitmproxy_version(here: Surroundings) -> Iterator[Finding]:
    """The version of mitmproxy: whether the fast path was tested with it."""
    from mitmproxy.version import VERSION

    from smart_router.proxy.fast.switch import TESTED

    if VERSION in TESTED:
        yield Finding(OK, f"mitmproxy {VERSION} is known")
    else:
        do = f"it works, without the fast path; the known ones are {', '.join(sorted(TESTED))}"
        yield Finding(WARNING, f"mitmproxy {VERSION} is not known", do)


def authority(here: Surroundings) -> Iterator[Finding]:
    """mitmproxy's CA, for tools with fixed endpoints: whether programs trust it."""
    confdir = Path(CONFDIR).expanduser()
    if not (confdir / CA_FILE).is_file():
        yield Finding(OK, f"no {confdir / CA_FILE} yet; mitmproxy makes it, for tools with fixed endpoints")
        return
    for name, why in refusals(here.programs, confdir):
        if why is None:
            yield Finding(OK, f"{name} trusts it")
        else:
            do = 'for tools with fixed endpoints: eval "$(smart-router env)", see certs/README.md'
            yield Finding(WARNING, f"{name} does not trust it", do)
