"""The `router_*` options: valid values, and errors that name the option."""

from __future__ import annotations

import re
import subprocess
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from mitmproxy.addonmanager import Loader
from mitmproxy.master import Master
from mitmproxy.options import Options

from smart_router.attempts.limits import Limits
from smart_router.options import OPTIONS, add_options, read_limits, read_max_body, read_value
from tests.conftest import StartRouter
from tests.testbed.harness import MITMDUMP, ROUTER, bare_env

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


def test_every_option_has_a_prefix_and_a_help_text() -> None:
    assert all(option.name.startswith("router_") for option in OPTIONS)
    assert all(option.help.endswith(".") for option in OPTIONS)
    assert len(DEFAULTS) == len(OPTIONS)


async def test_addons_hear_of_all_options_at_once() -> None:
    heard: list[set[str]] = []
    mitmproxy = Master(Options())
    mitmproxy.addons.add(SimpleNamespace(name="other", configure=heard.append))
    heard.clear()
    for _ in range(2):  # the second is a reload
        add_options(Loader(mitmproxy))
        assert heard.pop() == set(DEFAULTS)
        assert not heard
    mitmproxy.options.update(router_max_attempts=7)
    assert heard == [{"router_max_attempts"}]


def test_defaults_equal_the_limits() -> None:
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


# an option, what --set (a list) or YAML gives for it, and its value
GIVEN = [
    ("router_audit_content", ["false"], False),
    ("router_audit_content", [], True),
    ("router_audit_content", False, False),
    ("router_fast_path", ["auto"], "auto"),
    ("router_fast_path", "on", "on"),
    ("router_fast_path", ["off"], "off"),
    ("router_max_attempts", ["7"], 7),
    ("router_max_attempts", 7, 7),
    ("router_connect_timeout", ["0.5"], "0.5"),
    ("router_connect_timeout", 10, "10"),
    ("router_connect_timeout", 0.5, "0.5"),
    ("router_keep_body", 10, "10"),
    ("router_intercept", ["a", "b"], ["a", "b"]),
    ("router_intercept", "a", ["a"]),
]


@pytest.mark.parametrize(("name", "raw", "value"), GIVEN)
def test_values_given_before_the_option_was_declared(name: str, raw: Any, value: Any) -> None:
    assert read_value(name, raw) == value


# the same with what its error says
REFUSED = [
    ("router_audit_content", ["maybe"], "must be true or false, not 'maybe'"),
    ("router_audit_content", 1, "must be true or false, not 1"),
    ("router_fast_path", ["maybe"], "must be auto, on or off, not 'maybe'"),
    ("router_fast_path", [], "must be auto, on or off, not None"),
    ("router_fast_path", True, "must be auto, on or off, not True"),
    ("router_fast_path", ["on", "off"], "takes one value, not 2"),
    ("router_max_attempts", ["x"], "must be a whole number, not 'x'"),
    ("router_max_attempts", [], "must be a whole number, not None"),
    ("router_max_attempts", 1.5, "must be a whole number, not 1.5"),
    ("router_max_attempts", True, "must be a whole number, not True"),
    ("router_max_attempts", ["1", "2"], "takes one value, not 2"),
    ("router_keep_body", True, "must be a text or a number, not True"),
    ("router_keep_body", None, "must be a text or a number, not None"),
    ("router_intercept", [1], "must be a text or a list of texts, not [1]"),
    ("router_intercept", {"a": 1}, "must be a text or a list of texts, not {'a': 1}"),
]


@pytest.mark.parametrize(("name", "raw", "reason"), REFUSED)
def test_invalid_values(name: str, raw: Any, reason: str) -> None:
    with pytest.raises(ValueError, match=f"^{re.escape(f'{name} {reason}')}$"):
        read_value(name, raw)


@pytest.mark.xdist_group("config")
def test_invalid_option_at_start_ends_mitmdump(tmp_path: Path) -> None:
    command = [MITMDUMP, "-s", ROUTER, "--set", "router_hold_head=soon", "--listen-port", "0"]
    env = {**bare_env(), "HOME": str(tmp_path)}
    ended = subprocess.run(command, env=env, capture_output=True, text=True, timeout=30)
    said = ended.stdout + ended.stderr
    assert ended.returncode == 1
    assert "Traceback" not in said
    assert "router_hold_head must be a number of seconds, not 'soon'" in said


@pytest.mark.xdist_group("config")
async def test_options_are_set_by_config_yaml_and_command_line(start_router: StartRouter) -> None:
    router = await start_router(options={"router_max_body": "1k"})
    async with router.http() as http:
        answers = [await http.post("/v1/chat/completions", content=b" " * size) for size in (1024, 1025)]
    assert [answer.status_code for answer in answers] == [400, 413]
