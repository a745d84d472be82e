"""Messages received at once pass the streams in one step: the outcome is that of mitmproxy's own layer."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from mitmproxy import http
from mitmproxy.proxy import commands, events
from mitmproxy.proxy.layers.http import HttpLayer, HTTPMode
from mitmproxy.proxy.mode_specs import ProxyMode

from smart_router.proxy.claims import Claims
from smart_router.proxy.fast.layer import FastRoutedLayer
from smart_router.proxy.fast.streams import Shortcuts
from tests.testbed.drive import REQUEST, RESPONSE, Drive, make_context, make_options, upstream

Change = Callable[[http.HTTPFlow], None]


class Addon:
    """Changes flows at one hook and notes each hook with the flow as it is then."""

    def __init__(self, at: str = "", change: Change | None = None) -> None:
        self.seen: list[Any] = []
        self._at = at
        self._change = change

    def __call__(self, hook: commands.StartHook, own: bool = False) -> bool:
        flow = hook.args()[0]
        self.seen.append((hook.name, *(_without_times(one) for one in (flow.request, flow.response) if one)))
        if hook.name == self._at and self._change:
            self._change(flow)
        return True


def _without_times(message: http.Message) -> dict[str, Any]:
    state = message.get_state()
    return {name: value for name, value in state.items() if "timestamp" not in name}


def drive(addon: Addon, *, fast: bool, mode: str, spec: str, keep_host: bool) -> Drive:
    context = make_context()
    context.client.proxy_mode = ProxyMode.parse(spec)
    context.options = make_options()
    context.options.update(keep_host_header=keep_host)
    top = HttpLayer(context, HTTPMode[mode])
    if fast:
        top.__class__ = FastRoutedLayer
        assert isinstance(top, FastRoutedLayer)
        top.set_up(Claims(1_000), None)
        top.shortcuts = Shortcuts(addon, bodies_limited=False, streams_stored=False, hosts_kept=keep_host)
    names = ("requestheaders", "request", "responseheaders", "response", "error")
    handlers = {} if fast else {name: lambda flow, name=name: addon(_Hook(name, flow)) for name in names}
    driven = Drive(top, handlers)
    driven(events.Start())
    return driven


class _Hook:
    def __init__(self, name: str, flow: http.HTTPFlow) -> None:
        self.name, self.flow = name, flow

    def args(self) -> list[Any]:
        return [self.flow]


def outcome(
    request: bytes,
    response: bytes,
    at: str,
    change: Change | None,
    *,
    fast: bool,
    mode: str = "transparent",
    spec: str = "reverse:http://nominal.invalid:80",
    keep_host: bool = False,
) -> dict[str, Any]:
    addon = Addon(at, change)
    driven = drive(addon, fast=fast, mode=mode, spec=spec, keep_host=keep_host)
    client = driven.top.context.client
    driven(events.DataReceived(client, request))
    dialled = driven.all(commands.OpenConnection)
    if dialled and upstream(driven).connected:
        driven(events.DataReceived(upstream(driven), response))
    return {
        "client": driven.sent(client),
        "server": driven.sent(upstream(driven)) if dialled else None,
        "hooks": addon.seen,
        "closed": [one.connection is client for one in driven.all(commands.CloseConnection)],
    }


def answer(flow: http.HTTPFlow) -> None:
    flow.response = http.Response.make(203, b"own", {"a": "b"})


def stream_request(flow: http.HTTPFlow) -> None:
    flow.request.stream = True


def stream_response(flow: http.HTTPFlow) -> None:
    assert flow.response
    flow.response.stream = lambda data: data.upper()


def rewrite_request(flow: http.HTTPFlow) -> None:
    flow.request.content = b"longer than before"
    flow.request.headers["added"] = "yes"


def rewrite_response(flow: http.HTTPFlow) -> None:
    assert flow.response
    flow.response.content = b"another"
    flow.response.headers["added"] = "yes"


def other_response(flow: http.HTTPFlow) -> None:
    flow.response = http.Response.make(202, b"", {"content-length": "2"})


CHANGES: list[tuple[str, Change | None]] = [
    ("", None),
    *((at, http.HTTPFlow.kill) for at in ("requestheaders", "request", "responseheaders", "response")),
    ("requestheaders", stream_request),
    ("requestheaders", rewrite_request),
    ("request", rewrite_request),
    ("request", answer),
    ("responseheaders", stream_response),
    ("responseheaders", other_response),
    ("response", rewrite_response),
]

HEADS = {
    "plain": b"",
    "kept alive": b"Connection: keep-alive\r\n",
    "last": b"Connection: Close\r\n",
    "expecting": b"Expect: 100-continue\r\n",
    "two hosts": b"hOST: another\r\n",
    "invalid": b"bad name: x\r\n",
    "chunked too": b"transfer-encoding: chunked\r\n",
}


@pytest.mark.parametrize(("at", "change"), CHANGES)
def test_addons_see_and_change_the_same(at: str, change: Change | None) -> None:
    both = [outcome(REQUEST, RESPONSE, at, change, fast=fast) for fast in (False, True)]
    assert both[0] == both[1]


@pytest.mark.parametrize("more", HEADS.values(), ids=HEADS)
@pytest.mark.parametrize("side", ["request", "response"])
def test_heads_lead_to_the_same(side: str, more: bytes) -> None:
    request, response = REQUEST, RESPONSE
    if side == "request":
        request = request.replace(b"Host: x\r\n", b"Host: x\r\n" + more)
    else:
        response = response.replace(b"200 OK\r\n", b"200 OK\r\n" + more)
    both = [outcome(request, response, "", None, fast=fast) for fast in (False, True)]
    assert both[0] == both[1]


@pytest.mark.parametrize("line", [b"GET / HTTP/1.0", b"POST http://other:81/x HTTP/1.1", b"POST / HTTP/2.0"])
def test_request_lines_lead_to_the_same(line: bytes) -> None:
    request = REQUEST.replace(b"POST /v1/chat/completions HTTP/1.1", line)
    both = [outcome(request, RESPONSE, "", None, fast=fast) for fast in (False, True)]
    assert both[0] == both[1]


@pytest.mark.parametrize(
    ("mode", "spec", "keep_host"),
    [
        ("transparent", "reverse:https://nominal.invalid", True),
        ("transparent", "reverse:https://nominal.invalid:8443", False),
        ("transparent", "regular", False),
        ("regular", "regular", False),
    ],
)
def test_modes_lead_to_the_same_target(mode: str, spec: str, keep_host: bool) -> None:
    request = REQUEST.replace(b"POST /", b"POST http://nominal.invalid/") if mode == "regular" else REQUEST
    both = [
        outcome(request, RESPONSE, "", None, fast=fast, mode=mode, spec=spec, keep_host=keep_host)
        for fast in (False, True)
    ]
    assert both[0] == both[1]


def test_a_body_above_the_limit_is_not_kept() -> None:
    """`Claims` notes it for the claimed flow, and the `request` hook answers."""
    addon, body = Addon(), b"x" * 1_001
    driven = drive(
        addon, fast=True, mode="transparent", spec="reverse:http://nominal.invalid:80", keep_host=False
    )
    claims, client = driven.top.claims, driven.top.context.client  # type: ignore[attr-defined]
    addon._at, addon._change = "requestheaders", claims.add
    driven(events.DataReceived(client, b"POST /v1 HTTP/1.1\r\nContent-Length: 1001\r\n\r\n" + body))
    (claim,) = claims
    assert claim.too_large
    assert addon.seen[1][1]["content"] == b""
