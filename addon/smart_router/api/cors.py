"""Answers that web pages of other origins may read (Fetch standard, CORS protocol)."""

from __future__ import annotations

from collections.abc import Sequence

from mitmproxy import http


def cors(origin: str) -> dict[str, str]:
    """Return headers that let a web page of an allowed origin read the answer and its headers."""
    return {"access-control-allow-origin": origin, "access-control-expose-headers": "*", "vary": "origin"}


def preflight(methods: Sequence[str]) -> http.Response:
    """Return the answer to a preflight request."""
    return http.Response.make(
        204,
        b"",
        {
            "access-control-allow-methods": ", ".join(methods),
            "access-control-allow-headers": "*, authorization",
            "access-control-max-age": "600",
        },
    )
