"""Native requests: the client speaks the provider's own format, so its request passes almost unchanged.

The model's name is replaced within the received bytes; fields that this package does not know, and the order
and spelling of all others, reach the provider as the client wrote them.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from typing import Any, NamedTuple
from urllib.parse import parse_qsl, urlencode

from pydantic_core import from_json, to_json

_MODEL = re.compile(rb'(?<!\\)"model"\s*:\s*("(?:[^"\\]|\\.)*")')
_PROBE = "\0"
"""No client's name for a model: shows which value a parser reads."""


class Received(NamedTuple):
    """A client's request. `format` is the client dialect's name, `path` includes the query, `body` is
    decompressed, `headers` are the client's, without regard to case."""

    format: str
    path: str
    headers: Mapping[str, str]
    body: bytes

    def query(self, *names: str) -> str:
        """Return the query with these parameters only (others may be keys), with its question mark."""
        pairs = parse_qsl(self.path.partition("?")[2], keep_blank_values=True)
        kept = urlencode([(name, value) for name, value in pairs if name in names])
        return f"?{kept}" if kept else ""

    def headers_named(self, names: Iterable[str]) -> dict[str, str]:
        """Return those of these headers that were sent."""
        return {name: self.headers[name] for name in names if name in self.headers}


NATIVE_HEADERS: Mapping[str, tuple[str, ...]] = {
    **dict.fromkeys(("anthropic", "anthropic-count"), ("anthropic-beta", "anthropic-version")),
    "responses": ("openai-beta",),
}
"""Headers that pass with native requests, by format; all others, credentials among them, do not."""


def with_model(body: bytes, model: str) -> bytes:
    """Return a JSON object with another top-level `model`. Nothing else changes if its value is found.

    Raises ValueError for what is not a JSON object.
    """
    name = to_json(model)
    found = list(_MODEL.finditer(body))
    if len(found) == 1 and body.count(b"{", 0, found[0].start()) == 1:
        return _spliced(body, found[0], name)
    for match in found:
        if _parsed(_spliced(body, match, to_json(_PROBE))).get("model") == _PROBE:
            return _spliced(body, match, name)
    return rewritten_for(body, model)


def rewritten_for(body: bytes, model: str) -> bytes:
    """Return a JSON object, written anew, with another top-level `model`.

    Raises ValueError for what is not a JSON object.
    """
    return to_json({**_parsed(body), "model": model})


def _spliced(body: bytes, match: re.Match[bytes], value: bytes) -> bytes:
    return body[: match.start(1)] + value + body[match.end(1) :]


def _parsed(body: bytes) -> dict[str, Any]:
    parsed = from_json(body, allow_inf_nan=False)
    if not isinstance(parsed, dict):
        raise ValueError("the body is not a JSON object")
    return parsed
