"""Removes old flows from mitmweb's and the console's lists, which otherwise keep every flow."""

from __future__ import annotations

from mitmproxy import ctx, http

from smart_router.ui.flow_marks import is_own_mark


class FlowLimit:
    """Removes the oldest flows above `router_keep_flows`; 0 keeps all.

    Flows in progress, and flows that the user paused, edited or marked, are never removed.
    """

    name = "smart-router-trim"

    def response(self, flow: http.HTTPFlow) -> None:
        """Remove the flows above the limit, oldest first."""
        view = ctx.master.addons.get("view")
        if view is None or not (most := ctx.options.router_keep_flows) or view.store_count() <= most:
            return
        flows = view.resolve("@all")
        for old in flows[: len(flows) - most]:
            if is_own_mark(old) and not (old.live or old.intercepted or old.modified()):
                view.remove([old])  # one by one: mitmproxy logs the removal of several

    error = response
