"""Smart Router: an OpenAI-compatible LLM router that runs as a mitmproxy addon."""

from importlib.metadata import PackageNotFoundError, version

try:
    __version__ = version("smart-router")
except PackageNotFoundError:  # mitmproxy of another environment loads the script from a checkout
    __version__ = "0"
