"""The live page at `/router`: what it shows, its events, and its files."""
