"""Updates of listed flows from outside their own hooks."""

from __future__ import annotations

from collections.abc import Sequence

from mitmproxy import ctx, http

from smart_router.attempts.exchange import Exchange
from smart_router.ui import comments


def refresh(flows: Sequence[http.HTTPFlow]) -> None:
    """Show in mitmweb or the console what changed on these flows."""
    if flows and (view := ctx.master.addons.get("view")):
        view.update(flows)


def show_costs(exchanges: Sequence[Exchange]) -> None:
    """Show the costs of these requests, which are known now."""
    for exchange in exchanges:
        exchange.client_flow.comment = comments.ended(exchange)
    refresh([exchange.client_flow for exchange in exchanges])
