"""Reads the head of a plain HTTP/1 message that was received in one piece; mitmproxy reads all others.

Plain messages are requests for a path and responses with a body, whose length is stated once. They equal
those that mitmproxy makes of the same lines, which checks and converts each part of them separately.
"""

from __future__ import annotations

import re
import time
from collections.abc import Sequence
from typing import Any

from h11._receivebuffer import ReceiveBuffer
from mitmproxy import http

from smart_router.proxy.fast.functions import (
    BODILESS,
    FRAMING,
    FRAMING_LENGTHS,
    WITH_BODY,
    is_plain_length,
)
from smart_router.proxy.fixes.http1_bounds import MAX_FIELDS, MAX_HEAD

Fields = tuple[tuple[bytes, bytes], ...]

SMALL = 1 << 18
"""Bytes of the largest message that is read in one step."""

_REQUEST_LINE = re.compile(rb"([!-~]+) (/[!-~]*) (HTTP/1\.[01])")
_STATUS_LINE = re.compile(rb"(HTTP/1\.[01]) ([2-5][0-9]{2}) ?([!-~]+(?: [!-~]+)*)?")


def find_head(buffer: ReceiveBuffer) -> tuple[list[bytes], int] | None:
    """Return the lines of a head that is followed by a body or a part of it, and its end; None for others."""
    data: bytearray = buffer._data
    end = data.find(b"\r\n\r\n") + 4 if len(data) <= SMALL else 0
    if not 4 <= end < min(len(data), MAX_HEAD):
        return None
    lines = bytes(data[: end - 4]).split(b"\r\n")
    # h11 reads lines that end with a line feed alone
    odd = len(lines) > MAX_FIELDS or data.count(b"\n", 0, end - 4) >= len(lines)
    return None if odd else (lines, end)


def read_request(lines: Sequence[bytes]) -> tuple[http.Request, int] | None:
    """Return the request and the length of its body, if its head is plain."""
    line, fields, length = _REQUEST_LINE.fullmatch(lines[0]), *_read_fields(lines)
    if line is None or fields is None or line[1] == b"CONNECT":
        return None
    request: http.Request = object.__new__(http.Request)
    request.data = data = object.__new__(http.RequestData)
    data.method, data.path, data.http_version = line.groups()
    data.scheme = data.authority = b""
    data.host, data.port = "", 0
    _fill(data, fields)
    return request, length


def read_response(lines: Sequence[bytes], request: http.Request) -> tuple[http.Response, int] | None:
    """Return the response and the length of its body, if its head is plain."""
    line, fields, length = _STATUS_LINE.fullmatch(lines[0]), *_read_fields(lines)
    if line is None or fields is None or request.data.method.upper() in BODILESS:
        return None
    status = int(line[2])
    if status not in WITH_BODY:
        return None
    response: http.Response = object.__new__(http.Response)
    response.data = data = object.__new__(http.ResponseData)
    data.http_version, data.status_code, data.reason = line[1], status, line[3] or b""
    _fill(data, fields)
    return response, length


def _read_fields(lines: Sequence[bytes]) -> tuple[Fields | None, int]:
    """Return a head's fields, if none is odd and exactly one says how the body ends: its length in bytes."""
    fields, length = [], -1
    for line in lines[1:]:
        name, colon, value = line.partition(b":")
        if not colon or not name or line[0] in b" \t":
            return None, 0
        value = value.strip()
        if len(name) in FRAMING_LENGTHS and (lower := name.lower()) in FRAMING:
            if length >= 0 or lower != b"content-length" or not is_plain_length(value):
                return None, 0
            length = int(value)
        fields.append((name, value))
    return (tuple(fields) if length >= 0 else None), length


def _fill(data: Any, fields: Fields) -> None:
    """Set the fields that requests and responses share, before the body is read."""
    data.headers = http.Headers.__new__(http.Headers)
    data.headers.fields = fields
    data.content = data.trailers = data.timestamp_end = None
    data.timestamp_start = time.time()
