"""Images and files as OpenAI's content parts carry them: data URLs (RFC 2397), addresses, bare base64.

The type that a client declares is not believed: some vendors look at the bytes, others refuse a wrong label.
"""

from __future__ import annotations

from base64 import b64decode, b64encode
from collections.abc import Collection
from typing import NamedTuple
from urllib.parse import unquote_to_bytes

from smart_router.errors import unsupported

_HEAD = 24
"""Characters of base64 (18 bytes) that tell a file's type."""

_STARTS = (
    (b"\x89PNG", "image/png"),
    (b"\xff\xd8\xff", "image/jpeg"),
    (b"GIF8", "image/gif"),
    (b"%PDF-", "application/pdf"),
    (b"II*\0", "image/tiff"),
    (b"MM\0*", "image/tiff"),
)
_BRANDS = {b"heic": "image/heic", b"heix": "image/heic", b"mif1": "image/heif", b"avif": "image/avif"}
_OTHER_NAMES = {
    "image/jpg": "image/jpeg",
    "image/pjpeg": "image/jpeg",
    "image/x-png": "image/png",
    "application/x-pdf": "application/pdf",
}
_TO_STANDARD = str.maketrans("-_", "+/", " \t\r\n")


class Media(NamedTuple):
    """A file's content: `type` is its media type in lower case, `data` the content as base64."""

    type: str
    data: str

    @property
    def url(self) -> str:
        """Return the content as a data URL."""
        return f"data:{self.type};base64,{self.data}"

    def text(self, where: str) -> str:
        """Return the content as text. Raises ClientError, naming the field, if it is not UTF-8 in base64."""
        try:
            return b64decode(self.data).decode()
        except ValueError as error:
            raise unsupported(where, f"the file's text cannot be read: {error}") from error


def read_data_url(url: str) -> Media | None:
    """Return the content of a data URL with its true type; None for any other address."""
    scheme, _, rest = url.partition(":")
    head, comma, data = rest.partition(",")
    if scheme.lower() != "data" or not comma:
        return None
    media_type, *parameters = (word.strip() for word in head.lower().split(";"))
    if "base64" not in parameters:
        data = b64encode(unquote_to_bytes(data)).decode()
    return _true(media_type or "text/plain", data)


def read_file_data(data: str) -> Media | None:
    """Return the content of a file part's `file_data`, a data URL or base64 of a known type."""
    found = read_data_url(data)
    if found is None and "://" not in data[:_HEAD] and (known := _true("", data)).type:
        return known
    return found


def check_image(media: Media, taken: Collection[str], where: str) -> None:
    """Raise ClientError for an image of a type that the model does not take; nothing in `taken` means any."""
    if taken and media.type.startswith("image/") and media.type not in taken:
        raise unsupported(where, f"This model reads {', '.join(taken)}, not {media.type}.")


def is_web_address(url: str) -> bool:
    """Return whether a URL is http or https. The vendor fetches its content, the router never does."""
    return url.startswith(("http://", "https://"))


def _true(declared: str, data: str) -> Media:
    """Return the content with the type of its first bytes, as base64 of the standard alphabet."""
    if "%" in data:
        data = unquote_to_bytes(data).decode("ascii", "replace")
    if any(mark in data for mark in " \t\r\n-_"):
        data = data.translate(_TO_STANDARD)
    data += "=" * (-len(data) % 4)
    return Media(_type_of(data) or _OTHER_NAMES.get(declared, declared), data)


def _type_of(data: str) -> str | None:
    try:
        head = b64decode(data[:_HEAD])
    except ValueError:
        return None
    if head[:4] == b"RIFF" and head[8:12] == b"WEBP":
        return "image/webp"
    if head[4:8] == b"ftyp" and head[8:12] in _BRANDS:
        return _BRANDS[head[8:12]]
    return next((name for start, name in _STARTS if head.startswith(start)), None)
