"""Data URLs, as OpenAI's content parts carry images and files (RFC 2397)."""

from __future__ import annotations

from base64 import b64decode, b64encode
from typing import NamedTuple
from urllib.parse import unquote_to_bytes


class Media(NamedTuple):
    """A data URL's content: `type` is the media type in lower case, `data` the content as base64."""

    type: str
    data: str

    def text(self) -> str:
        """The content as text; raises ValueError if it is not UTF-8 or not base64."""
        return b64decode(self.data).decode()


def read_data_url(url: str) -> Media | None:
    """The content of a data URL, None for any other address."""
    scheme, _, rest = url.partition(":")
    head, comma, data = rest.partition(",")
    if scheme.lower() != "data" or not comma:
        return None
    media_type, *parameters = head.lower().split(";")
    if "base64" not in parameters:
        data = b64encode(unquote_to_bytes(data)).decode()
    return Media(media_type or "text/plain", data)
