"""The `router_*` options: their values read, and wrong ones refused by name."""

from __future__ import annotations

import subprocess
from pathlib import Path
from types import SimpleNamespace

import pytest

from smart_router.attempts.limits import Limits
from smart_router.options import OPTIONS, read_limits, read_max_body
from tests.conftest import StartRouter
from tests.harness import MITMDUMP, ROUTER

DEFAULTS = {option.name: option.default for option in OPTIONS}
SECONDS = {
    "router_connect_timeout": "connect",
    "router_first_byte_timeout": "first_byte",
    "router_silence_timeout": "silence",
    "router_failover_timeout": "failover",
    "router_total_timeout": "total",
    "router_hold_head": "hold_head",
    "router_max_wait": "max_wait",
}


def test_every_option_is_named_and_helped() -> None:
    assert all(option.name.startswith("router_") for option in OPTIONS)
    assert all(option.help.endswith(".") for option in OPTIONS)
    assert len(DEFAULTS) == len(OPTIONS)


def test_defaults_are_the_limits() -> None:
    options = SimpleNamespace(**DEFAULTS)
    assert read_limits(options) == Limits()
    assert read_max_body(options) == 32 * 1024 * 1024


@pytest.mark.parametrize(("option", "limit"), SECONDS.items())
def test_seconds(option: str, limit: str) -> None:
    assert getattr(read_limits(SimpleNamespace(**DEFAULTS | {option: "0.25"})), limit) == 0.25
    for text in ("", "soon", "-1", "inf", "nan", "1e999"):
        with pytest.raises(ValueError, match=f"^{option} must be a number of seconds, not '{text}'"):
            read_limits(SimpleNamespace(**DEFAULTS | {option: text}))


def test_at_least_one_attempt() -> None:
    assert read_limits(SimpleNamespace(**DEFAULTS | {"router_max_attempts": 0})).max_attempts == 1


def test_sizes() -> None:
    assert read_max_body(SimpleNamespace(router_max_body="5k")) == 5 * 1024
    for text in ("", "big", "-1", "0", "1t1"):
        with pytest.raises(ValueError, match=r"^router_max_body must be a size"):
            read_max_body(SimpleNamespace(router_max_body=text))


@pytest.mark.xdist_group("config")
def test_a_wrong_one_at_start_ends_mitmdump(tmp_path: Path) -> None:
    command = [MITMDUMP, "-s", ROUTER, "--set", "router_hold_head=soon", "--listen-port", "0"]
    env = {"HOME": str(tmp_path)}
    ended = subprocess.run(command, env=env, capture_output=True, text=True, timeout=30)
    said = ended.stdout + ended.stderr
    assert ended.returncode == 1
    assert "Traceback" not in said
    assert "router_hold_head must be a number of seconds, not 'soon'" in said


@pytest.mark.xdist_group("config")
async def test_they_are_set_from_outside(start_router: StartRouter) -> None:
    router = await start_router(options={"router_max_body": "1k"})
    async with router.http() as http:
        answers = [await http.post("/v1/chat/completions", content=b" " * size) for size in (1024, 1025)]
    assert [answer.status_code for answer in answers] == [400, 413]
