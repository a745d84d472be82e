"""The files of the live page, and the same page as one file that holds a report.

There is no build step: the live page loads the modules as they are. In a report they stand in one script, in
the order of `MODULES`, without their imports and exports, so their names must differ.
"""

from __future__ import annotations

import re
from base64 import b64encode
from collections.abc import Mapping
from functools import cache
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
"""Of all answers that are part of the page. Names in it come from clients: even an unescaped one could load
and run nothing."""

_IMPORT = re.compile(r"^import .*?;\n", re.MULTILINE | re.DOTALL)
_EXPORT = re.compile(r"^export ", re.MULTILINE)
_LOADED = re.compile(r"\s*<!-- loaded -->.*<!-- /loaded -->", re.DOTALL)


class PageFile(NamedTuple):
    """A file that the page loads."""

    name: str
    content_type: str

    def read(self) -> str:
        """Return its text."""
        return _read(self.name)


FILES: Mapping[str, PageFile] = {
    "page.css": PageFile("page.css", "text/css; charset=utf-8"),
    **{name: PageFile(name, "text/javascript; charset=utf-8") for name in MODULES},
}
"""What `/router/page/` serves."""


def live_page() -> str:
    """Return the page that follows `/router/events`."""
    return _read("page.html")


def report_page(snapshot: Mapping[str, Any]) -> str:
    """Return the page with this state in it, as one file that loads nothing."""
    script, style = _script(), _read("page.css")
    policy = f"{_POLICY}; img-src data:; script-src '{_digest(script)}'; style-src '{_digest(style)}'"
    data = to_json(snapshot).decode().replace("<", "\\u003c")  # a name cannot end the element
    head = f'<meta http-equiv="content-security-policy" content="{policy}"><style>{style}</style>'
    state = f'<script type="application/json" id="state">{data}</script>'
    page = _LOADED.sub(lambda found: head, _read("page.html"), count=1)
    return page.replace("</body>", f'{state}<script type="module">{script}</script></body>')


def _script() -> str:
    """The modules as one script."""
    return "".join(_EXPORT.sub("", _IMPORT.sub("", _read(name))) for name in MODULES)


def _digest(text: str) -> str:
    return f"sha256-{b64encode(sha256(text.encode()).digest()).decode()}"


@cache
def _read(name: str) -> str:
    return files("smart_router.live").joinpath("page", name).read_text("utf-8")
