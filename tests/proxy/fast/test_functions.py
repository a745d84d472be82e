"""The replacements of mitmproxy's functions behave like the originals."""

from __future__ import annotations

import io
import uuid
from collections.abc import Callable, Mapping
from copy import copy
from dataclasses import dataclass
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from mitmproxy import connection, hooks, http, options, optmanager
from mitmproxy.proxy import commands
from mitmproxy.proxy.context import Context
from mitmproxy.proxy.layer import NextLayer
from mitmproxy.proxy.layers.http._hooks import HttpRequestHook
from mitmproxy.test.tflow import tflow

from smart_router.proxy.fast import functions

OWN: Mapping[str, Any] = {name: vars(owner).get(name) for owner, name, _ in functions.REPLACED}
"""mitmproxy's own functions."""

AUTHORITIES = st.one_of(
    st.from_regex(r"([a-z0-9.-]{1,20}|\[[0-9a-f:]{2,12}\])(:[0-9]{0,6})?", fullmatch=True),
    st.text(max_size=12),
    st.sampled_from(["[::1]:80", "a" * 301, "xn--bcher-kva.example", "bücher.example:443", ""]),
)
NAMES = st.sampled_from(["Accept", "accept", "ACCEPT", "set-cookie", "x-ü", "x"])
VALUES: list[Any] = ["", 1, 1.0, True, b"", None, http.Headers(), object(), io.StringIO(), ("a",), ["a"]]


def outcome(call: Callable[..., Any], *args: Any) -> Any:
    """Return the result of a call, or the type of its exception."""
    try:
        return call(*args)
    except (TypeError, ValueError) as error:
        return type(error)


@pytest.mark.parametrize("made", [http.Request.make("GET", "http://x/"), http.Response.make()], ids=str)
def test_types_are_checked_like_mitmproxy(made: http.Message) -> None:
    for name in vars(made.data):
        for value in VALUES:
            data = copy(made.data)
            setattr(data, name, value)
            for _ in range(2):  # anew, and remembered
                mine = outcome(functions.__post_init__, data)
                assert mine == outcome(OWN["__post_init__"], data), (name, value)


@pytest.mark.parametrize("default", [True, 1, 1.5, "x", None, ["a", "b"]], ids=str)
def test_options_are_read_like_mitmproxy(default: Any) -> None:
    option = optmanager._Option("name", object, default, "help", None)
    for value in (optmanager.unset, "set", ["c"]):
        option.value = value
        mine = functions.current(option)
        assert mine == OWN["current"](option)
        assert mine is not value or isinstance(value, str)  # nobody can change the option itself
    assert functions.current(option) is not option.value


@given(AUTHORITIES, st.booleans(), st.booleans())
def test_authorities_are_parsed_like_mitmproxy(authority: str, check: bool, as_bytes: bool) -> None:
    shown = authority.encode(errors="replace") if as_bytes else authority
    expected = outcome(OWN["parse_authority"], shown, check)
    for _ in range(2):  # anew, and remembered
        assert outcome(functions.parse_authority, shown, check) == expected


def test_remembered_authorities_are_bounded() -> None:
    for number in range(3 * functions.MOST_AUTHORITIES):
        functions.parse_authority(f"h{number}.example", True)
    functions.parse_authority("a" * (functions.LONGEST_AUTHORITY + 1), False)
    assert len(functions._authorities) <= functions.MOST_AUTHORITIES
    assert max(len(authority) for authority, _ in functions._authorities) <= functions.LONGEST_AUTHORITY


@given(st.lists(st.tuples(NAMES, st.binary(max_size=8))), NAMES, st.booleans())
def test_headers_are_found_like_mitmproxy(fields: list[tuple[str, bytes]], name: str, as_bytes: bool) -> None:
    headers = http.Headers([(key.encode(), value) for key, value in fields])
    asked = name.encode() if as_bytes else name
    assert functions.get_all(headers, asked) == OWN["get_all"](headers, asked)


@given(
    st.lists(st.tuples(NAMES, st.binary(max_size=8))),
    NAMES,
    st.lists(st.sampled_from(["a", b"b", "\xe4"]), max_size=3),
)
def test_headers_are_set_and_written_like_mitmproxy(
    fields: list[tuple[str, bytes]], name: str, values: list[str | bytes]
) -> None:
    mine, own = (http.Headers([(key.encode(), value) for key, value in fields]) for _ in range(2))
    functions.set_all(mine, name, values)
    OWN["set_all"](own, name, values)
    assert mine.fields == own.fields
    assert functions.__bytes__(mine) == OWN["__bytes__"](own)


HEADERS = st.lists(
    st.tuples(
        st.sampled_from(
            [b"Content-Length", b"content-length", b"Transfer-Encoding", b"host", b"bad name", b"x-a"]
        ),
        st.sampled_from([b"0", b"12", b"012", b"+1", b"chunked", b"gzip", b"identity", b"", b"1, 1"]),
    ),
    max_size=4,
)


@given(
    HEADERS,
    st.sampled_from(["GET", "POST", "head", "CONNECT"]),
    st.sampled_from([None, 101, 200, 204, 304, 404, 600]),
)
def test_lengths_and_headers_are_read_like_mitmproxy(
    fields: list[tuple[bytes, bytes]], method: str, status: int | None
) -> None:
    headers = http.Headers(fields)
    request = http.Request.make(method, "http://x/", headers=headers if status is None else ())
    message: http.Message = request
    response = None
    if status is not None:
        message = response = http.Response.make(status, b"", headers)
    message.headers = headers
    for _ in range(2):  # anew, and remembered
        mine = outcome(functions.expected_http_body_size, request, response)
        assert mine == outcome(OWN["expected_http_body_size"], request, response)
        assert outcome(functions.validate_headers, message) == outcome(OWN["validate_headers"], message)


@given(st.lists(st.tuples(NAMES, st.binary(max_size=8))), NAMES, st.booleans())
def test_headers_are_looked_up_like_mitmproxy(
    fields: list[tuple[str, bytes]], name: str, as_bytes: bool
) -> None:
    headers = http.Headers([(key.encode(), value) for key, value in fields])
    asked: Any = name.encode() if as_bytes else name
    assert functions.get(headers, asked) == Mapping.get(headers, asked)
    assert functions.get(headers, asked, "none") == Mapping.get(headers, asked, "none")
    assert functions.__contains__(headers, asked) == Mapping.__contains__(headers, asked)


@pytest.mark.parametrize(
    "given", [(), [], [(b"a", b"b")], [[b"a", b"b"]], [("a", b"b")], [(b"a", 1)], iter([(b"a", b"b")])]
)
@pytest.mark.parametrize("more", [{}, {"x_y": "z"}, {"a": b"c"}])
def test_headers_are_made_like_mitmproxy(given: Any, more: dict[str, Any]) -> None:
    def made(init: Callable[..., None]) -> tuple[tuple[bytes, bytes], ...]:
        headers = http.Headers.__new__(http.Headers)
        init(headers, list(fields), **more)
        return headers.fields

    fields = list(given)
    assert outcome(made, functions.__init__) == outcome(made, OWN["__init__"])


def test_hooks_are_made_like_mitmproxy(enabled: None) -> None:
    flow = tflow()
    hook = HttpRequestHook(flow)
    assert (hook.flow, hook.name, hook.blocking) == (flow, "request", True)
    with pytest.raises(TypeError):
        commands.StartHook()
    with pytest.raises(TypeError):
        HttpRequestHook()  # type: ignore[call-arg]


@dataclass
class PairHook(hooks.Hook):
    """A hook of the tests' own, with two arguments."""

    first: int
    second: str

    name = "pair"


def test_arguments_of_a_hook_keep_their_order() -> None:
    hook = PairHook(1, "two")
    assert functions.args(hook) == OWN["args"](hook) == [1, "two"]


def test_fork_copies_every_attribute_of_a_context() -> None:
    client = connection.Client(peername=("127.0.0.1", 1), sockname=("127.0.0.1", 2), timestamp_start=0.0)
    context = Context(client, options.Options())
    context.layers = [NextLayer(context)]
    mine, own = functions.fork(context), OWN["fork"](context)
    assert vars(mine) == vars(own)
    assert mine.layers is not context.layers


def test_ids_are_random_uuids() -> None:
    ids = {functions.uuid4() for _ in range(1000)}
    assert len(ids) == 1000
    parsed = [uuid.UUID(one) for one in ids]
    assert {(one.version, one.variant) for one in parsed} == {(4, uuid.RFC_4122)}
    assert sorted(map(str, parsed)) == sorted(ids)


def test_mitmproxy_calls_the_replacements_until_they_are_removed(enabled: None) -> None:
    assert http.url.parse_authority is functions.parse_authority
    assert http.Headers.get_all is functions.get_all
    assert hooks.Hook.args is functions.args
    assert len({tflow().id for _ in range(3 * functions._AT_ONCE)}) == 3 * functions._AT_ONCE
    state = http.Request.make("GET", "http://x/").data.get_state()
    with pytest.raises(TypeError, match="port"):
        http.RequestData.from_state({**state, "port": "80"})
