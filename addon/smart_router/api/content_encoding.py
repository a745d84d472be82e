"""Bounded decompression of request bodies."""

from __future__ import annotations

from smart_router.decompression import ENCODINGS, DecodeError, TooLargeError, decompress, encoding_of
from smart_router.errors import ClientError


def decode_body(body: bytes, header: str, limit: int) -> bytes:
    """The body without its content-encoding, of at most `limit` bytes: a small body may unpack to gigabytes.

    Raises ClientError: 400 damaged, 413 too large, 415 another encoding.
    """
    encoding = encoding_of(header)
    if encoding is None:
        return body
    if encoding not in ENCODINGS:
        accepted = ", ".join(ENCODINGS)
        raise ClientError(
            415,
            f"bodies with content-encoding {encoding!r} are not read, only {accepted}",
            code="unsupported_encoding",
            headers={"accept-encoding": accepted},
        )
    try:
        return decompress(body, encoding, limit)
    except TooLargeError:
        raise too_large(limit) from None
    except DecodeError as error:
        message = f"the body is not valid {encoding}: {error}"
        raise ClientError(400, message, code="invalid_encoding") from None


def too_large(limit: int) -> ClientError:
    """The 413 for a body of more than `limit` bytes."""
    message = f"the request body is larger than {limit} bytes (option router_max_body)"
    return ClientError(413, message, code="request_too_large")
