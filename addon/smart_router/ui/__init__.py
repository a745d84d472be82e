"""The router's additions to mitmproxy's tools: linked flows, views, commands, replays, fixed endpoints."""
