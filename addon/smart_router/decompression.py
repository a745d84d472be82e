"""Incremental decompression with bounded output: gzip, deflate, br and zstd (RFC 9110, section 8.4.1).

A few compressed bytes can expand to gigabytes: nothing here produces more than `PIECE` bytes at once, and the
caller stops when it has enough.
"""

from __future__ import annotations

import sys
import zlib
from collections.abc import Callable, Iterator
from contextlib import suppress
from itertools import chain

import brotli  # type: ignore[import-untyped]

from smart_router.errors import ClientError, body_too_large

if sys.version_info >= (3, 14):
    from compression import zstd
else:
    from backports import zstd

PIECE = 64 * 1024
"""Bytes of output produced at once."""

_ZSTD_WINDOW_LOG = 23
"""Largest zstd window, as a power of two: 8 MiB, RFC 9659's limit for HTTP. The library allows 128 MiB."""


class DecodeError(Exception):
    """Damaged or truncated data; the message says how."""


class TooLargeError(DecodeError):
    """Decompressed data that exceeds the limit."""


class _Member:
    """One gzip member, zlib stream, zstd frame or brotli stream; this class itself passes plain data.

    Once `pieces` is exhausted, `finished` says whether the member has ended, and `rest` is the input after
    its end, where another member may begin if it `repeats`.
    """

    repeats = False
    finished = True
    rest = b""

    def pieces(self, data: bytes) -> Iterator[bytes]:
        yield data


class _Zlib(_Member):
    repeats = True
    finished = False

    def __init__(self, wbits: int) -> None:
        self._inner = zlib.decompressobj(wbits)

    def pieces(self, data: bytes) -> Iterator[bytes]:
        inner = self._inner
        while not inner.eof and (piece := inner.decompress(data, PIECE)):
            yield piece
            data = inner.unconsumed_tail
        self.finished, self.rest = inner.eof, inner.unused_data


class _Zstd(_Member):
    repeats = True
    finished = False

    def __init__(self) -> None:
        options: dict[int, int] = {zstd.DecompressionParameter.window_log_max: _ZSTD_WINDOW_LOG}
        self._inner = zstd.ZstdDecompressor(options=options)

    def pieces(self, data: bytes) -> Iterator[bytes]:
        inner = self._inner
        while True:
            if piece := inner.decompress(data, PIECE):
                yield piece
            data = b""
            if inner.eof or inner.needs_input:
                break
        if inner.eof:
            self.finished, self.rest = True, inner.unused_data


class _Brotli(_Member):
    """The library does not tell where the stream ends in the input: data after the end is ignored."""

    finished = False

    def __init__(self) -> None:
        self._inner = brotli.Decompressor()

    def pieces(self, data: bytes) -> Iterator[bytes]:
        while not self._inner.is_finished():
            piece = self._inner.process(data, output_buffer_limit=PIECE)
            data = b""
            if piece:
                yield piece
            elif self._inner.can_accept_more_data():
                break
        self.finished = bool(self._inner.is_finished())


def _open_gzip(start: bytes) -> _Member | None:
    return _Zlib(zlib.MAX_WBITS | 16) if start.startswith(b"\x1f\x8b") else _open_zlib(start)


def _open_zlib(start: bytes) -> _Member | None:
    """A zlib stream, if it begins with a zlib header (RFC 1950)."""
    is_zlib = len(start) >= 2 and start[0] & 15 == 8 and int.from_bytes(start[:2]) % 31 == 0
    return _Zlib(zlib.MAX_WBITS) if is_zlib else None


def _open_deflate(start: bytes) -> _Member | None:
    """Accepts both forms in use: with the zlib header that the standard requires, and raw deflate data."""
    if start.startswith(b"\x1f\x8b"):
        return _open_gzip(start)
    return _open_zlib(start) or (None if _is_text(start) else _Zlib(-zlib.MAX_WBITS))


def _open_brotli(start: bytes) -> _Member | None:
    return None if _is_text(start) else _Brotli()


def _open_zstd(start: bytes) -> _Member | None:
    skippable = start[1:4] == b"\x2a\x4d\x18" and start[0] >> 4 == 5
    return _Zstd() if start.startswith(b"\x28\xb5\x2f\xfd") or skippable else None


def _is_text(start: bytes) -> bool:
    """Return whether data begins like a JSON object or an event stream: brotli and raw deflate have no
    signature."""
    return start[:2] in (b"{}", b'{"', b"{\n", b"{\r", b"{ ", b"da", b"ev", b": ", b":\n", b"id")


_OPEN: dict[str, Callable[[bytes], _Member | None]] = {
    "gzip": _open_gzip,
    "x-gzip": _open_gzip,
    "deflate": _open_deflate,
    "br": _open_brotli,
    "zstd": _open_zstd,
}

ENCODINGS = tuple(_OPEN)
"""Supported content codings."""

_SIGNATURE = 4
"""Bytes needed to recognize compressed data."""


class Decoder:
    """Decompresses incrementally into pieces of at most `PIECE` bytes; any split of the input gives the same
    data.

    A body may consist of several gzip members or zstd frames. With `lenient`, data without its encoding's
    signature passes unchanged: some servers name an encoding and do not compress.
    """

    def __init__(self, encoding: str, *, lenient: bool = False) -> None:
        self._open = _OPEN[encoding]
        self._lenient = lenient
        self._start = b""
        self._member: _Member | None = None

    @property
    def finished(self) -> bool:
        """True if the data so far is complete, and before the first byte."""
        return not self._start and (self._member is None or self._member.finished)

    def feed(self, data: bytes) -> Iterator[bytes]:
        """Decompress more input. Raises DecodeError; exhaust the iterator before the next call."""
        return self._read(data, _SIGNATURE)

    def close(self) -> Iterator[bytes]:
        """Decompress the rest at the end of the input, which may be shorter than a signature. Raises
        DecodeError."""
        return self._read(b"", 1)

    def _read(self, data: bytes, needed: int) -> Iterator[bytes]:
        data, self._start = self._start + data, b""
        try:
            while data:
                if self._member is None or (self._member.finished and self._member.repeats):
                    if len(data) < needed:
                        self._start = data
                        return
                    self._begin(data)
                assert self._member is not None
                yield from self._member.pieces(data)
                data = self._member.rest
        except (zlib.error, brotli.error, zstd.ZstdError) as error:
            raise DecodeError(str(error)) from None

    def _begin(self, data: bytes) -> None:
        member = self._open(data)
        if member is None and not (self._lenient and self._member is None):
            raise DecodeError("the data has no valid header")
        self._member = member or _Member()


def encoding_of(header: str) -> str | None:
    """Return the content coding of a Content-Encoding header, None for an uncompressed body."""
    encoding = header.strip().lower()
    return None if encoding in ("", "identity", "none") else encoding


def decompress_start(data: bytes, encoding: str | None, limit: int) -> bytes:
    """Return up to `limit` bytes of a body, as far as it is readable; unchanged for an unknown encoding."""
    if encoding not in _OPEN:
        return data[:limit]
    found = bytearray()
    with suppress(DecodeError):
        for piece in Decoder(encoding, lenient=True).feed(data):
            found += piece
            if len(found) >= limit:
                break
    return bytes(found[:limit])


def decompress(data: bytes, encoding: str, limit: int, *, lenient: bool = False) -> bytes:
    """Return the whole body. Raises TooLargeError above `limit` bytes, DecodeError for damaged or truncated
    data."""
    decoder = Decoder(encoding, lenient=lenient)
    found = bytearray()
    for piece in chain(decoder.feed(data), decoder.close()):
        found += piece
        if len(found) > limit:
            raise TooLargeError(f"the decompressed data exceeds {limit} bytes")
    if not decoder.finished:
        raise DecodeError("the data is truncated")
    return bytes(found)


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
        raise body_too_large(limit) from None
    except DecodeError as error:
        message = f"the body is not valid {encoding}: {error}"
        raise ClientError(400, message, code="invalid_encoding") from None
