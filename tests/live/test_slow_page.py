"""A page that does not read: the router stops adding to what waits for it, and goes on once it reads."""

from __future__ import annotations

import socket
import ssl
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path

from h2.config import H2Configuration
from h2.connection import H2Connection
from h2.events import DataReceived
from h2.settings import SettingCodes, Settings

from smart_router.stats.database import StatsDatabase
from tests.live.reading import Page
from tests.stats.records import decision, request
from tests.testbed.harness import Router

TELLS = """
import logging
from smart_router.live.feed import Viewer

def load(loader, take=Viewer.take):
    def told(self, now, unsent):
        data = take(self, now, unsent)
        logging.info("page holds %d, gets %d", unsent, len(data or b""))
        return data

    Viewer.take = told
"""
"""Logs each look for a page's news."""

PATIENCE = 15.0


class Slow:
    """A client over HTTP/2 that gives the answer no window until it is told to."""

    def __init__(self, router: Router) -> None:
        context = ssl.create_default_context(cafile=str(router.ca_file))
        context.set_alpn_protocols(["h2"])
        plain = socket.create_connection(("127.0.0.1", router.port))
        self.socket = context.wrap_socket(plain, server_hostname="127.0.0.1")
        self.socket.settimeout(PATIENCE)
        self._http2 = H2Connection(H2Configuration(client_side=True))
        self._http2.local_settings = Settings(True, {SettingCodes.INITIAL_WINDOW_SIZE: 0})
        self._http2.initiate_connection()
        where = [
            (":method", "GET"),
            (":path", "/router/events"),
            (":scheme", "https"),
            (":authority", "localhost"),
        ]
        self._http2.send_headers(1, where, end_stream=True)
        self.socket.sendall(self._http2.data_to_send())

    def open_window(self) -> None:
        """Let the answer come."""
        for stream in (1, None):
            self._http2.increment_flow_control_window(1 << 24, stream)
        self.socket.sendall(self._http2.data_to_send())

    def read(self) -> bytes:
        """More of the answer."""
        data = b""
        while not data:
            for event in self._http2.receive_data(self.socket.recv(65536)):
                data += event.data if isinstance(event, DataReceived) else b""
        return data


@contextmanager
def watching(router: Router) -> Iterator[Slow]:
    slow = Slow(router)
    with slow.socket:
        yield slow


def end(router: Router, name: str) -> None:
    """Let a hundred requests end whose rows are long."""
    database = StatsDatabase(router.state_folder, "another")
    told = replace(decision(), why="w" * 600)
    rows = [request(id=f"{name}-{number}", decision=told, time=time.time()) for number in range(100)]
    database.write(rows, len(rows), 0)
    database.close()


def test_nothing_is_added_to_what_a_page_has_not_read(tmp_path: Path, fast_path: str) -> None:
    script = tmp_path / "tells.py"
    script.write_text(TELLS)
    router = Router(tmp_path / "router", options={"router_fast_path": fast_path}, args=["-s", str(script)])
    with router:
        end(router, "first")
        with watching(router) as slow:
            router.wait_for_log(r"page holds 0, gets \d{5}")
            end(router, "second")
            router.wait_for_log(r"(page holds \d{5}, gets 0\n[^\n]*){3}")
            slow.open_window()
            page = Page()
            while not page.state or page.state["recent"][0]["id"] != "second-99":
                page.take(slow.read())
    assert page.names[0] == "snapshot"
    assert [row["id"] for row in page.state["recent"]] == [f"second-{number}" for number in range(99, -1, -1)]
