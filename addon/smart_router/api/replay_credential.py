"""Credentials for attempts that the user replays."""

from __future__ import annotations

from collections.abc import Mapping

from mitmproxy import http
from pydantic import SecretStr

from smart_router.addresses import origin_of
from smart_router.auth.logins.steps import LoginError
from smart_router.auth.profiles import auth_headers
from smart_router.errors import ClientError
from smart_router.providers.base import Provider
from smart_router.runtime import Runtime


def is_attempt(flow: http.HTTPFlow) -> bool:
    """Return whether a flow is an attempt that the user replays."""
    return bool(flow.is_replay) and "router_attempt" in flow.metadata


async def lend(router: Runtime, flow: http.HTTPFlow) -> Mapping[str, SecretStr]:
    """The credential headers for a replayed attempt, with a token that is fresh.

    Raises ClientError if its profile is gone, or if it now goes elsewhere than to its provider.
    """
    id_ = str(flow.metadata.get("router_profile", ""))
    profile = router.auth.find(id_)
    provider = router.config.providers.get(profile.provider) if profile else None
    if profile is None or provider is None:
        raise ClientError(409, f"the profile {id_!r} of this attempt is gone", code="no_credential")
    if profile.missing is not None:
        raise ClientError(409, f"{id_}: {profile.missing}", code="no_credential")
    if not _goes_to(provider, profile.extras.get("resource_url"), flow.request):
        raise ClientError(409, f"{flow.request.pretty_host} is not {provider.id}'s: it gets no credential")
    if profile.login is not None:
        try:
            profile = await router.refresher.usable(profile, refused=False)
        except LoginError as error:
            raise ClientError(502, str(error), code="login_failed") from None
    return auth_headers(provider, profile)


def _goes_to(provider: Provider, resource_url: str | None, request: http.Request) -> bool:
    places = range(len(provider.more_base_urls) + 1)
    addresses = {provider.address(resource_url, place) for place in places} | {provider.address(None)}
    return (request.scheme, request.host, request.port) in map(origin_of, addresses)
