"""Old flows leave mitmweb's and the console's list, which otherwise never forget one."""

from __future__ import annotations

from mitmproxy import ctx, flow, http

from smart_router.ui.flow_marks import is_own_mark


class FlowLimit:
    """Once more than `router_keep_flows` flows are listed, the oldest go.

    Flows that are under way, paused, changed or marked by the user stay, and so do all for 0.
    """

    name = "smart-router-trim"

    def response(self, flow: http.HTTPFlow) -> None:
        """A flow ended, so there may be one too many."""
        self.trim()

    def error(self, flow: http.HTTPFlow) -> None:
        """A flow broke, so there may be one too many."""
        self.trim()

    def trim(self) -> None:
        """Remove what is too many, the oldest first."""
        view = ctx.master.addons.get("view")
        if view is None or not (most := ctx.options.router_keep_flows) or view.store_count() <= most:
            return
        flows = view.resolve("@all")
        for old in flows[: len(flows) - most]:
            if _may_go(old):
                view.remove([old])  # one by one: mitmproxy logs it for more than one


def _may_go(old: flow.Flow) -> bool:
    if old.live or old.intercepted or old.modified():
        return False
    return is_own_mark(old)
