"""A real authorization server (npm's oidc-provider) as a child process, and the user who confirms there."""

from __future__ import annotations

import json
import shutil
import subprocess
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from html.parser import HTMLParser
from pathlib import Path

import httpx
import pytest

PACKAGE = "oidc-provider@9.13.3"
SERVER = Path(__file__).with_name("oidc_server.mjs")


def install(folder: Path) -> None:
    """Install the package there, once. Skips the test where that cannot be done."""
    if not (shutil.which("node") and shutil.which("npm")):
        pytest.skip("node and npm are needed for a real authorization server")
    done = folder / "installed"
    if done.exists():
        return
    (folder / "package.json").write_text("{}")
    command = ["npm", "install", "--no-audit", "--no-fund", "--ignore-scripts", "--no-save", PACKAGE]
    try:
        subprocess.run(command, cwd=folder, check=True, capture_output=True, timeout=60)
    except (subprocess.CalledProcessError, subprocess.TimeoutExpired) as error:
        pytest.skip(f"{PACKAGE} could not be installed: {error}")
    done.touch()


@contextmanager
def serving(folder: Path) -> Iterator[str]:
    """The server's base URL, while it runs. The client is `router`; the account `NAME` has the address
    `NAME@example.com` and the ChatGPT account `acc-NAME`."""
    child = subprocess.Popen(
        ["node", str(SERVER), str(folder)],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        text=True,
    )
    assert child.stdin and child.stdout
    try:
        line = child.stdout.readline()
        if not line:
            pytest.skip("oidc-provider does not run on this version of node")
        yield f"http://127.0.0.1:{json.loads(line)['port']}"
    finally:
        child.stdin.close()
        child.wait(10)
        child.stdout.close()


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


def confirm(url: str, *, answers: Mapping[str, str], pages: int = 10) -> str:
    """Be the user: open the page and send every form that comes, with these answers. The last page's text."""
    with httpx.Client(follow_redirects=True, trust_env=False) as browser:
        page = browser.get(url)
        for _ in range(pages):
            form = _Form(page.text)
            if form.action is None:
                break
            given = {name: answers.get(name, value) for name, value in form.fields.items()}
            extra = {name: value for name, value in answers.items() if name.startswith("+")}
            page = browser.post(
                page.url.join(form.action), data={**given, **{k[1:]: v for k, v in extra.items()}}
            )
        return page.text
