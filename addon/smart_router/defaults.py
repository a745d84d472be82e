"""mitmproxy's defaults that would harm a router."""

from __future__ import annotations

import sys

from mitmproxy import ctx

from smart_router.addresses import LOOPBACK
from smart_router.proxy.fixes.loopback import start_on_loopback


def change_defaults() -> None:
    """Listen on loopback, connect to servers lazily, and show comments, unless the user chose otherwise."""
    if not ctx.options.listen_host:
        ctx.options.update(listen_host=LOOPBACK)
        start_on_loopback()
    if not _chosen("connection_strategy"):
        ctx.options.update(connection_strategy="lazy")
    if "web_columns" in ctx.options and not _chosen("web_columns"):  # only mitmweb has it
        ctx.options.update(web_columns=[*ctx.options.web_columns, "comment"])


def _chosen(option: str) -> bool:
    """True if the user set one of mitmproxy's options. One equal to the default shows only in sys.argv."""
    changed: bool = ctx.options.has_changed(option)
    return changed or any(option in argument for argument in sys.argv[1:])
