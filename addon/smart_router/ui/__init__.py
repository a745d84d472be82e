"""Additions to mitmweb and the console: linked and marked flows, a transcript view, commands."""
