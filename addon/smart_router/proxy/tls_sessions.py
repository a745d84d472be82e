"""TLS sessions of providers, offered again at their next connection.

mitmproxy makes a full handshake for each. A provider that takes the session up sends no certificate, and
none has to be checked.
"""

from __future__ import annotations

from weakref import WeakValueDictionary

from mitmproxy.connection import Server
from mitmproxy.tls import TlsData
from OpenSSL import SSL

MOST = 100
"""How many providers' sessions are kept."""

Key = tuple[object, ...]


class TlsSessions:
    """Sessions by where they were made and under which rules: a session made where no certificate is checked
    is of no use where one is.
    """

    def __init__(self, most: int = MOST) -> None:
        self._most = most
        self._kept: dict[Key, SSL.Session] = {}
        self._new: WeakValueDictionary[str, SSL.Connection] = WeakValueDictionary()

    def __len__(self) -> int:
        return len(self._kept)

    def offer(self, data: TlsData) -> None:
        """A handshake with a server is about to begin: offer it the last session."""
        if data.ssl_conn is None or data.is_dtls or not isinstance(data.conn, Server):
            return
        if session := self._kept.get(_key(data.conn, data.ssl_conn)):
            data.ssl_conn.set_session(session)
        self._new[data.conn.id] = data.ssl_conn

    def keep(self, server: Server) -> None:
        """The server has answered: keep the connection's session. In TLS 1.3 it comes after the handshake."""
        connection = self._new.pop(server.id, None)
        if connection is None or (session := connection.get_session()) is None:
            return
        key = _key(server, connection)
        self._kept.pop(key, None)
        self._kept[key] = session
        if len(self._kept) > self._most:
            del self._kept[next(iter(self._kept))]


def _key(server: Server, connection: SSL.Connection) -> Key:
    return server.address, server.sni, tuple(server.alpn_offers), connection.get_context()
