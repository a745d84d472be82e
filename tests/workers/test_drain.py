"""Client connections that a draining worker may close."""

from __future__ import annotations

import pytest
from mitmproxy.proxy import layer
from mitmproxy.proxy.context import Context
from mitmproxy.proxy.layers import ClientTLSLayer, TCPLayer
from mitmproxy.proxy.layers.http import HttpLayer, HTTPMode, HttpStream
from mitmproxy.proxy.layers.modes import ReverseProxy
from mitmproxy.test import taddons
from mitmproxy.test.tflow import tclient_conn

from smart_router.workers.drain import is_busy


@pytest.fixture
def context() -> Context:
    with taddons.context() as mitmproxy:
        return Context(tclient_conn(), mitmproxy.options)


def undecided(context: Context) -> layer.NextLayer:
    return layer.NextLayer(context)


def with_stream(context: Context, child: layer.Layer | None = None) -> HttpLayer:
    http = HttpLayer(context, HTTPMode.regular)
    http.streams[1] = HttpStream(context, 1)
    http.streams[1].child_layer = child
    return http


def below(context: Context, child: layer.Layer) -> ReverseProxy:
    """Return the layers of a TLS connection in reverse mode."""
    top, tls, decided = ReverseProxy(context), ClientTLSLayer(context), undecided(context)
    top.child_layer, tls.child_layer, decided.layer = tls, decided, child
    return top


def test_new_connection_is_busy(context: Context) -> None:
    assert not is_busy(undecided(context))
    assert not is_busy(below(context, undecided(context)))


def test_http_is_busy_during_a_request(context: Context) -> None:
    assert not is_busy(below(context, HttpLayer(context, HTTPMode.regular)))
    assert is_busy(below(context, with_stream(context)))


def test_tunnel_is_busy_if_its_content_is(context: Context) -> None:
    assert not is_busy(with_stream(context, HttpLayer(context, HTTPMode.transparent)))
    assert is_busy(with_stream(context, with_stream(context)))
    assert is_busy(with_stream(context, TCPLayer(context)))


def test_other_protocols_are_busy(context: Context) -> None:
    assert is_busy(below(context, TCPLayer(context)))
