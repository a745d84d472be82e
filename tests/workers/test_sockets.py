"""The supervisor's sockets, and errors before any process starts."""

from __future__ import annotations

import contextlib
import socket
from collections.abc import Iterator, Sequence

import pytest
from click.testing import CliRunner

from smart_router.cli.main import main
from smart_router.workers.sockets import Sockets, addresses, numbers, open_sockets

REVERSE = "reverse:http://h"


@contextlib.contextmanager
def opened(modes: Sequence[str], host: str = "127.0.0.1", port: int = 0) -> Iterator[Sockets]:
    sockets = open_sockets(modes, host, port)
    try:
        yield sockets
    finally:
        for owned in sockets.values():
            for own in owned:
                own.close()


def test_each_mode_has_its_own_sockets() -> None:
    with opened([REVERSE, "regular@127.0.0.2:0", "socks5@127.0.0.3:0"]) as sockets:
        assert list(sockets) == ["127.0.0.1:0", "127.0.0.2:0", "127.0.0.3:0"]
        assert [address.rpartition(":")[0] for address in addresses(sockets)] == [
            "127.0.0.1", "127.0.0.2", "127.0.0.3",
        ]  # fmt: skip
        assert all(len(owned) == 1 for owned in numbers(sockets).values())


def test_wildcard_address_uses_one_port() -> None:
    with opened([REVERSE], host="") as sockets:
        assert len({own.getsockname()[1] for owned in sockets.values() for own in owned}) == 1


@pytest.mark.parametrize(
    ("arguments", "code", "says"),
    [
        (["--mode", "wireguard"], 2, "serve does not support the mode wireguard"),
        (["--mode", "nonsense"], 2, "unknown mode"),
        (["--mode", REVERSE, "--mode", "regular"], 2, "two modes cannot listen at"),
        (["--workers", "2", "--web"], 2, "it needs --workers 1"),
        (["--workers", "2", "--", "-w", "flows"], 2, "-w: such a file belongs to one process"),
        (["--workers", "2", "--", "-wflows"], 2, "it needs --workers 1"),
        (["--workers", "2", "--set", "hardump=x.har"], 2, "it needs --workers 1"),
        (["--workers", "0"], 2, "is not a whole number of 1 to 256"),
        (["--host", "192.0.2.1"], 1, "192.0.2.1:8080: Cannot assign requested address"),
    ],
)
def test_misuse(arguments: list[str], code: int, says: str) -> None:
    result = CliRunner().invoke(main, ["serve", *arguments])
    assert (result.exit_code, says in result.output) == (code, True), result.output


def test_the_port_is_in_use() -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        result = CliRunner().invoke(main, ["serve", "--port", str(port)])
    assert result.exit_code == 1
    assert result.output == f"Error: 127.0.0.1:{port}: the address is in use\n"
