"""Finds mitmproxy's addons that ignore flows with the present options.

Most of those that handle a request only check an option that is rarely set, and that changes only with the
options. Some others handle only requests that pass through, not those that the router answers.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from mitmproxy import addons, ctx
from mitmproxy.addons import dumper

FLOW_HOOKS = frozenset({"requestheaders", "request", "responseheaders", "response", "error"})

_BY_ATTRIBUTE: Mapping[type, str] = {
    addons.blocklist.BlockList: "items",
    addons.maplocal.MapLocal: "replacements",
    addons.mapremote.MapRemote: "replacements",
    addons.modifybody.ModifyBody: "replacements",
    addons.modifyheaders.ModifyHeaders: "replacements",
    addons.proxyauth.ProxyAuth: "validator",
    addons.save.Save: "stream",
    addons.stickyauth.StickyAuth: "flt",
    addons.stickycookie.StickyCookie: "flt",
    addons.upstream_auth.UpstreamAuth: "auth",
}
"""The attribute that must be set for the addon to do anything."""

_BY_OPTION: Mapping[type, str] = {
    addons.anticache.AntiCache: "anticache",
    addons.anticomp.AntiComp: "anticomp",
    dumper.Dumper: "flow_detail",
    addons.savehar.SaveHar: "hardump",
}
"""The option that must be set for the addon to do anything."""


_PASSING = frozenset(
    (
        addons.disable_h2c.DisableH2C,
        addons.onboarding.Onboarding,
        addons.tlsconfig.TlsConfig,
        addons.update_alt_svc.UpdateAltSvc,
    )
)
"""Addons that handle requests to mitmproxy itself, and headers that the router does not pass on."""


def is_idle(addon: Any, *, own: bool = False) -> bool:
    """Return whether the addon ignores all flows, or the router's `own`, until options change."""
    kind = type(addon)
    if kind in _BY_ATTRIBUTE:
        return not getattr(addon, _BY_ATTRIBUTE[kind])
    if kind in _BY_OPTION:
        return not getattr(ctx.options, _BY_OPTION[kind])
    return own and kind in _PASSING
