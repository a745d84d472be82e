"""Attempts inside a client flow: the only place that relies on mitmproxy's proxy internals."""
