"""Base URLs as users write them: with or without a scheme, an API version or an endpoint.

Vendors' SDKs differ: Anthropic's and Google's add the version to a base URL, OpenAI's does not, and
the AI SDK wants it in all of them. Users copy either, or the address of an endpoint.
"""

from __future__ import annotations

import re
from ipaddress import ip_address
from urllib.parse import urlsplit

from smart_router.pasted import unwrap
from smart_router.providers.base import Provider

_ENDPOINT = re.compile(
    r"/+(chat/completions|completions|responses|messages|embeddings|models(/[^/]*)?(:\w+)?)$", re.IGNORECASE
)
_VERSION = re.compile(r"/v\d+(alpha|beta)?\d*$", re.IGNORECASE)
_OPENAI_COMPATIBLE = re.compile(r"/openai$")
"""The end of Google's own address for OpenAI's clients."""


def read_base_url(value: str) -> str:
    """Return a user's base URL with a scheme, without an endpoint and a slash at its end.

    Raises ValueError for what is no http(s) URL.
    """
    value = unwrap(value)
    if "://" not in value:
        value = f"{_scheme_for(value)}://{value}"
    parts = urlsplit(value)
    blank = any(character.isspace() for character in value)
    if parts.scheme not in ("http", "https") or not parts.hostname or parts.query or parts.fragment or blank:
        raise ValueError("must be an http(s) URL without query")
    _ = parts.port  # raises ValueError for an invalid port
    if parts.username or parts.password:
        raise ValueError("must not hold a user name or password: keys come from the environment")
    path = re.sub("//+", "/", parts.path).rstrip("/")
    return f"{parts.scheme}://{parts.netloc}{_ENDPOINT.sub('', path).rstrip('/')}"


def fit_base_url(url: str, provider: Provider) -> str:
    """Return a base URL that `read_base_url` gave with the API version where the provider's own has it."""
    own = urlsplit(provider.base_url)
    given = urlsplit(url)
    version = _VERSION.search(own.path)
    if version is None:
        # the request's path begins with the version, if there is one
        adds = provider.dialect.name == "anthropic"
        return _VERSION.sub("", url) if adds else url
    if given.path and own.path.startswith(f"{given.path}/"):
        return f"{given.scheme}://{given.netloc}{own.path}"
    if not given.path:
        return f"{url}{own.path if given.hostname == own.hostname else version[0]}"
    if provider.dialect.name == "gemini":
        bare = _OPENAI_COMPATIBLE.sub("", url)
        return bare if _VERSION.search(bare) else bare + version[0]
    return url


def _scheme_for(value: str) -> str:
    """Return http for a place on this machine or in a private network, https for a public name, else nothing.

    A name without a dot is a host of a private network if it has a port.
    """
    try:
        address = urlsplit(f"//{value}")
        host, port = address.hostname or "", address.port
    except ValueError:
        return ""
    try:
        return "http" if ip_address(host).is_private else "https"
    except ValueError:
        near = host == "localhost" or ("." not in host and port)
        return "http" if near else "https" if "." in host else ""
