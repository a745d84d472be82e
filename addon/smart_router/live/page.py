"""The files of the live page, and the same page as one file that holds a report.

There is no build step: the modules are joined on request, in the order of `MODULES` and without their imports
and exports, so their names must differ.
"""

from __future__ import annotations

import re
from base64 import b64encode
from collections.abc import Callable, Mapping
from functools import cache, partial
from hashlib import sha256
from importlib.resources import files
from typing import Any, NamedTuple

from pydantic_core import to_json

MODULES = (
    "format.js",
    "dom.js",
    "charts.js",
    "summary.js",
    "requests.js",
    "accounts.js",
    "feed.js",
    "main.js",
)
"""The page's modules; each imports earlier ones only."""

_POLICY = "default-src 'none'; base-uri 'none'; form-action 'none'; require-trusted-types-for 'script'"
_LIVE = "script-src 'self'; style-src 'self'; connect-src 'self'; img-src data:; frame-ancestors 'none'"

HEADERS = {
    "content-security-policy": f"{_POLICY}; {_LIVE}",
    "cache-control": "no-cache",
    "referrer-policy": "no-referrer",
    "x-content-type-options": "nosniff",
}
"""Headers of all answers that are part of the page. It shows names from clients: even an unescaped one could
load and run nothing."""

_IMPORT = re.compile(r"^import .*?;\n", re.MULTILINE | re.DOTALL)
_EXPORT = re.compile(r"^export ", re.MULTILINE)
_LOADED = re.compile(r"\s*<!-- loaded -->.*<!-- /loaded -->", re.DOTALL)


class PageFile(NamedTuple):
    """A file that the page loads."""

    content_type: str
    read: Callable[[], str]


def live_page() -> str:
    """Return the page that follows `/router/events`."""
    return read_part("page.html")


def report_page(snapshot: Mapping[str, Any]) -> str:
    """Return the page with this state in it, as one file that loads nothing."""
    program, looks = script(), read_part("page.css")
    policy = f"{_POLICY}; img-src data:; script-src '{_digest(program)}'; style-src '{_digest(looks)}'"
    data = to_json(snapshot).decode().replace("<", "\\u003c")  # a name cannot end the element
    head = f'<meta http-equiv="content-security-policy" content="{policy}"><style>{looks}</style>'
    state = f'<script type="application/json" id="state">{data}</script>'
    page = _LOADED.sub(lambda found: head, read_part("page.html"), count=1)
    return page.replace("</body>", f"{state}<script>{program}</script></body>")


def script() -> str:
    """Return the modules as one script.

    It is no module: browsers load modules with an Origin header, and the router would refuse that request as
    another page's.
    """
    joined = "".join(_EXPORT.sub("", _IMPORT.sub("", read_part(name))) for name in MODULES)
    return f'(() => {{\n"use strict";\n{joined}}})();\n'


def _digest(text: str) -> str:
    return f"sha256-{b64encode(sha256(text.encode()).digest()).decode()}"


@cache
def read_part(name: str) -> str:
    """Return one of the files of which the page is made."""
    return files("smart_router.live").joinpath("page", name).read_text("utf-8")


FILES: Mapping[str, PageFile] = {
    "page.css": PageFile("text/css; charset=utf-8", partial(read_part, "page.css")),
    "page.js": PageFile("text/javascript; charset=utf-8", script),
}
"""The files below `/router/page/`."""
