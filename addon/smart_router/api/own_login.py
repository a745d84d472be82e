"""Recognises a client's own credential that may serve its request: `[clients.own_login]` in the config."""

from __future__ import annotations

from collections.abc import Mapping

from mitmproxy import http
from pydantic import SecretStr

from smart_router.addresses import origin_of
from smart_router.api.client_credentials import owners_of
from smart_router.attempts.own_login import Order, OwnLogin
from smart_router.auth.profiles import Profile, fingerprint, refusal
from smart_router.client_keys.directory import Directory
from smart_router.providers.base import Provider
from smart_router.providers.registry import PROVIDERS

_VENDOR_OF_FORMAT = {
    "anthropic": "anthropic",
    "gemini": "google",
    "responses": "openai",
    "openai-chat": "openai",
}
"""The vendor that clients of a format believe to speak to, where they ask the router itself."""

_HEADERS = ("authorization", "x-api-key", "x-goog-api-key")
_ACCOUNT = "chatgpt-account-id"


def find_own_login(
    request: http.Request,
    format_: str,
    asked: Provider | None,
    providers: Mapping[str, Provider],
    wanted: Mapping[str, Order],
    directory: Directory,
) -> OwnLogin | None:
    """The credential of a request, if it is its vendor's and the user wants it used.

    `asked` is the provider whose host an intercepted request was sent to, None for requests to the router:
    their credential must have the beginning of that vendor's keys, and the provider the vendor's own address.
    """
    if not wanted:
        return None
    id_ = asked.id if asked else _VENDOR_OF_FORMAT.get(format_, "")
    order, provider = wanted.get(id_), providers.get(id_)
    if order is None or provider is None:
        return None
    sent_to = (request.scheme, request.pretty_host, request.port)
    vendor = sent_to if asked else origin_of(PROVIDERS[id_].base_url)
    if origin_of(provider.base_url) != vendor:
        return None  # the user has this provider's requests sent to another host, which is not the vendor's
    for name in _HEADERS:
        scheme, _, token = request.headers.get(name, "").rpartition(" ")
        bearer = name == "authorization"
        if refusal(token) or directory.is_key(token) or bearer != (scheme.lower() == "bearer"):
            continue
        if asked is None and id_ not in owners_of(token):
            continue
        secret = SecretStr(token)
        account = request.headers.get(_ACCOUNT)
        extras = {"account_id": account} if account else {}
        mark = fingerprint(secret)
        profile = Profile(f"{id_}:client", id_, "key", secret, mark, bearer=bearer, extras=extras)
        return OwnLogin(profile, order)
    return None
