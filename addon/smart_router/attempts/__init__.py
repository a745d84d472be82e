"""The attempts of one client request, without mitmproxy's private parts."""
