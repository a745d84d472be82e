"""Defaults of mitmproxy and of Python that would harm a router."""

from __future__ import annotations

import gc
import sys

from mitmproxy import ctx

from smart_router.addresses import LOOPBACK
from smart_router.proxy.fixes.loopback import start_on_loopback

YOUNG_OBJECTS = 20_000
"""Objects made before the collector looks for cycles among them. Those of a request, some hundred, are freed
without it when its record is written: with Python's limit of 2,000 it looked through most of them, in vain.
"""


def change_defaults() -> None:
    """Listen on loopback, connect to servers lazily, and show comments, unless the user chose otherwise."""
    if not ctx.options.listen_host:
        ctx.options.update(listen_host=LOOPBACK)
        start_on_loopback()
    if not _chosen("connection_strategy"):
        ctx.options.update(connection_strategy="lazy")
    if "web_columns" in ctx.options and not _chosen("web_columns"):  # only mitmweb has it
        ctx.options.update(web_columns=[*ctx.options.web_columns, "comment"])


def relieve_collector() -> None:
    """Spare the garbage collector all objects that exist once the router runs: looking through these 140,000
    stopped all requests for a tenth of a second, once in a few thousand of them.
    """
    if gc.get_freeze_count():  # a reload: what it replaced may be freed
        gc.unfreeze()
        gc.collect()
    gc.freeze()
    gc.set_threshold(YOUNG_OBJECTS, *gc.get_threshold()[1:])


def _chosen(option: str) -> bool:
    """True if the user set one of mitmproxy's options. One equal to the default shows only in sys.argv."""
    changed: bool = ctx.options.has_changed(option)
    return changed or any(option in argument for argument in sys.argv[1:])
