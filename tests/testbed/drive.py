"""Driving mitmproxy's layers in-process: events in, commands out, and the replies that they wait for."""

from __future__ import annotations

import functools
from collections.abc import Callable, Mapping
from typing import Any

from mitmproxy import http, options
from mitmproxy.addons.proxyserver import Proxyserver
from mitmproxy.connection import Client, Connection, ConnectionState, Server
from mitmproxy.proxy import commands, events, layer
from mitmproxy.proxy.context import Context
from mitmproxy.proxy.layers.http import HttpLayer, HTTPMode
from mitmproxy.proxy.mode_specs import ProxyMode
from mitmproxy.test import taddons

Handlers = Mapping[str, Callable[[Any], None]]
"""The handlers of addons, by the hook's name."""

REQUEST = b"POST /v1/chat/completions HTTP/1.1\r\nHost: x\r\nContent-Length: 2\r\n\r\n{}"
RESPONSE = b"HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\nok"


@functools.cache
def make_options() -> options.Options:
    """mitmproxy's options with the defaults of a proxy, made once: it takes longer than most tests."""
    with taddons.context(Proxyserver()) as context:
        made: options.Options = context.options
    made.update(connection_strategy="lazy")
    return made


def make_context(alpn: bytes | None = None) -> Context:
    """A client in reverse mode, and its nominal upstream, which is not connected."""
    client = Client(
        peername=("127.0.0.1", 5000),
        sockname=("127.0.0.1", 8080),
        proxy_mode=ProxyMode.parse("reverse:http://nominal.invalid:80"),
        state=ConnectionState.OPEN,
        timestamp_start=0.0,
    )
    client.alpn = alpn
    context = Context(client, make_options())
    context.server = Server(address=("nominal.invalid", 80))
    return context


class Drive:
    """A layer under test. Hooks are answered at once, by `handlers`; connections open unless `hold` or
    `refuse` says otherwise. The resulting commands are in `commands`, oldest first.
    """

    def __init__(
        self,
        top: layer.Layer,
        handlers: Handlers | None = None,
        *,
        hold: bool = False,
        refuse: str | None = None,
    ) -> None:
        self.top = top
        self.commands: list[commands.Command] = []
        self._handlers = handlers or {}
        self._hold = hold
        self._refuse = refuse

    def __call__(self, event: events.Event) -> list[commands.Command]:
        """Send an event; return the resulting commands, also of the replies to hooks and dials."""
        before = len(self.commands)
        for command in list(self.top.handle_event(event)):
            self.commands.append(command)
            if isinstance(command, commands.CloseConnection):
                command.connection.state = ConnectionState.CLOSED
            elif reply := self._reply(command):
                self(reply)
        return self.commands[before:]

    def _reply(self, command: commands.Command) -> events.Event | None:
        if isinstance(command, commands.StartHook):
            if handler := self._handlers.get(command.name):
                handler(*command.args())
            return events.HookCompleted(command)
        if isinstance(command, commands.OpenConnection) and not self._hold:
            command.connection.error = self._refuse
            if self._refuse is None:
                command.connection.state = ConnectionState.OPEN
            return events.OpenConnectionCompleted(command, self._refuse)
        return None

    def all(self, kind: type[commands.Command]) -> list[Any]:
        """The commands of a kind so far."""
        return [command for command in self.commands if isinstance(command, kind)]

    @property
    def hooks(self) -> list[str]:
        """The names of the hooks so far."""
        return [command.name for command in self.all(commands.StartHook)]

    def sent(self, connection: Connection) -> bytes:
        """The bytes sent to a connection so far."""
        return b"".join(one.data for one in self.all(commands.SendData) if one.connection is connection)


def http_layer(**kwargs: Any) -> Drive:
    """An HttpLayer with an HTTP/1.1 client, started."""
    drive = Drive(HttpLayer(make_context(), HTTPMode.transparent), **kwargs)
    drive(events.Start())
    return drive


def asked(**kwargs: Any) -> Drive:
    """The same, and its client has sent a request."""
    drive = http_layer(**kwargs)
    drive(events.DataReceived(drive.top.context.client, REQUEST))
    return drive


def upstream(drive: Drive) -> Server:
    """The server that was dialled last."""
    found = drive.all(commands.OpenConnection)[-1].connection
    assert isinstance(found, Server)
    return found


def request(http_version: str = "HTTP/1.1") -> http.Request:
    made = http.Request.make("POST", "http://provider.invalid/v1", b"{}")
    made.http_version = http_version
    made.authority = "provider.invalid"
    return made
