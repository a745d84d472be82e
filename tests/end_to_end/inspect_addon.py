"""Loaded beside the router: `GET /inspect` tells what its client connection and the addon still hold."""

from __future__ import annotations

import json

from mitmproxy import ctx, http

from smart_router.proxy.layer import RoutedLayer


class Inspect:
    def request(self, flow: http.HTTPFlow) -> None:
        if flow.request.path != "/inspect":
            return
        handler = ctx.master.addons.get("proxyserver").connections[flow.client_conn.id]
        layer = handler.layer
        while not isinstance(layer, RoutedLayer):
            layer = getattr(layer, "layer", None) or layer.child_layer
        router = ctx.master.addons.get("smart-router")
        held = {
            "connections": len(layer.connections),
            "streams": len(layer.streams),
            "command_sources": len(layer.command_sources),
            "waiting": len(layer.waiting_for_establishment),
            "timers": len(layer.timers),
            "running": len(layer.running),
            "wakeups": len(handler.wakeup_timer),
            "attempts": len(router.attempts),
            "claims": len(router.claims),
        }
        flow.response = http.Response.make(200, json.dumps(held), {"content-type": "application/json"})


addons = [Inspect()]
