"""The web server on this machine to which the browser is redirected at the end of a login."""

from __future__ import annotations

import http.server
import queue
import secrets
import socket
import threading
from collections.abc import Iterable, Iterator
from contextlib import closing, contextmanager, suppress
from urllib.parse import parse_qs, urlsplit

from pydantic import SecretStr

from smart_router.auth.logins.steps import LoginError

Outcome = SecretStr | LoginError

_PAGE = """<!doctype html><meta charset="utf-8"><title>Smart Router</title>
<body style="font: 1.1rem system-ui; margin: 15vh auto; max-width: 30rem"><h1>Smart Router</h1><p>{}</p>"""

_LONGEST_QUERY = 8192


def read_callback(target: str, path: str, state: str) -> Outcome | None:
    """The redirect's result: the code, or the reason why there is none. None for a visit that does not belong
    to this login: it neither ends the login nor logs anybody in."""
    visited, _, parameters = target.partition("?")
    query = parse_qs(parameters[:_LONGEST_QUERY])

    def one(name: str) -> str:
        return query.get(name, [""])[0]

    # compared as bytes: compare_digest takes no text beyond ASCII
    if visited != path or not secrets.compare_digest(one("state").encode(), state.encode()):
        return None
    if code := one("code"):
        return SecretStr(code)
    denied = one("error") == "access_denied"
    return LoginError("the login was denied" if denied else "the browser came back without a code")


class Loopback:
    """Listens for the browser that brings `state`, at `redirect_uri`; port 0 stands for any free one."""

    def __init__(self, redirect_uri: str, state: str) -> None:
        url = urlsplit(redirect_uri)
        self._path, self._state = url.path, state
        self._outcomes: queue.SimpleQueue[Outcome] = queue.SimpleQueue()
        first = _Server(socket.AF_INET, ("127.0.0.1", url.port or 0), self)
        self._servers, port = [first], first.server_port
        with suppress(OSError):  # machines without IPv6; to some browsers localhost is ::1
            self._servers.append(_Server(socket.AF_INET6, ("::1", port), self))
        self.redirect_uri = f"http://{url.hostname}:{port}{url.path}"
        for server in self._servers:
            threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.1}, daemon=True).start()

    def outcome(self, within: float) -> Outcome | None:
        """Return the redirect's result, None if none came within this many seconds."""
        with suppress(queue.Empty):
            return self._outcomes.get(timeout=within)
        return None

    def close(self) -> None:
        """Stop listening."""
        for server in self._servers:
            server.shutdown()
            server.server_close()

    def visit(self, target: str) -> tuple[int, str]:
        """Handle a visit; return the status and the sentence that the user reads."""
        outcome = read_callback(target, self._path, self._state)
        if outcome is None:
            return 400, "This page belongs to no login that is waiting. Start again from the terminal."
        self._outcomes.put(outcome)
        if isinstance(outcome, LoginError):
            return 400, "The login did not succeed. The terminal says why."
        return 200, "You are logged in, if the terminal agrees. You can close this page."


class _Server(http.server.ThreadingHTTPServer):
    def __init__(self, family: socket.AddressFamily, address: tuple[str, int], loopback: Loopback) -> None:
        self.address_family = family
        self.loopback = loopback
        super().__init__(address, _Visit)

    def handle_error(self, request: object, client_address: object) -> None:
        """Print nothing: browsers may hang up at any time."""


class _Visit(http.server.BaseHTTPRequestHandler):
    server: _Server
    timeout = 5.0

    def do_GET(self) -> None:
        status, sentence = self.server.loopback.visit(self.path)
        page = _PAGE.format(sentence).encode()
        self.send_response(status)
        self.send_header("content-type", "text/html; charset=utf-8")
        self.send_header("content-length", str(len(page)))
        self.send_header("referrer-policy", "no-referrer")
        self.end_headers()
        self.wfile.write(page)

    def log_message(self, format: str, *args: object) -> None:
        """Print nothing: the path contains the code."""


@contextmanager
def listen(redirect_uris: Iterable[str], state: str) -> Iterator[Loopback]:
    """A Loopback for the state, at the first of the URLs whose port is free. Raises LoginError if none is."""
    ports = []
    for redirect_uri in redirect_uris:
        try:
            loopback = Loopback(redirect_uri, state)
        except OSError:
            ports.append(str(urlsplit(redirect_uri).port))
            continue
        with closing(loopback):
            yield loopback
        return
    busy = ", ".join(ports)
    raise LoginError(f"port {busy} is in use, perhaps by another login: the browser cannot return there")
