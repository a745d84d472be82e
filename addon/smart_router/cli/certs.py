"""`smart-router certs check`: checks that an interpreter or a tool trusts mitmproxy's CA.

The program itself connects to a local server with a certificate of that CA; the TLS handshake tells.
"""

from __future__ import annotations

import contextlib
import shutil
import socketserver
import ssl
import subprocess
import tempfile
import threading
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import NamedTuple

import click

from smart_router.cli.env import confdir_option, find_ca

_LIMIT = 30.0
"""Time limit of a program in seconds."""


class CertificateCheck(NamedTuple):
    """A test of one trust store: `arguments` come before the URL, `what` names the store."""

    what: str
    arguments: tuple[str, ...]


_URLLIB = "import sys, urllib.request as r; r.build_opener(r.ProxyHandler({})).open(sys.argv[1])"
_HTTPX = """\
import sys
try:
    import httpx
except ImportError:
    sys.exit("httpx is not installed")
context = httpx.create_ssl_context()
httpx.Client(verify=context, mounts={"all://": None}).get(sys.argv[1])
"""
_NODE = "fetch(process.argv[1]).catch((error) => { console.error(error.cause ?? error); process.exit(1); })"

PROBES: Mapping[str, tuple[CertificateCheck, ...]] = {
    "python": (
        CertificateCheck("ssl", ("-c", _URLLIB)),
        CertificateCheck("httpx, as openai uses it", ("-c", _HTTPX)),
    ),
    "node": (CertificateCheck("fetch", ("-e", _NODE)),),
    "curl": (CertificateCheck("", ("--silent", "--show-error", "--noproxy", "*", "--output", "-")),),
    "wget": (CertificateCheck("", ("--no-verbose", "--no-proxy", "--output-document=-")),),
    "ruby": (CertificateCheck("open-uri", ("-ropen-uri", "-e", "URI.open(ARGV[0], proxy: nil).read")),),
}
"""By prefix of the program's name."""


@click.group()
def certs() -> None:
    """Check the CA that mitmproxy signs with, for tools with fixed endpoints. See certs/README.md."""


@certs.command()
@click.argument("programs", nargs=-1)
@confdir_option
def check(programs: tuple[str, ...], confdir: Path) -> None:
    """Check that PROGRAMS (python, node, curl, wget, ruby, or a path of one) trust the CA.

    Programs run with this shell's environment: run it after eval "$(smart-router env)". Without PROGRAMS,
    those on the PATH are checked. Exit code 1 if one does not trust the CA.
    """
    find_ca(confdir)
    asked = programs or tuple(name for name in PROBES if shutil.which(name))
    trusted = True
    for name, why in refusals(asked, confdir):
        trusted = trusted and why is None
        click.echo(f"{name}: {'trusts the CA' if why is None else f'does not: {why}'}")
    if not trusted:
        raise SystemExit(1)


def refusals(programs: Sequence[str], confdir: Path) -> Iterator[tuple[str, str | None]]:
    """Yield each program's trust store by name, and why it does not trust the CA, None if it does."""
    with _server(confdir.expanduser()) as url:
        for program in programs:
            for probe in _probes(program):
                name = f"{program} ({probe.what})" if probe.what else program
                yield name, _refusal([program, *probe.arguments, url])


def _probes(program: str) -> Sequence[CertificateCheck]:
    if shutil.which(program) is None:
        raise click.ClickException(f"{program} is not installed or not on the PATH")
    name = Path(program).name.lower()
    for known, probes in PROBES.items():
        if name.startswith(known):
            return probes
    raise click.ClickException(f"cannot check {program}: use one of {', '.join(PROBES)}")


def _refusal(command: Sequence[str]) -> str | None:
    """The program's own error message, None if it got the page."""
    try:
        done = subprocess.run(command, capture_output=True, text=True, timeout=_LIMIT, check=False)  # noqa: S603
    except subprocess.TimeoutExpired:
        return f"no answer within {_LIMIT:g} s"
    lines = [line.strip() for line in done.stderr.splitlines() if line.strip()]
    about_trust = [line for line in lines if "certificate" in line.lower()]
    return None if done.returncode == 0 else (about_trust or lines or ["it failed"])[-1]


@contextlib.contextmanager
def _server(confdir: Path) -> Iterator[str]:
    """Run an HTTPS server for localhost with a certificate of this folder's CA; yield its URL."""
    from cryptography import x509
    from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat
    from mitmproxy.certs import CertStore

    store = CertStore.from_store(str(confdir), "mitmproxy", 2048)
    entry = store.get_cert("localhost", [x509.DNSName("localhost")])
    secret = entry.privatekey.private_bytes(Encoding.PEM, PrivateFormat.TraditionalOpenSSL, NoEncryption())
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    with tempfile.TemporaryDirectory() as folder:  # the ssl module reads keys only from files
        key = Path(folder) / "key.pem"
        key.touch(0o600)
        key.write_bytes(secret + entry.cert.to_pem())
        context.load_cert_chain(key)

    class Handler(socketserver.BaseRequestHandler):
        def handle(self) -> None:
            with contextlib.suppress(OSError), context.wrap_socket(self.request, server_side=True) as wrapped:
                wrapped.recv(65536)
                wrapped.sendall(b"HTTP/1.1 200 OK\r\ncontent-length: 2\r\nconnection: close\r\n\r\nok")

    with socketserver.ThreadingTCPServer(("127.0.0.1", 0), Handler) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        try:
            yield f"https://localhost:{server.server_address[1]}/"
        finally:
            server.shutdown()
