"""Methods of mitmproxy and h2 that proxy/ replaces, and internals that it relies upon; see test_layers.py."""

from __future__ import annotations

import asyncio
import hashlib
import inspect
from collections import deque
from typing import Any

import pytest
from h2.connection import H2Connection
from hyperframe.frame import GoAwayFrame
from mitmproxy.proxy import commands, events, layer
from mitmproxy.proxy.layers.http import (
    GetHttpConnection,
    HttpClient,
    HttpLayer,
    HttpStream,
    _http1,
    validate_request,
)
from mitmproxy.proxy.layers.http._http1 import Http1Client, Http1Connection, Http1Server
from mitmproxy.proxy.layers.http._http2 import Http2Client, Http2Connection
from mitmproxy.proxy.server import ConnectionHandler

from smart_router.proxy.fast.streams import Defer, DeferCompleted
from tests.testbed.drive import asked, upstream

COPIED: dict[Any, str | tuple[str, ...]] = {
    ConnectionHandler.server_event: "a2b42657ebe8bf6de9b9064d7b3dde24",
    ConnectionHandler.drain_writers: "6b57434604561e3e9b58146e7e4fb0d1",
    ConnectionHandler.handle_connection: "95c3f93e9824e527cd3c1af9656c0e04",
    HttpLayer.event_to_child: "1095f6e1581d1780afd5e87446b11eee",
    layer.Layer.handle_event: "fd88b0fb09ceddbb1915fe0d588c206e",
    HttpStream.state_wait_for_request_headers: "3706d5d5ce01dcd40c06346dfecdc13d",
    HttpStream.state_consume_request_body: "45459c1bbd8bdb1ac31251376aea71cf",
    HttpStream.send_response: "d581bc106152e3697ccdcad192fe60ba",
    HttpStream._handle_event: "e3cbfef7310ae81ffa7ed7ecba57f932",
    HttpStream.state_wait_for_response_headers: "10e32e91b294816432efae8d1f68c784",
    HttpStream.state_consume_response_body: "5323db61dfc7e2e15034f921ded45d2a",
    HttpStream.check_invalid: "ef0a126eef45d90335636512729510ff",
    GetHttpConnection.connection_spec_matches: "d1c7cdec843ece5ffc10877b42a42d59",
    validate_request: "e7cec257ce91b7c58f5a7723d9cce1b8",
    HttpStream.flow_done: "ad9969744785c572bf38b70c92694695",
    HttpStream.make_server_connection: "ddc7bc72f4d2fbc7d7be17c31ab32103",
    HttpLayer._handle_event: "6ba31883cc7a06b3c6e0c69dc231ae54",
    HttpLayer.get_connection: "1aa1c63e3175766c1a2340e2b763423c",
    Http1Server.read_headers: "3fe0945216bcf7bc505e296e44dd3390",
    Http1Server.send: "cc218a1337c0f5cfba087b270eab789e",
    Http1Client.read_headers: "415454c5fa8b598177bdf456581a30f5",
    Http1Client.send: "35d961e20d4812046b21ccbb4e616b38",
    Http1Connection.read_body: "aece271029af36e4b7eaf84aa17ddcf4",
    Http1Connection._handle_event: "2ac8db3e43ae743fd21f78709327091f",
    Http1Connection.mark_done: "dc5ed395ce4f07634f7a4dcd710d8130",
    Http1Connection.wait: "c99d0494a840a2b6178a2f9c526b87c3",
    Http1Server.mark_done: "94fd7ea388c8867119b849206ae19932",
    HttpLayer.make_stream: "654959c6e74548e14d3e0419c3c7bb06",
    HttpLayer.register_connection: "deed6282affc431f64a88b4b6bf181c6",
    HttpStream.check_killed: "368cad352d1e82b6907688a0d3196d2e",
    HttpStream.check_body_size: "236ca0a7b9fd4f69a1f75cf6026a5f9c",
    HttpStream.state_stream_response_body: "3fb6320300d3ddd5569cfe3c04720b33",
    Http2Connection.handle_h2_event: "f6b6a52b125481023258ba6169612b28",
    # the releases in our range differ in a comment
    Http2Connection._handle_event: ("a7f4a7a71d31074b8c8d0106114bdf8b", "7fc814a8a507f234678605fecaf0c03f"),
    Http2Client._handle_event2: "a3b722b18c3f46fa81dd5de6d6aa37fa",
    # 4.3 and 4.4 word the same expression differently
    H2Connection._receive_goaway_frame: (
        "de018f94938e1001aba69f172c473f7a",
        "adb9adfae94088c4b3a59114e4e0ce2d",
    ),
    _http1.make_body_reader: "9b076acda459637bde527694ba13bd72",
}
"""mitmproxy's methods whose work the router does without calling them, or whose result it assumes, with the
beginnings of their sources' digests. Ours are in proxy/fast/ `layer.py` (`event_to_child`, `make_stream`,
`_forward_chunk`, `_open_connection`), `streams.py` (`_run`, `send_complete`, `begin`, `_read`,
`check_killed`), `attempt_stream.py` (`_begin`, `_take`), `http1.py` (`read_headers`, `mark_done`,
`_send_whole`) and `reader.py` (`_handle`), and in proxy/ itself `layer.py` (`make_stream`),
`attempt_stream.py` (`check_body_size`) and `fixes/` (`http1_bounds.py`, `http2_bounds.py`, `http2_goaway.py`
with a method of h2, `close_connections.py`).
"""


@pytest.mark.parametrize("method", COPIED, ids=lambda method: method.__qualname__)
def test_copied_methods_are_unchanged(method: Any) -> None:
    """If one has changed: compare the change with our code, then update the digest."""
    source = inspect.getsource(inspect.unwrap(method))
    assert hashlib.sha256(source.encode()).hexdigest().startswith(COPIED[method])


def test_h2_looks_up_what_reads_a_frame() -> None:
    """`LeavingHttp2Client` replaces this entry with a method of its own."""
    connection = H2Connection()
    assert connection._frame_dispatch_table[GoAwayFrame] == connection._receive_goaway_frame


def test_an_http1_connection_waits_for_nothing() -> None:
    """FastHttp1 passes its commands on without a check for blocking ones."""
    source = inspect.getsource(_http1)
    waited_for = [name for name, one in vars(commands).items() if getattr(one, "blocking", False) is True]
    assert "OpenConnection" in waited_for
    assert not [name for name in (*waited_for, "Hook", "GetHttpConnection") if name in source]


def test_open_connection_is_its_innermost_layer() -> None:
    """`register_connection` in fast/layer.py replaces the outer layer, which only passes events on."""
    drive = asked()
    top = drive.top
    assert isinstance(top, HttpLayer)
    dialled = top.connections[upstream(drive)]
    assert type(dialled) is HttpClient
    assert type(dialled.child_layer) is Http1Client
    assert dialled._handle_event == dialled.child_layer.handle_event


def test_a_paused_layer_is_released_by_what_it_waits_for() -> None:
    """`FastStream.defer` holds events back in this way, with a command that it never yields."""
    drive = asked(hold=True)
    top = drive.top
    assert isinstance(top, HttpLayer)
    stream = HttpStream(top.context.fork(), 5)
    waited_for = Defer()
    stream._paused = layer.Paused(waited_for, (one for one in ()))
    assert list(stream.handle_event(events.Start())) == []
    assert stream.client_state == stream.state_uninitialized
    assert list(stream.handle_event(DeferCompleted(waited_for))) == []
    assert stream.client_state == stream.state_wait_for_request_headers


async def test_a_lock_is_its_two_attributes() -> None:
    """reader.py takes the handler's lock through them, and keeps the waiting tasks."""
    lock: Any = asyncio.Lock()
    lock._locked = True
    assert lock.locked() and not lock._waiters
    waiting = asyncio.create_task(lock.acquire())
    await asyncio.sleep(0)
    assert len(lock._waiters) == 1
    lock._waiters = deque(lock._waiters)
    lock.release()
    assert await waiting
    assert lock.locked() and not lock._waiters
