"""Messages of mitmproxy's debug log, without the bytes that they quote."""

from __future__ import annotations

import logging
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from mitmproxy.proxy.commands import SendData
from mitmproxy.test import tflow

from smart_router.proxy.fixes.debug_log import LOGGERS, install, redact

MESSAGES = [
    ("SendData(server, b'authorization: Bearer k')", "SendData(server, b'***')"),
    ('SendData(server, b"it\'s a k")', "SendData(server, b'***')"),
    (r"DataReceived(client, b'\'\\')) b'k'", "DataReceived(client, b'***')) b'***'"),
    ("SendData(server, b'k…", "SendData(server, b'***'"),
    (
        "headers:[(b'x-api-key', b'k'), (b':path', b'/k')]",
        "headers:[(b'x-api-key', b'***'), (b':path', b'***')]",
    ),
    ("Request(GET h:1/v1?a=b&key=k) next", "Request(GET h:1/v1?a=b&key=***) next"),
    ("OpenConnection({'connection': Server(h:1)})", "OpenConnection({'connection': Server(h:1)})"),
]


@pytest.mark.parametrize(("message", "shown"), MESSAGES)
def test_redacted(message: str, shown: str) -> None:
    assert redact(message) == shown


@given(st.binary(min_size=1), st.integers(1, 40))
def test_data_is_never_shown_wherever_the_message_was_cut(data: bytes, kept: int) -> None:
    server = tflow.tserver_conn()
    whole = repr(SendData(server, data))
    prefix = whole.index(", b") + 3
    assert redact(whole) == f"{whole[:prefix]}'***')"
    assert redact(whole[: prefix + kept]).startswith(f"{whole[:prefix]}'***'")


@pytest.mark.parametrize("name", LOGGERS)
def test_only_debug_messages_are_touched(name: str, caplog: pytest.LogCaptureFixture) -> None:
    install()
    install()
    logger = logging.getLogger(name)
    with caplog.at_level(logging.DEBUG, name):
        logger.debug("Send %s", [("x", b"k")], extra={"client": ("h", 1)})
        logger.info("client connect b'k'")
    messages: list[Any] = [record.getMessage() for record in caplog.records]
    assert messages == ["Send [('x', b'***')]", "client connect b'k'"]
