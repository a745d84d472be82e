"""Other gateways: installed into the user's cache folder when they are first asked for."""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from urllib.parse import urlsplit

from platformdirs import user_cache_path
from scripts.gateway_bench.answers import MODEL
from scripts.gateway_bench.children import BenchError, free_port, server
from scripts.gateway_bench.gateways import GATEWAY, Start, Target

CACHE = user_cache_path("smart-router-bench")
LITELLM = "litellm[proxy]<2"
PORTKEY = {
    "dependencies": {"@portkey-ai/gateway": "^1.15.2"},
    "overrides": {"@hono/node-server": "1.13.5"},
}
"""The HTTP server is the one of its own lock file: with newer ones streams fail (its issue 1389)."""

_NGINX = """
daemon off;
worker_processes 1;
pid nginx.pid;
error_log stderr;
events {{ worker_connections 4096; }}
http {{
    access_log off;
    client_body_temp_path body;
    proxy_temp_path proxy;
    fastcgi_temp_path fastcgi;
    uwsgi_temp_path uwsgi;
    scgi_temp_path scgi;
    keepalive_requests 1000000;
    upstream provider {{ server {provider}; keepalive 256; keepalive_requests 1000000; }}
    server {{
        listen 127.0.0.1:{port} backlog=1024;
        location / {{
            proxy_pass http://provider;
            proxy_http_version 1.1;
            proxy_set_header Connection "";
            proxy_buffering off;
        }}
    }}
}}
"""


def _install(needed: Path, *commands: Sequence[str | Path]) -> Path:
    """Run the commands unless `needed` is there already. Raises BenchError."""
    if needed.exists():
        return needed
    CACHE.mkdir(parents=True, exist_ok=True)
    for command in commands:
        if not (program := shutil.which(command[0])):
            raise BenchError(f"{command[0]} is needed to install this peer")
        print(f"installing: {' '.join(map(str, command))}", file=sys.stderr)
        done = subprocess.run([program, *command[1:]], cwd=CACHE, capture_output=True, text=True, check=False)
        if done.returncode:
            raise BenchError(f"{command[0]} failed:\n{done.stderr[-2000:]}")
    return needed


@contextmanager
def litellm(url: str, folder: Path) -> Iterator[list[Target]]:
    """LiteLLM's proxy with one worker."""
    venv = CACHE / "litellm"
    python = venv / "bin" / "python"
    program = _install(
        venv / "bin" / "litellm",
        ("uv", "venv", "--allow-existing", venv),
        ("uv", "pip", "install", "--python", python, LITELLM),
    )
    folder.mkdir(parents=True)
    model = {"model": f"openai/{MODEL}", "api_base": f"{url}/v1", "api_key": "bench-key"}
    config = {"model_list": [{"model_name": MODEL, "litellm_params": model}]}
    (folder / "config.yaml").write_text(json.dumps(config))  # JSON is YAML
    port = free_port()
    command: list[str | Path] = [
        program,
        "--config",
        "config.yaml",
        "--host",
        "127.0.0.1",
        "--port",
        str(port),
        "--num_workers",
        "1",
    ]
    env = {
        "LITELLM_LOCAL_MODEL_COST_MAP": "True",  # the list that came with it: there may be no network
        "LITELLM_MODE": "PRODUCTION",
        "LITELLM_LOG": "ERROR",
        "LITELLM_DANGEROUSLY_PERMIT_WEAK_OR_UNSET_MASTER_KEY": "true",  # on loopback, as all others here
    }
    ready = f"http://127.0.0.1:{port}/health/liveliness"
    (info,) = venv.glob("lib/python*/site-packages/litellm-*.dist-info")
    name = f"LiteLLM {info.stem.partition('-')[2]}"
    with server("litellm", command, env, folder, ready) as pid:
        yield [Target(name, port, (*GATEWAY, "translated"), pids=[pid])]


@contextmanager
def portkey(url: str, folder: Path) -> Iterator[list[Target]]:
    """Portkey's gateway on node."""
    home = CACHE / "portkey"
    home.mkdir(parents=True, exist_ok=True)
    (home / "package.json").write_text(json.dumps(PORTKEY))
    script = _install(
        home / "node_modules/@portkey-ai/gateway/build/start-server.js",
        ("npm", "install", "--prefix", home),
    )
    port = free_port()
    name = f"Portkey {json.loads((script.parents[1] / 'package.json').read_text())['version']}"
    env = {"NODE_ENV": "production", "TRUSTED_CUSTOM_HOSTS": "127.0.0.1"}
    headers = {"x-portkey-provider": "openai", "x-portkey-custom-host": f"{url}/v1"}
    command: list[str | Path] = ["node", script, "--headless", f"--port={port}"]
    with server("portkey", command, env, folder, f"http://127.0.0.1:{port}/") as pid:
        yield [Target(name, port, (*GATEWAY, "translated"), pids=[pid], headers=headers)]


@contextmanager
def nginx(url: str, folder: Path) -> Iterator[list[Target]]:
    """nginx with one worker, which only forwards: the floor of any gateway."""
    if not (program := shutil.which("nginx")):
        raise BenchError("nginx is not installed")
    folder.mkdir(parents=True)
    port = free_port()
    (folder / "nginx.conf").write_text(_NGINX.format(provider=urlsplit(url).netloc, port=port))
    command: list[str | Path] = [program, "-p", folder, "-c", folder / "nginx.conf"]
    with server("nginx", command, {}, folder, f"http://127.0.0.1:{port}/v1/models") as pid:
        yield [Target("nginx", port, (*GATEWAY, "translated"), pids=[pid])]


@contextmanager
def running(name: str, base_url: str, url: str, folder: Path) -> Iterator[list[Target]]:
    """One that runs already and must reach the provider by itself: whose CPU and memory it is, is unknown."""
    parts = urlsplit(base_url)
    path = f"{parts.path.rstrip('/')}/chat/completions"
    measures = ("closed", "open", "streams")
    yield [Target(name, parts.port or 80, measures, host=parts.hostname or "", path=path)]


PEERS: dict[str, Start] = {"litellm": litellm, "portkey": portkey, "nginx": nginx}


def peer(asked: str) -> tuple[str, Start]:
    """Name and start of a peer as `--peers` names it. Raises BenchError."""
    name, equals, base_url = asked.partition("=")
    if equals:
        if not base_url.startswith("http://"):
            raise BenchError(f"{base_url} is not a base URL with http://")
        return name, partial(running, name, base_url)
    if name not in PEERS:
        raise BenchError(f"no peer is called {name}: there are {', '.join(PEERS)} and NAME=URL")
    return name, PEERS[name]
