"""`smart-router doctor`: each check finds what is wrong, and says what to do."""

from __future__ import annotations

import json
import re
import shutil
import socket
import threading
import time
from collections.abc import Iterator
from email.utils import formatdate
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner, Result

from smart_router.cli.main import main
from smart_router.tools import router_process
from smart_router.tools.proxy_variables import ADDING, REPLACING
from tests.testbed.harness import make_confdir


class Here:
    """A user's machine: variables, files, and a provider whose clock may differ."""

    def __init__(self, home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        self.home = home
        self.state = home / "state"
        self.config = home / "config.toml"
        self.set = monkeypatch.setenv
        for name in (*REPLACING, *ADDING):
            monkeypatch.delenv(name, raising=False)
        self.set("HOME", str(home))
        self.set("SMART_ROUTER_STATE", str(self.state))
        self.set("SMART_ROUTER_CONFIG", str(self.config))

    def call(self, *arguments: str) -> Result:
        return CliRunner().invoke(main, ["doctor", *arguments])

    def found(self, *arguments: str) -> dict[str, list[dict[str, Any]]]:
        by_check: dict[str, list[dict[str, Any]]] = {}
        for one in json.loads(self.call("--json", *arguments).output):
            by_check.setdefault(one["check"], []).append(one)
        return by_check


@pytest.fixture
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Here:
    return Here(tmp_path, monkeypatch)


@pytest.fixture
def port(monkeypatch: pytest.MonkeyPatch) -> Iterator[int]:
    """A port of a program that never answers."""
    monkeypatch.setattr(router_process, "ANSWER_LIMIT", 0.2)
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        yield taken.getsockname()[1]


@pytest.fixture
def provider(request: pytest.FixtureRequest) -> Iterator[str]:
    """The address of a server whose clock is ahead by the parameter's seconds."""

    class Handler(BaseHTTPRequestHandler):
        def do_HEAD(self) -> None:
            assert "authorization" not in self.headers
            self.send_response_only(404)
            self.send_header("date", formatdate(time.time() + request.param, usegmt=True))
            self.end_headers()

        def log_message(self, *arguments: object) -> None:
            pass

    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        try:
            yield f"http://127.0.0.1:{server.server_address[1]}/v1"
        finally:
            server.shutdown()


@pytest.mark.parametrize("provider", [0], indirect=True)
def test_all_is_well(here: Here, provider: str) -> None:
    here.set("GROQ_API_KEY", "gsk_of_nobody")
    here.set("GROQ_BASE_URL", provider)
    result = here.call("--port", "1")
    assert result.exit_code in (0, 1), result.output  # port 1 may be refused to a user
    lines = result.output.splitlines()
    for line in (
        f"ok       config: no {here.config}, so the defaults hold",
        "ok       keys: groq has GROQ_API_KEY",
        f"ok       providers: groq answers at {provider}",
        "ok       clock: within 60 s of the providers'",
    ):
        assert line in lines


@pytest.mark.parametrize(
    ("provider", "said"), [(90, r"\d\d s behind"), (-3600, r"36\d\d s ahead of")], indirect=["provider"]
)
def test_a_wrong_clock(here: Here, provider: str, said: str) -> None:
    here.set("GROQ_API_KEY", "gsk_of_nobody")
    here.set("GROQ_BASE_URL", provider)
    result = here.call()
    assert result.exit_code == 1
    (line,) = [line for line in result.output.splitlines() if "clock: " in line]
    assert re.fullmatch(f"error    clock: the clock is {said} the providers'; set it: switch NTP on", line)


def test_a_provider_out_of_reach(here: Here) -> None:
    here.set("GROQ_API_KEY", "gsk_of_nobody")
    here.set("GROQ_BASE_URL", "http://127.0.0.1:1/v1")
    (found,) = here.found()["providers"]
    assert found["status"] == "error"
    assert found["says"].startswith("groq does not answer at http://127.0.0.1:1/v1: ")
    assert found["do"] == "check the network, a firewall, HTTPS_PROXY, and the base URL"


@pytest.mark.parametrize(
    ("variable", "value", "status", "said"),
    [
        ("OPENAI_API_KEY", "sk-ant-api03-x", "error", "OPENAI_API_KEY has a key of anthropic"),
        ("OPENAI_API_KEY", "sk-abc def", "error", "OPENAI_API_KEY has blanks in it"),
        ("OPENAI_API_KEY", '""', "error", "OPENAI_API_KEY is blank"),
        ("GROQ_API_KEY", "of-nobody", "warning", "GROQ_API_KEY does not begin with gsk_"),
    ],
)
def test_a_malformed_key(variable: str, value: str, status: str, said: str, here: Here) -> None:
    here.set(variable, value)
    found = here.found("--offline")["keys"]
    assert (status, said) in {(one["status"], one["says"]) for one in found}
    assert not any(value in one["says"] for one in found), "no key is shown"


def test_no_key_at_all(here: Here) -> None:
    result = here.call("--offline")
    assert result.exit_code == 1
    assert "error    keys: there is no key and no login; set a key such as OPENAI_API_KEY" in result.output


def test_config_errors_and_a_loop(here: Here) -> None:
    here.config.write_text("[routing]\nstickyttl = 1\n")
    here.set("OPENAI_BASE_URL", "http://127.0.0.1:8080/v1")
    found = here.found("--offline")
    (error,) = found["config"]
    assert error["says"].endswith("routing.stickyttl: is not known here; did you mean sticky_ttl?")
    assert error["do"] == "mend it: smart-router config edit"


def test_a_taken_port(here: Here, port: int) -> None:
    (found,) = here.found("--offline", "--port", str(port))["port"]
    assert found["status"] == "error"
    assert found["says"] == f"port {port} cannot be used: Address already in use"


def test_a_damaged_file_and_an_open_folder(here: Here) -> None:
    here.state.mkdir(mode=0o755)
    (here.state / "stats.sqlite").write_bytes(b"no database" * 100)
    found = here.found("--offline")["state"]
    assert [one["status"] for one in found] == ["warning", "error"]
    assert found[0]["do"] == f"chmod 700 {here.state}"
    assert found[1]["says"] == f"{here.state / 'stats.sqlite'} is damaged"


def test_programs_that_do_not_trust_the_ca(here: Here) -> None:
    confdir = here.home / ".mitmproxy"
    make_confdir(confdir)
    # the fastest one; others are checked in the same way
    name, says = ("curl", "curl") if shutil.which("curl") else ("python3", "python3 (ssl)")
    only = here.home / "bin"
    only.mkdir()
    (only / name).symlink_to(shutil.which(name) or "")
    here.set("PATH", str(only))
    (program, *_) = here.found("--offline")["ca"]
    assert (program["status"], program["says"]) == ("warning", f"{says} does not trust it")
    for variable in ("SSL_CERT_FILE", "CURL_CA_BUNDLE"):
        here.set(variable, str(confdir / "mitmproxy-ca-cert.pem"))
    (program, *_) = here.found("--offline")["ca"]
    assert (program["status"], program["says"]) == ("ok", f"{says} trusts it")
