"""A real authorization server (npm's oidc-provider) as a child process, and the user who confirms there."""

from __future__ import annotations

import contextlib
import json
import shutil
import subprocess
import tempfile
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from html.parser import HTMLParser
from pathlib import Path

import httpx
import pytest

PACKAGE = "oidc-provider@9.13.3"
OLDEST_NODE = 20
NOTHING: Mapping[str, str] = {}
SERVER = Path(__file__).with_name("oidc_server.mjs")


def install(cache: Path) -> Path:
    """The folder below `cache` that has the package; it is installed there once. Skips where it cannot be."""
    if not (shutil.which("node") and shutil.which("npm")):
        pytest.skip("node and npm are needed for a real authorization server")
    version = subprocess.run(["node", "--version"], capture_output=True, text=True, check=True).stdout
    if int(version.strip().lstrip("v").partition(".")[0]) < OLDEST_NODE:
        pytest.skip(f"{PACKAGE} needs node {OLDEST_NODE}, this is {version.strip()}")
    folder = cache / PACKAGE
    if folder.exists():
        return folder
    # under another name first: other test runs may be doing the same
    with tempfile.TemporaryDirectory(dir=cache) as name:
        made = Path(name) / "made"
        made.mkdir()
        (made / "package.json").write_text("{}")
        command = ["npm", "install", "--no-audit", "--no-fund", "--ignore-scripts", "--no-save", PACKAGE]
        try:
            subprocess.run(command, cwd=made, check=True, capture_output=True, timeout=60)
        except (subprocess.CalledProcessError, subprocess.TimeoutExpired) as error:
            pytest.skip(f"{PACKAGE} could not be installed: {error}")
        with contextlib.suppress(OSError):  # someone else was quicker
            made.rename(folder)
    return folder


@contextmanager
def serving(folder: Path) -> Iterator[str]:
    """The server's base URL, while it runs. The client is `router`; the account `NAME` has the address
    `NAME@example.com` and the ChatGPT account `acc-NAME`."""
    child = subprocess.Popen(
        ["node", str(SERVER), str(folder)],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    assert child.stdin and child.stdout and child.stderr
    try:
        line = child.stdout.readline()
        if not line:
            raise RuntimeError(f"oidc-provider does not run: {child.stderr.read()}")
        yield f"http://127.0.0.1:{json.loads(line)['port']}"
    finally:
        child.stdin.close()
        child.wait(10)
        child.stdout.close()
        child.stderr.close()


class _Form(HTMLParser):
    """The first form of a page: where it goes, and what it sends unless the user writes something."""

    def __init__(self, page: str) -> None:
        super().__init__()
        self.action: str | None = None
        self.fields: dict[str, str] = {}
        self.feed(page)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        found = dict(attrs)
        if tag == "form" and self.action is None:
            self.action = found.get("action") or ""
        elif tag == "input" and (name := found.get("name")):
            self.fields[name] = found.get("value") or ""


def confirm(url: str, *, answers: Mapping[str, str], pressed: Mapping[str, str] = NOTHING) -> str:
    """Be the user: open the page and send every form that comes, with these answers and with the button that
    is `pressed`. The last page's text."""
    with httpx.Client(follow_redirects=True, trust_env=False) as browser:
        page = browser.get(url)
        for _ in range(10):
            form = _Form(page.text)
            if form.action is None:
                break
            given = {name: answers.get(name, value) for name, value in form.fields.items()}
            page = browser.post(page.url.join(form.action), data={**given, **pressed})
        return page.text
