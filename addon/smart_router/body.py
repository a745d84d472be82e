"""The body of a client's request, decompressed within bounds."""

from __future__ import annotations

import zlib

from smart_router.errors import ClientError

ENCODINGS = ("gzip", "x-gzip", "deflate")
"""What zlib reads; OpenAI clients compress nothing by themselves."""

_ANY_HEADER = zlib.MAX_WBITS | 32
"""Lets zlib tell gzip's header from its own."""


def decode_body(body: bytes, encoding: str, limit: int) -> bytes:
    """The body without its content-encoding, of at most `limit` bytes: a small body may unpack to gigabytes.

    Raises ClientError: 400 damaged, 413 too large, 415 another encoding.
    """
    encoding = encoding.strip().lower()
    if encoding in ("", "identity"):
        return body
    if encoding not in ENCODINGS:
        accepted = ", ".join(ENCODINGS)
        raise ClientError(
            415,
            f"bodies with content-encoding {encoding!r} are not read, only {accepted}",
            code="unsupported_encoding",
            headers={"accept-encoding": accepted},
        )
    reader = zlib.decompressobj(_ANY_HEADER)
    try:
        decoded = reader.decompress(body, limit + 1)
    except zlib.error as error:
        raise _damaged(encoding, str(error)) from None
    if len(decoded) > limit:
        raise too_large(limit)
    if not reader.eof:
        raise _damaged(encoding, "it is cut off")
    return decoded


def too_large(limit: int) -> ClientError:
    """The 413 for a body of more than `limit` bytes."""
    message = f"the request body is larger than {limit} bytes (option router_max_body)"
    return ClientError(413, message, code="request_too_large")


def _damaged(encoding: str, why: str) -> ClientError:
    return ClientError(400, f"the body is not valid {encoding}: {why}", code="invalid_encoding")
