"""TLS sessions of providers, offered again at the next connection.

mitmproxy makes a full handshake for each connection. A provider that resumes a session sends no certificate,
so none has to be checked.
"""

from __future__ import annotations

from weakref import WeakValueDictionary

from mitmproxy.connection import Server
from mitmproxy.tls import TlsData
from OpenSSL import SSL

MOST = 100
"""Number of sessions kept."""

Key = tuple[object, ...]


class TlsSessions:
    """Sessions by server and TLS context: a session made without checking the certificate must not be resumed
    where it is checked.
    """

    def __init__(self, most: int = MOST) -> None:
        self._most = most
        self._kept: dict[Key, SSL.Session] = {}
        self._new: WeakValueDictionary[str, SSL.Connection] = WeakValueDictionary()

    def __len__(self) -> int:
        return len(self._kept)

    def offer(self, data: TlsData) -> None:
        """Offer a server its last session, before the handshake."""
        if data.ssl_conn is None or data.is_dtls or not isinstance(data.conn, Server):
            return
        if session := self._kept.get(_key(data.conn, data.ssl_conn)):
            data.ssl_conn.set_session(session)
        self._new[data.conn.id] = data.ssl_conn

    def keep(self, server: Server) -> None:
        """Keep the session of a server that has answered. In TLS 1.3 it follows the handshake."""
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
