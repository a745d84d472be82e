"""The demo in a checkout: `uv run python scripts/demo.py` is `smart-router demo`."""

from smart_router.cli.demo import demo

if __name__ == "__main__":
    demo()
