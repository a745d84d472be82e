"""Loaded beside the router: logs each WebSocket that begins."""

import logging

from mitmproxy import http

LINE = "a WebSocket began"


class Sockets:
    def websocket_start(self, flow: http.HTTPFlow) -> None:
        logging.getLogger(__name__).info("%s: %s", LINE, flow.request.path)


addons = [Sockets()]
