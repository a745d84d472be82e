"""The flow list of mitmweb and the console: updates from outside the flows' hooks, and a limit."""

from __future__ import annotations

from collections.abc import Sequence

from mitmproxy import ctx, http

from smart_router.attempts.exchange import Exchange
from smart_router.ui import comments
from smart_router.ui.flow_marks import is_own_mark


def refresh(flows: Sequence[http.HTTPFlow]) -> None:
    """Show the changes of these flows."""
    if flows and (view := ctx.master.addons.get("view")):
        view.update(flows)


def show_costs(exchanges: Sequence[Exchange]) -> None:
    """Show the costs of these requests, which are known now."""
    for exchange in exchanges:
        exchange.client_flow.comment = comments.ended(exchange)
    refresh([exchange.client_flow for exchange in exchanges])


class FlowLimit:
    """Removes the oldest flows above `router_keep_flows`; 0 keeps all, as mitmproxy does.

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
