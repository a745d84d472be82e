"""Smart Router: an OpenAI-compatible LLM router that runs as a mitmproxy addon."""

__version__ = "0.1.0"
