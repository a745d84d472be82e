"""Keeps secrets out of mitmproxy's debug log: `proxy_debug` shows all bytes of every connection.

A key can be anywhere in those bytes: split between two reads, or compressed by HTTP/2. So the log shows none
of them, only header names. mitmproxy quotes no header at other levels.
"""

from __future__ import annotations

import logging
import re

from smart_router.dialects.masking import mask_secrets

LOGGERS = ("mitmproxy.proxy.server", "mitmproxy.proxy.layers.http._http_h2")
"""Loggers of the layers and of the HTTP/2 library."""

# the literal's end is missing where mitmproxy has cut a long message
_LITERAL = r"""b(?:'(?:[^'\\]|\\.)*(?:'|\\?\Z)|"(?:[^"\\]|\\.)*(?:"|\\?\Z))"""
_HEADER_OR_BYTES = re.compile(rf"(\(b':?[a-z][a-z0-9-]*', )?{_LITERAL}", re.DOTALL)
_QUERY_KEY = re.compile(r"(?i)([?&](?:api[_-]?key|key|access_token|token)=)[^&\s)'\"]+")


def install() -> None:
    """Redact these loggers. A second call changes nothing."""
    for name in LOGGERS:
        logging.getLogger(name).addFilter(_redact)


def redact(text: str) -> str:
    """Return a debug message without quoted bytes and without keys in paths."""
    text = _HEADER_OR_BYTES.sub(lambda found: f"{found[1] or ''}b'***'", text)
    return mask_secrets(_QUERY_KEY.sub(r"\1***", text))


def _redact(record: logging.LogRecord) -> bool:
    if record.levelno <= logging.DEBUG:
        record.msg, record.args = redact(record.getMessage()), None
    return True
