"""Which of mitmproxy's own addons have nothing to do with flows, as they are set up.

Most of those that handle a request only look whether an option was given that hardly anybody gives. What
each looks at is set when options change, and only then.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from mitmproxy import ctx
from mitmproxy.addons import (
    anticache,
    anticomp,
    blocklist,
    maplocal,
    mapremote,
    modifybody,
    modifyheaders,
    proxyauth,
    savehar,
    stickyauth,
    stickycookie,
    upstream_auth,
)

FLOW_HOOKS = frozenset({"requestheaders", "request", "responseheaders", "response", "error"})

_BY_ATTRIBUTE: Mapping[type, str] = {
    blocklist.BlockList: "items",
    maplocal.MapLocal: "replacements",
    mapremote.MapRemote: "replacements",
    modifybody.ModifyBody: "replacements",
    modifyheaders.ModifyHeaders: "replacements",
    proxyauth.ProxyAuth: "validator",
    stickyauth.StickyAuth: "flt",
    stickycookie.StickyCookie: "flt",
    upstream_auth.UpstreamAuth: "auth",
}
"""What must be there for the addon to do anything."""

_BY_OPTION: Mapping[type, str] = {
    anticache.AntiCache: "anticache",
    anticomp.AntiComp: "anticomp",
    savehar.SaveHar: "hardump",
}
"""The option that must be given for the addon to do anything."""


def is_idle(addon: Any) -> bool:
    """Whether the addon passes over all flows until options change."""
    kind = type(addon)
    if kind in _BY_ATTRIBUTE:
        return not getattr(addon, _BY_ATTRIBUTE[kind])
    return kind in _BY_OPTION and not getattr(ctx.options, _BY_OPTION[kind])
