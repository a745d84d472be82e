"""Decompression: every coding, any split of the input, bounded output."""

from __future__ import annotations

import gzip
import sys
import zlib
from collections.abc import Callable, Sequence
from itertools import pairwise

import brotli
import pytest
from hypothesis import given
from hypothesis import strategies as st

from smart_router.decompression import PIECE, DecodeError, Decoder, TooLargeError, decompress

if sys.version_info >= (3, 14):
    from compression import zstd
else:
    from backports import zstd

MEGABYTE = 1 << 20


def raw_deflate(data: bytes) -> bytes:
    packer = zlib.compressobj(wbits=-zlib.MAX_WBITS)
    return packer.compress(data) + packer.flush()


def members(pack: Callable[[bytes], bytes]) -> Callable[[bytes], bytes]:
    """Compress each half separately, like servers that flush whole members."""
    return lambda data: pack(data[: len(data) // 2]) + pack(data[len(data) // 2 :])


PACK: dict[str, tuple[str, Callable[[bytes], bytes]]] = {
    "gzip": ("gzip", gzip.compress),
    "x-gzip": ("x-gzip", gzip.compress),
    "zlib": ("deflate", zlib.compress),
    "raw deflate": ("deflate", raw_deflate),
    "br": ("br", brotli.compress),
    "zstd": ("zstd", zstd.compress),
    "gzip members": ("gzip", members(gzip.compress)),
    "zstd frames": ("zstd", members(zstd.compress)),
}
CODINGS = pytest.mark.parametrize("coding", PACK)


def unpack(encoding: str, pieces: Sequence[bytes], *, lenient: bool = False) -> tuple[bytes, bool]:
    """Return the data, and whether it was complete."""
    decoder = Decoder(encoding, lenient=lenient)
    found = b"".join(piece for data in pieces for piece in decoder.feed(data))
    return found + b"".join(decoder.close()), decoder.finished


@CODINGS
@given(
    data=st.binary(max_size=300) | st.text(st.sampled_from('data: {"x"}\n'), max_size=3000).map(str.encode),
    cuts=st.lists(st.integers(0, 400), max_size=8),
)
def test_any_split_gives_the_same_data(coding: str, data: bytes, cuts: list[int]) -> None:
    encoding, pack = PACK[coding]
    packed = pack(data)
    edges = [0, *sorted(min(cut, len(packed)) for cut in cuts), len(packed)]
    pieces = [packed[begin:end] for begin, end in pairwise(edges)]
    assert unpack(encoding, pieces) == (data, True)
    assert unpack(encoding, [packed[at : at + 1] for at in range(len(packed))]) == (data, True)
    assert decompress(packed, encoding, len(data)) == data


@CODINGS
def test_pieces_and_total_are_bounded(coding: str) -> None:
    encoding, pack = PACK[coding]
    bomb = pack(b" " * (4 * MEGABYTE))
    decoder = Decoder(encoding)
    sizes = [len(piece) for piece in decoder.feed(bomb)]
    assert sum(sizes) == 4 * MEGABYTE
    assert max(sizes) <= 2 * PIECE  # brotli's buffer grows in blocks of its own
    with pytest.raises(TooLargeError):
        decompress(bomb, encoding, MEGABYTE)


@CODINGS
def test_truncated_body_is_an_error(coding: str) -> None:
    encoding, pack = PACK[coding]
    with pytest.raises(DecodeError, match="truncated"):
        decompress(pack(b"some text")[:-1], encoding, 100)


@pytest.mark.parametrize("encoding", ["gzip", "deflate", "br", "zstd"])
@pytest.mark.parametrize("body", [b"{}", b'{"a": 1}', b"data: x\n\n", b": ping\n\n", b"event: a\n"])
def test_uncompressed_data_with_content_encoding(encoding: str, body: bytes) -> None:
    """Some servers send it, so it is accepted in a provider's answer, but not in a client's request."""
    assert unpack(encoding, [body[:1], body[1:]], lenient=True) == (body, True)
    with pytest.raises(DecodeError):
        decompress(body + b" " * 50, encoding, 100)


def test_empty_body_is_complete() -> None:
    assert decompress(b"", "gzip", 0) == b""


def test_zstd_frame_with_huge_window_is_refused() -> None:
    options = {zstd.CompressionParameter.window_log: 27, zstd.CompressionParameter.content_size_flag: 0}
    packer = zstd.ZstdCompressor(options=options)
    with pytest.raises(DecodeError):
        decompress(packer.compress(b"x" * MEGABYTE) + packer.flush(), "zstd", 2 * MEGABYTE)
