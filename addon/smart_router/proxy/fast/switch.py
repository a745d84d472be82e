"""Switches the fast path: the router's faster replacements for parts of mitmproxy.

With it off, the plain classes of `proxy/` run, and only the repairs of `proxy/fixes/` replace parts of
mitmproxy. Open connections keep the classes that they began with.
"""

from __future__ import annotations

import logging

from mitmproxy import version
from mitmproxy.master import Master
from mitmproxy.options import Options

from smart_router.proxy.fast import accept, functions, reader
from smart_router.proxy.fast.hook_dispatch import FastHooks
from smart_router.proxy.fast.layer import FastRoutedLayer
from smart_router.proxy.fast.patches import Patches
from smart_router.proxy.layer import RoutedLayer

logger = logging.getLogger(__name__)

TESTED = ("12.2.3", "12.3.1")
"""Versions of mitmproxy with which the tests in tests/contracts pass."""

_BODY_LIMITS = ("stream_large_bodies", "body_size_limit")
"""mitmproxy's options that its streams read for each body."""


class _Enabled:
    """The fast path of one mitmproxy, from its construction until `undo`."""

    def __init__(self, master: Master) -> None:
        self._master = master
        self._shortcuts = FastRoutedLayer.shortcuts
        hooks = FastHooks(master.addons)
        self._patches = Patches([*functions.REPLACED, *reader.REPLACED, *hooks.replaced()])
        self._patches.apply()
        self._shortcuts.run_hook = hooks.start
        self._follow(master.options)
        master.options.changed.connect(self._options_changed)
        self.accept_in_batches()

    def undo(self) -> None:
        """Restore all that was replaced."""
        self._master.options.changed.disconnect(self._options_changed)
        self._patches.restore()
        defaults = type(self._shortcuts)()
        for name in self._shortcuts.__slots__:
            setattr(self._shortcuts, name, getattr(defaults, name))
        accept.restore()

    def accept_in_batches(self) -> None:
        """Have the servers that listen now accept clients in small batches."""
        if proxyserver := self._master.addons.get("proxyserver"):
            accept.accept_in_batches(proxyserver)

    def _options_changed(self, updated: set[str]) -> None:
        self._follow(self._master.options)

    def _follow(self, options: Options) -> None:
        self._shortcuts.bodies_limited = any(getattr(options, name, True) for name in _BODY_LIMITS)
        self._shortcuts.streams_stored = getattr(options, "store_streamed_bodies", True)
        self._shortcuts.hosts_kept = getattr(options, "keep_host_header", True)


_enabled: _Enabled | None = None


def is_on(setting: str) -> bool:
    """Return whether a value of `router_fast_path` enables the fast path for the running mitmproxy."""
    return setting == "on" or (setting == "auto" and version.VERSION in TESTED)


def set_to(setting: str, master: Master) -> None:
    """Enable or disable the fast path, as a value of `router_fast_path` says; log why `auto` left it off."""
    if is_on(setting):
        enable(master)
        return
    disable()
    if setting == "auto":
        tested = ", ".join(TESTED)
        logger.warning(
            "smart-router: the fast path is off: mitmproxy %s is not a tested version (%s). "
            "To use it anyway, set router_fast_path=on.",
            version.VERSION,
            tested,
        )


def enable(master: Master) -> None:
    """Put the fast path in place, for connections from now on. A second call changes nothing."""
    global _enabled
    if _enabled is None:
        _enabled = _Enabled(master)


def disable() -> None:
    """Restore all that `enable` replaced."""
    global _enabled
    if _enabled is not None:
        _enabled.undo()
        _enabled = None


def layer_class() -> type[RoutedLayer]:
    """Return the class of the HTTP layers of new connections."""
    return RoutedLayer if _enabled is None else FastRoutedLayer


def servers_started() -> None:
    """Have the servers that listen now accept clients in small batches."""
    if _enabled is not None:
        _enabled.accept_in_batches()
