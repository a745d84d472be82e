"""The wheel is the product: built from a tagged tree, installed without a cache, it answers within a minute.

By hand: `pytest -m wheel`. It downloads what the wheel needs from the registry that uv is set up with.
"""

from __future__ import annotations

import os
import re
import shlex
import shutil
import subprocess
import sys
import tarfile
import time
import zipfile
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from threading import Timer

import httpx
import pytest

from smart_router.demo.provider import POEM, DemoProvider, provider_env
from tests.docs.dockerfile import stages
from tests.testbed.harness import ROOT

pytestmark = pytest.mark.wheel

LIMIT = 60.0
"""Seconds from the wheel to the first routed answer."""

QUESTION = {"model": "auto", "messages": [{"role": "user", "content": "What is the capital of France?"}]}
_AT = re.compile(r"smart-router 9\.8\.7 at (?:127\.0\.0\.1|\*):(\d+), ")


def shell(command: str, cwd: Path, env: dict[str, str]) -> str:
    """Return the output of a command, which must succeed."""
    done = subprocess.run(
        ["sh", "-c", command], cwd=cwd, env=env, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


@pytest.fixture(scope="module")
def env(tmp_path_factory: pytest.TempPathFactory) -> dict[str, str]:
    """A home and a cache in which nothing is; of the caller's only where packages come from."""
    home = tmp_path_factory.mktemp("home")
    kept = {
        name: value
        for name, value in os.environ.items()
        if name.startswith(("UV_", "SSL_")) or name == "PATH"
    }
    return {**kept, "HOME": str(home), "UV_CACHE_DIR": str(home / "cache"), "UV_NO_PROGRESS": "1"}


@pytest.fixture(scope="module")
def built(tmp_path_factory: pytest.TempPathFactory, env: dict[str, str]) -> Path:
    """The folder with the sdist and, made from it, the wheel of this tree as version 9.8.7."""
    tree = tmp_path_factory.mktemp("tree")
    listed = shell("git ls-files -co --exclude-standard -- . ':!tests'", ROOT, env)
    for name in listed.splitlines():
        if (ROOT / name).is_file():
            (tree / name).parent.mkdir(parents=True, exist_ok=True)
            shutil.copy(ROOT / name, tree / name)
    shell(
        "git init -q && git add -A && git -c user.name=n -c user.email=e commit -qm 1 && git tag v9.8.7",
        tree,
        env,
    )
    shell(f"{uv()} build --python {sys.executable} --out-dir dist", tree, env)
    return tree / "dist"


def uv() -> str:
    found = shutil.which("uv")
    assert found, "uv is not installed"
    return shlex.quote(found)


@pytest.fixture(scope="module")
def installed(
    built: Path, tmp_path_factory: pytest.TempPathFactory, env: dict[str, str]
) -> tuple[Path, str, float]:
    """The environment's programs, what the demo printed, and the seconds that three commands took."""
    folder = tmp_path_factory.mktemp("install")
    (wheel,) = built.glob("*.whl")
    start = time.monotonic()
    shell(f"{uv()} venv --python {sys.executable} env", folder, env)
    shell(f"{uv()} pip install --python env/bin/python {wheel}", folder, env)
    shown = shell("env/bin/smart-router demo", folder, env)
    return folder / "env/bin", shown, time.monotonic() - start


def test_both_hold_every_file_of_the_package(built: Path) -> None:
    package = ROOT / "addon/smart_router"
    files = {
        f"smart_router/{path.relative_to(package)}"
        for path in package.rglob("*")
        if path.is_file() and "__pycache__" not in path.parts
    }
    wheel = set(zipfile.ZipFile(built / "smart_router-9.8.7-py3-none-any.whl").namelist())
    assert files <= wheel
    assert all(name.startswith(("smart_router/", "smart_router-9.8.7.dist-info/")) for name in wheel)
    with tarfile.open(built / "smart_router-9.8.7.tar.gz") as sdist:
        names = {name.removeprefix("smart_router-9.8.7/") for name in sdist.getnames()}
    assert {f"addon/{name}" for name in files} <= names
    assert {
        "addon/router.py",
        "CHANGELOG.md",
        "README.md",
        "LICENSE",
        "PKG-INFO",
        "docs/architecture.md",
    } <= names
    assert not any(name.startswith("tests") for name in names)


def test_three_commands_lead_to_a_routed_answer_within_a_minute(installed: tuple[Path, str, float]) -> None:
    _, shown, seconds = installed
    assert POEM in shown
    assert "x-router-attempts: 2" in shown
    print(f"\nwheel to the demo's end: {seconds:.1f} s")
    assert seconds < LIMIT


@contextmanager
def running(command: Sequence[str], cwd: Path, env: dict[str, str]) -> Iterator[str]:
    """Run a router that listens on a free port; yields its address."""
    with subprocess.Popen(command, cwd=cwd, env=env, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        patience = Timer(LIMIT, process.kill)
        patience.start()
        try:
            said = ""
            for line in process.stdout:
                said += line
                if serving := _AT.search(line):
                    break
            else:
                raise AssertionError(said)
            yield f"http://127.0.0.1:{serving[1]}"
        finally:
            patience.cancel()
            process.terminate()
            process.stdout.read()


@pytest.mark.parametrize(
    "command",
    [
        "exec ./smart-router --port 0",
        'exec ./mitmdump -s "$(./smart-router script)" --mode reverse:https://api.openai.com --listen-port 0',
        "exec ./smart-router serve --port 0 --workers 2",
    ],
)
def test_the_installed_router_answers(
    command: str, installed: tuple[Path, str, float], env: dict[str, str], tmp_path: Path
) -> None:
    programs, _, _ = installed
    own = {"PATH": env["PATH"], "HOME": str(tmp_path), "PYTHONUNBUFFERED": "1"}
    with DemoProvider() as provider:
        own |= provider_env(provider.url, "openai")
        with running(["sh", "-c", command], programs, own) as url:
            answer = httpx.post(f"{url}/v1/chat/completions", json=QUESTION, trust_env=False, timeout=30)
    assert answer.json()["choices"][0]["message"]["content"] == POEM
    assert answer.headers["x-router-tier"] == "SIMPLE"


def test_uvx_runs_the_wheel(built: Path, env: dict[str, str], tmp_path: Path) -> None:
    (wheel,) = built.glob("*.whl")
    command = f"{uv()} tool run --python {sys.executable} --from {wheel} smart-router --version"
    assert shell(command, tmp_path, env) == "smart-router, version 9.8.7\n"


def test_the_image_is_built_and_serves(tmp_path: Path, env: dict[str, str]) -> None:
    """The Dockerfile's own commands, in a folder in place of the image's root."""
    build, image = stages()
    for name in ("src", "state", "bin"):
        (tmp_path / name).mkdir()
    for name in re.findall(r"^!(\S+)", (ROOT / ".dockerignore").read_text("utf-8"), re.M):
        copy = shutil.copytree if (ROOT / name).is_dir() else shutil.copy
        copy(ROOT / name, tmp_path / "src" / name)
    (tmp_path / "bin/uv").symlink_to(shlex.split(uv())[0])
    inside = {
        **env,
        "PATH": f"{tmp_path}/bin:{Path(sys.executable).parent}:{env['PATH']}",
        "VERSION": "v9.8.7",
    }
    for command in build.values("RUN")[1:]:  # the first one installs uv
        shell(re.sub(r"(?<=[ (])/(?=dist|router)", f"{tmp_path}/", command), tmp_path / "src", inside)

    (tmp_path / "config.toml").write_text('[clients]\nme = "a-long-random-string"\n')
    own = {name: re.sub(r"^/", f"{tmp_path}/", value) for name, value in image.env.items()}
    own |= {"PATH": f"{tmp_path}/router/bin:{env['PATH']}", "HOME": "/nonexistent"}
    arguments = [one.replace("/state", f"{tmp_path}/state") for one in image.json("CMD")]
    arguments[arguments.index("8080")] = "0"
    with DemoProvider() as provider:
        own |= provider_env(provider.url, "openai")
        program = [f"{tmp_path}/router/bin/{image.json('ENTRYPOINT')[0]}", *arguments]
        with running(program, tmp_path, own) as url:
            key = {"authorization": "Bearer a-long-random-string"}
            answer = httpx.post(f"{url}/v1/chat/completions", json=QUESTION, headers=key, trust_env=False)
            assert answer.json()["choices"][0]["message"]["content"] == POEM
            check = [one.replace("http://127.0.0.1:8080", url) for one in image.json("HEALTHCHECK")]
            subprocess.run(check, env=own, check=True)
        assert subprocess.run(check, env=own, check=False, capture_output=True).returncode == 1
    assert (tmp_path / "state/mitmproxy").is_dir()


def test_a_tree_without_git_has_a_version(tmp_path: Path, env: dict[str, str]) -> None:
    for name in ("pyproject.toml", "README.md", "LICENSE", "addon/smart_router/__init__.py"):
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        shutil.copy(ROOT / name, tmp_path / name)
    shell(f"{uv()} build --wheel --python {sys.executable} --out-dir dist", tmp_path, env)
    assert [path.name for path in (tmp_path / "dist").glob("*.whl")] == [
        "smart_router-0.1.0-py3-none-any.whl"
    ]
