"""`smart-router doctor`: checks what a router needs here, and says what to do about each finding."""

from __future__ import annotations

import os
import shutil
from collections.abc import Callable, Iterator, Mapping

import click

from smart_router.cli import findings
from smart_router.cli.common import DEFAULT_PORT, PORT, as_json, print_json
from smart_router.cli.findings import ERROR, OK, WARNING, Finding, Surroundings

_COLOURS = {OK: "green", WARNING: "yellow", ERROR: "red"}

CHECKS: Mapping[str, Callable[[Surroundings], Iterator[Finding]]] = {
    "config": findings.config_file,
    "keys": findings.keys,
    "logins": findings.logins,
    "providers": findings.providers,
    "clock": findings.clock,
    "state": findings.state_folder,
    "cluster": findings.cluster,
    "port": findings.port,
    "mitmproxy": findings.mitmproxy_version,
    "ca": findings.authority,
}
"""In the order in which they are made; each may use what an earlier one found."""


@click.command()
@click.option("--port", type=PORT, default=DEFAULT_PORT, show_default=True, help="The router's port.")
@click.option("--offline", is_flag=True, help="Ask no provider.")
@as_json
def doctor(port: int, offline: bool, as_json: bool) -> None:
    """Check config, keys, logins, providers, clock, state folder, cluster, port, mitmproxy and CA.

    Each line says what to do. No key is sent anywhere. Exit code 1 if something is wrong, 0 for warnings.
    """
    surroundings = Surroundings(
        os.environ, port, offline, [name for name in ("python3", "node", "curl") if shutil.which(name)]
    )
    found: list[tuple[str, Finding]] = []
    for name, check in CHECKS.items():
        for finding in check(surroundings):
            found.append((name, finding))
            if not as_json:
                click.echo(_line(name, finding))
    if as_json:
        print_json([{"check": name, **finding._asdict()} for name, finding in found])
    if any(finding.status == ERROR for _, finding in found):
        raise SystemExit(1)


def _line(name: str, finding: Finding) -> str:
    status = click.style(f"{finding.status:<7}", fg=_COLOURS[finding.status])
    return f"{status}  {name}: {finding.says}" + (f"; {finding.do}" if finding.do else "")
