"""What the router adds to mitmproxy's own tools: linked flows, views, commands, replays, fixed endpoints."""
