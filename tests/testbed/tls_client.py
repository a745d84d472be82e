"""A client of HTTP/1.1 over TLS by hand, which can close one direction: asyncio's own TLS cannot."""

from __future__ import annotations

import asyncio
import contextlib
import ssl
from typing import Self

from tests.testbed.harness import Router
from tests.testbed.raw_client import RawClient


class TlsClient(RawClient):
    """A `RawClient` whose bytes are encrypted."""

    _said_goodbye = False

    def __init__(self, router: Router) -> None:
        super().__init__(router)
        trust = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
        trust.load_verify_locations(router.ca_file)
        self._received, self._unsent = ssl.MemoryBIO(), ssl.MemoryBIO()
        self._tls = trust.wrap_bio(self._received, self._unsent, server_hostname="127.0.0.1")

    async def __aenter__(self) -> Self:
        await super().__aenter__()
        self._encrypted, self.reader = self.reader, asyncio.StreamReader()
        while True:
            try:
                self._tls.do_handshake()
                break
            except ssl.SSLWantReadError:
                self._flush()
                self._received.write(await self._encrypted.read(65536))
        self._flush()
        self._reading = asyncio.create_task(self._read())
        return self

    async def __aexit__(self, *exc: object) -> None:
        await super().__aexit__(*exc)
        self._reading.cancel()

    def send(self, *data: bytes) -> None:
        self._tls.write(b"".join(data))
        self._flush()

    def half_close(self) -> None:
        self._say_goodbye()
        super().half_close()

    def leave(self, *, reset: bool = False) -> None:
        if not self._said_goodbye:
            self._say_goodbye()
        super().leave(reset=reset)

    def _say_goodbye(self) -> None:
        self._said_goodbye = True
        with contextlib.suppress(ssl.SSLError):  # that the peer has not answered
            self._tls.unwrap()
        self._flush()

    def _flush(self) -> None:
        self.writer.write(self._unsent.read())

    async def _read(self) -> None:
        with contextlib.suppress(OSError):
            while data := await self._encrypted.read(65536):
                self._received.write(data)
                with contextlib.suppress(ssl.SSLError):
                    while plain := self._tls.read(65536):
                        self.reader.feed_data(plain)
        self.reader.feed_eof()
