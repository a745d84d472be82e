"""A real mitmdump with the router loaded, as a child process: for tests, the demo and the benchmarks.

It listens on a free loopback port. One port serves plain HTTP/1.1, and TLS with HTTP/1.1 or HTTP/2, whatever
the scheme of the upstream in `--mode reverse:`: mitmproxy looks at a client's first bytes, and lets it choose
by ALPN as long as no upstream connection was opened first (`connection_strategy=lazy`).
"""

from __future__ import annotations

import asyncio
import atexit
import functools
import os
import re
import shutil
import ssl
import subprocess
import sys
import tempfile
import threading
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, Self

import httpx

from smart_router.demo.provider import provider_env as provider_env
from tests.testbed import ready_addon
from tests.testbed.tls import ca_pem

if TYPE_CHECKING:
    import openai

ROOT = Path(__file__).resolve().parents[2]
ROUTER = ROOT / "addon" / "router.py"
MITMDUMP = Path(sys.executable).with_name("mitmdump")
MITMWEB = MITMDUMP.with_name("mitmweb")

START_LIMIT = 120.0
"""Seconds after which a process hangs: one that starts takes two, and many times that on a busy machine."""

NO_TLS = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
"""For clients that use no TLS. Without it each reads the system's certificates, which takes 45 ms."""

_KEPT_ENV = (
    *("PATH", "LANG", "LC_ALL", "LC_CTYPE", "TMPDIR", "SYSTEMROOT", "VIRTUAL_ENV"),
    "COVERAGE_PROCESS_START",
)
_LISTENING = re.compile(r"listening at \S*?:(\d+)")
_WEB_OPTIONS = {"web_open_browser": "false"}


def bare_env() -> dict[str, str]:
    """Return the environment of a router without its folders, keys and the test's own variables.

    Where no locale is set, Python sets LC_CTYPE in its own environment.
    """
    return {name: os.environ[name] for name in _KEPT_ENV if name in os.environ} | {"PYTHONUNBUFFERED": "1"}


class RouterError(Exception):
    """The process did not start, died, or logged a traceback; its log comes after the message."""

    def __init__(self, message: str, log: str) -> None:
        super().__init__(f"{message}\n{log}")


class Router:
    """One mitmdump. Its config, state and confdir lie in `folder`; its environment holds `env` and no more
    of the caller's than a process needs to run, so no real key and no user's config can get in.

    `config` is the text of the user's TOML file, `yaml` that of mitmproxy's config.yaml, `options` go to
    `--set`, `args` are further arguments, `upstream` is the reverse mode's target, `modes` are others in its
    place, `program` another than mitmdump, `script` the addon. `trust` is what upstream certificates are
    verified with (PEM); `listen_host=None` leaves the address to the addon. `stop` raises RouterError for a
    traceback in the log unless `allow_errors`. `fresh` means a start that is not forked (`fork_server.py`):
    for tests of the start itself.
    """

    def __init__(
        self,
        folder: Path,
        *,
        env: Mapping[str, str] | None = None,
        config: str = "",
        yaml: str = "",
        options: Mapping[str, str] | None = None,
        args: Sequence[str] = (),
        upstream: str = "http://127.0.0.1:1",
        modes: Sequence[str] = (),
        program: Path | None = None,
        script: Path = ROUTER,
        trust: bytes | None = None,
        listen_host: str | None = "127.0.0.1",
        allow_errors: bool = False,
        fresh: bool = False,
    ) -> None:
        self.folder = folder
        self.config_file = folder / "config.toml"
        self.state_folder = folder / "state"
        self.ca_file = folder / "confdir" / "mitmproxy-ca-cert.pem"
        self.port = 0
        self._allow_errors = allow_errors
        self._lines: list[str] = []
        self._ended = False
        self._news = threading.Condition()
        self._prepare(config, trust or ca_pem())
        (folder / "confdir" / "config.yaml").write_text(yaml, "utf-8")
        settings = {
            "confdir": str(folder / "confdir"),
            "ssl_verify_upstream_trusted_ca": str(folder / "trusted.pem"),
            **(_WEB_OPTIONS if program == MITMWEB else {"flow_detail": "0"}),
            **(options or {}),
        }
        sets = [arg for name, value in settings.items() for arg in ("--set", f"{name}={value}")]
        scripts = ["-s", str(script), "-s", str(ready_addon.__file__)]
        listen = [arg for mode in modes or [f"reverse:{upstream}"] for arg in ("--mode", mode)]
        listen += ["--listen-port", "0"]
        listen += ["--listen-host", listen_host] if listen_host else []
        interpreter = [sys.executable] if fresh else []
        self._command = [*interpreter, str(program or MITMDUMP), *scripts, *listen, *sets, *args]
        self._env = self._environment(env or {})

    def _prepare(self, config: str, trust: bytes) -> None:
        self.folder.mkdir(parents=True)
        make_confdir(self.folder / "confdir")
        self.config_file.write_text(config, "utf-8")
        (self.folder / "trusted.pem").write_bytes(trust)

    def _environment(self, env: Mapping[str, str]) -> dict[str, str]:
        return {
            **bare_env(),
            "HOME": str(self.folder),
            "SMART_ROUTER_CONFIG": str(self.config_file),
            "SMART_ROUTER_STATE": str(self.state_folder),
            **env,
        }

    # the process

    def launch(self) -> None:
        """Start the process, and wait for nothing."""
        self.process = subprocess.Popen(
            self._command,
            env=self._env,
            cwd=self.folder,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            encoding="utf-8",
            errors="replace",
        )
        self._reader = threading.Thread(target=self._read_log, daemon=True)
        self._reader.start()

    def start(self) -> Self:
        """Start it and wait until it serves. Raises RouterError."""
        self.launch()
        try:
            self.port = int(self.wait_for_log(_LISTENING)[1])
            self.wait_for_log(ready_addon.LINE)
        except BaseException:
            self._end()
            raise
        return self

    def stop(self) -> None:
        """End it, if that was not done before. Raises RouterError if it had died or logged a traceback."""
        if self.process.stdout is None or self.process.stdout.closed:
            return
        died = self.process.poll()
        self._end()
        if died is not None:
            raise RouterError(f"mitmdump died with exit code {died}", self.log)
        if "Traceback" in self.log and not self._allow_errors:
            raise RouterError("mitmdump logged a traceback", self.log)

    def _end(self) -> None:
        self.process.terminate()
        try:
            self.process.wait(10)
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.wait()
        self._reader.join()
        assert self.process.stdout is not None
        self.process.stdout.close()
        (self.folder / "output.log").write_text(self.log, "utf-8")  # for the search for credentials

    def __enter__(self) -> Self:
        return self.start()

    def __exit__(self, *exc: object) -> None:
        self.stop()

    async def __aenter__(self) -> Self:
        return await asyncio.to_thread(self.start)

    async def __aexit__(self, *exc: object) -> None:
        await asyncio.to_thread(self.stop)

    # its log

    @property
    def log(self) -> str:
        """The output so far."""
        return "".join(self._lines)

    def wait_for_log(self, pattern: str | re.Pattern[str]) -> re.Match[str]:
        """Wait until the log has the pattern. RouterError when the process ends first or takes too long."""
        with self._news:
            self._news.wait_for(lambda: re.search(pattern, self.log) or self._ended, START_LIMIT)
        if match := re.search(pattern, self.log):
            return match
        raise RouterError(f"mitmdump did not log {pattern!r}", self.log)

    def _read_log(self) -> None:
        assert self.process.stdout is not None
        for line in self.process.stdout:
            with self._news:
                self._lines.append(line)
                self._news.notify_all()
        with self._news:
            self._ended = True
            self._news.notify_all()

    # its clients; close them, best with `with`

    @property
    def url(self) -> str:
        """Scheme, host and port for clients without TLS."""
        return f"http://127.0.0.1:{self.port}"

    @property
    def base_url(self) -> str:
        """The base URL for OpenAI clients."""
        return f"{self.url}/v1"

    def _connection(self, tls: bool, http2: bool) -> dict[str, Any]:
        """Arguments of httpx clients; HTTP/2 goes over TLS only."""
        plain = {"base_url": self.url, "trust_env": False, "timeout": 15.0}
        if not (tls or http2):
            return {**plain, "verify": NO_TLS}
        trust = _Http2Context(ssl.PROTOCOL_TLS_CLIENT) if http2 else ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
        trust.load_verify_locations(self.ca_file)
        url = self.url.replace("http:", "https:")
        return {**plain, "base_url": url, "verify": trust, "http2": http2}

    def http(self, *, tls: bool = False, http2: bool = False, **kwargs: Any) -> httpx.AsyncClient:
        """A plain HTTP client whose paths are relative to the router."""
        return httpx.AsyncClient(**self._connection(tls, http2), **kwargs)

    def proxied_http(self) -> httpx.AsyncClient:
        """A plain HTTP client that sends its requests through the router as a proxy."""
        return httpx.AsyncClient(proxy=self.url, verify=NO_TLS, trust_env=False, timeout=15.0)

    def client(self, *, tls: bool = False, http2: bool = False, **kwargs: Any) -> openai.AsyncOpenAI:
        """The official client; it retries nothing, so that a test sees every answer."""
        import openai

        arguments = self._connection(tls, http2)
        http = openai.DefaultAsyncHttpxClient(**arguments)
        defaults = {"base_url": f"{arguments['base_url']}/v1", "api_key": "client-key", "max_retries": 0}
        return openai.AsyncOpenAI(**{**defaults, "http_client": http, **kwargs})

    def sync_client(self, *, tls: bool = False, http2: bool = False, **kwargs: Any) -> openai.OpenAI:
        """The same, for code without asyncio."""
        import openai

        arguments = self._connection(tls, http2)
        http = openai.DefaultHttpxClient(**arguments)
        defaults = {"base_url": f"{arguments['base_url']}/v1", "api_key": "client-key", "max_retries": 0}
        return openai.OpenAI(**{**defaults, "http_client": http, **kwargs})


class _Http2Context(ssl.SSLContext):
    """Offers HTTP/2 alone: httpx names HTTP/1.1 first, and mitmproxy takes a client's first choice."""

    def set_alpn_protocols(self, alpn_protocols: Iterable[str]) -> None:
        super().set_alpn_protocols(["h2"])


def make_confdir(folder: Path) -> None:
    """Make mitmproxy's folder with a CA, the same for all: making a CA takes most of a second, and mitmproxy
    processes that start together on one fresh confdir race for its files."""
    shutil.copytree(_confdir(), folder)


@functools.cache
def _confdir() -> Path:
    from mitmproxy.certs import CertStore

    folder = tempfile.mkdtemp(prefix="smart-router-ca-")  # a TemporaryDirectory ends with a forked process
    atexit.register(shutil.rmtree, folder)
    CertStore.from_store(folder, "mitmproxy", 2048)
    return Path(folder)
