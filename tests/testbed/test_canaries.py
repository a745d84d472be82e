"""The search at the end of each session finds credentials, and leaves out where they belong."""

from __future__ import annotations

from pathlib import Path

import pytest

from smart_router.demo.provider import provider_env
from tests.testbed.canaries import leaks

KEY = provider_env("http://localhost", "openai")["OPENAI_API_KEY"].encode()


@pytest.mark.parametrize(
    ("name", "content", "found"),
    [
        ("output.log", b"Bearer " + KEY + b"\n", [KEY]),
        ("state/stats.sqlite", b"\x00\x01" + KEY + b"\x00", [KEY]),
        ("flows.mitm", b"sk-proj-canary-1 sk-proj-canary-1", [b"sk-proj-canary-1"]),
        ("output.log", b"OPENAI_API_KEY monkey-openair client-key", []),
        ("state/auth.sqlite", KEY, []),
        ("state/auth.sqlite.damaged-20260101T000000.000000Z-wal", KEY, []),
        ("config.toml", KEY, []),
    ],
)
def test_credentials_are_found_where_they_must_not_be(
    tmp_path: Path, name: str, content: bytes, found: list[bytes]
) -> None:
    file = tmp_path / name
    file.parent.mkdir(exist_ok=True)
    file.write_bytes(content)
    seen = list(leaks(tmp_path))
    file.unlink()
    assert seen == [f"{name}: {one.decode()}" for one in found]
