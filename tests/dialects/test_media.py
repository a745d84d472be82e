"""Data URLs."""

from __future__ import annotations

import pytest

from smart_router.dialects.media import Media, read_data_url
from smart_router.errors import ClientError

URLS = {
    "data:image/png;base64,AAAA": Media("image/png", "AAAA"),
    "DATA:Image/PNG;Name=a;BASE64,AAAA": Media("image/png", "AAAA"),
    "data:text/plain,h%C3%A9%20,": Media("text/plain", "aMOpICw="),
    "data:;base64,AAAA": Media("text/plain", "AAAA"),
    "data:image/png;base64": None,
    "https://a.example/a,b": None,
    "": None,
}


@pytest.mark.parametrize(("url", "media"), URLS.items())
def test_data_urls(url: str, media: Media | None) -> None:
    assert read_data_url(url) == media


def test_text() -> None:
    assert Media("text/plain", "aMOp").text("at") == "hé"
    for data in ("/////w==", "A"):
        with pytest.raises(ClientError, match=r"utf-8|base64"):
            Media("text/plain", data).text("at")
