"""Request handling: answer locally, route, pass through, or refuse.

Even after an error, a claimed request never reaches the nominal upstream.
"""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import Awaitable, Mapping
from dataclasses import dataclass, field
from functools import partial
from typing import Protocol

from mitmproxy import http
from mitmproxy.proxy.mode_specs import ReverseMode

from smart_router.addresses import LOOPBACK, is_loopback, sent_to_router
from smart_router.api import client_credentials, endpoints, replay_credential, websockets
from smart_router.api.access import (
    check_client,
    check_origin,
    check_passed_on,
    counts_as_local,
    heads_of,
    host_refused,
    not_admin,
    own_origin,
    preflight,
    shown_keys,
)
from smart_router.api.client_credentials import withhold_credentials, withhold_router_keys
from smart_router.api.endpoints import ENDPOINTS, Target
from smart_router.api.error_answers import refuse
from smart_router.api.guess_delays import Guesses
from smart_router.api.intercept import Found, Interception, provider_at
from smart_router.api.local_answers import Given, LocalRequest
from smart_router.api.own_login import find_own_login
from smart_router.api.proxy_keys import ProxyKeys
from smart_router.attempts.exchange import Exchange
from smart_router.attempts.own_login import OwnLogin
from smart_router.attempts.token_counts import estimate_at_once
from smart_router.client_keys.client import Client
from smart_router.client_keys.directory import Directory
from smart_router.config import Config
from smart_router.decompression import decode_body
from smart_router.dialects.base import ClientDialect
from smart_router.dialects.native import NATIVE_HEADERS
from smart_router.errors import INTERNAL, ClientError, body_too_large
from smart_router.live.watcher import Watcher
from smart_router.providers.registry import PROVIDERS
from smart_router.proxy.claims import Claim, Claims
from smart_router.proxy.event_stream import event_head
from smart_router.proxy.replay import REPLAYED
from smart_router.recording import address_of
from smart_router.runtime import Runtime, request_id

logger = logging.getLogger(__name__)

_NOBODY = Directory()

_WITHOUT_BODY = ("GET", "HEAD", "OPTIONS")

_PASSED_ON = frozenset(
    name.encode()
    for names in (*NATIVE_HEADERS.values(), *(one.client_headers for one in PROVIDERS.values()))
    for name in names
)
"""Headers of routed requests that are passed on to a provider."""


@dataclass(frozen=True, slots=True)
class Rules:
    """Options for requests: interception of other hosts, allowed web origins, whether requests that cannot
    be routed pass to their own host, and the hosts that may get clients' credentials."""

    interception: Interception = field(default_factory=Interception)
    allow_origins: tuple[str, ...] = ()
    passthrough: bool = False
    forward_credentials: tuple[str, ...] = ()


class Marks(Protocol):
    """Marks client flows in the UI."""

    def link_client(self, flow: http.HTTPFlow, exchange: Exchange) -> None:
        """Mark a routed request."""

    def link_refused(self, flow: http.HTTPFlow, id_: str, error: ClientError) -> None:
        """Mark a refused request."""


class RequestHandler:
    """Serves claimed flows. `router` is None while there is no usable config."""

    def __init__(self, claims: Claims, marks: Marks) -> None:
        self.claims = claims
        self.marks = marks
        self.router: Runtime | None = None
        self.rules = Rules()
        self.watcher = Watcher(claims)
        self.proxy_keys = ProxyKeys()
        self._guesses = Guesses()

    def connect(self, flow: http.HTTPFlow) -> Awaitable[None] | None:
        """Check the credentials with which a client opens a tunnel through the proxy."""
        try:
            self.proxy_keys.connect(flow, self._directory, time.time())
        except ClientError as error:
            return self._refuse_tunnel(flow, error)
        self.claims.let_pass(flow)
        return None

    async def _refuse_tunnel(self, flow: http.HTTPFlow, error: ClientError) -> None:
        await asyncio.sleep(self._guesses.delay(_address(flow), time.monotonic()))
        refuse(flow, error)

    def should_claim(self, flow: http.HTTPFlow) -> bool:
        """Return whether to claim a flow: it is the router's, or it may not pass through."""
        try:
            self.proxy_keys.take(flow, self._directory, time.time())
            return self._is_ours(flow) or not self._may_pass_through(flow)
        except Exception:
            logger.exception("smart-router: %s: request not understood", request_id(flow))
            return True

    def early_refusal(self, flow: http.HTTPFlow) -> ClientError | None:
        """Return the error for a remote client without a valid key, whose request body is not read."""
        if is_loopback(_address(flow)) or flow.request.method in _WITHOUT_BODY or flow.is_replay:
            return None
        try:
            self._identify(flow, heads_of(flow.request.headers))
        except ClientError as error:
            return error
        return None

    def serve(self, flow: http.HTTPFlow, claim: Claim) -> Awaitable[None] | None:
        """Answer a claimed flow or prepare its attempts; return an awaitable for remaining work, if any."""
        try:
            rest = self._serve(flow, claim)
        except Exception as error:
            if delay := self._delay(flow, error):
                return self._end(flow, claim, _raise_later(error, delay))
            self._failed(flow, claim, error)
            return None
        if rest is None:
            _redact(flow)
            return None
        return self._end(flow, claim, rest)

    def _delay(self, flow: http.HTTPFlow, error: Exception) -> float:
        """Seconds that a refusal waits because its client tries wrong router keys."""
        guessed = isinstance(error, ClientError) and error.code in ("invalid_api_key", "host_not_allowed")
        if not guessed or not _shows_key(flow.request):
            return 0.0
        return self._guesses.delay(_address(flow), time.monotonic())

    async def _end(self, flow: http.HTTPFlow, claim: Claim, rest: Awaitable[None]) -> None:
        try:
            await rest
        except Exception as error:
            self._failed(flow, claim, error)
        else:
            _redact(flow)

    def _failed(self, flow: http.HTTPFlow, claim: Claim, error: Exception) -> None:
        try:
            if not isinstance(error, ClientError):
                raise error
            if self._pass_through(flow, claim, error):
                return
            refuse(flow, error)
            self.marks.link_refused(flow, request_id(flow), error)
            if self.router is not None:
                self.router.recording.refused(flow, request_id(flow), claim.client_name, error)
        except Exception:
            logger.exception("smart-router: %s: request failed", request_id(flow))
            refuse(flow, INTERNAL)
        _redact(flow)

    def _is_ours(self, flow: http.HTTPFlow) -> bool:
        if replay_credential.is_attempt(flow):
            return True
        if sent_to_router(flow, self.claims.hosts):
            return ENDPOINTS.resolve(flow.request.path) is not None
        return self._intercepted(flow) is not None

    def _intercepted(self, flow: http.HTTPFlow) -> Found | None:
        """Return the target of a request that was sent to another host, None if it is not routed."""
        if sent_to_router(flow, self.claims.hosts):
            return None
        request, upgrade = flow.request, flow.request.headers.get("upgrade", "")
        return self.rules.interception.find(
            request.pretty_host, request.port, request.method, request.path, upgrade
        )

    def _pass_through(self, flow: http.HTTPFlow, claim: Claim, error: ClientError) -> bool:
        """Return whether an intercepted request that cannot be routed goes to its own host unchanged."""
        if not self.rules.passthrough or claim.too_large or claim.refusal or not self._intercepted(flow):
            return False
        withhold_router_keys(flow.request, self._directory)
        self.claims.drop(flow)
        self.claims.let_pass(flow)
        flow.comment = f"passed on to {flow.request.pretty_host}: {error.message}"
        logger.info("%s passed on to %s: %s", request_id(flow), flow.request.pretty_host, error.message)
        return True

    def _may_pass_through(self, flow: http.HTTPFlow) -> bool:
        """Return whether a request that is not the router's may pass, without credentials of others.

        In reverse mode a client of the router may ask its target, too.
        """
        request = flow.request
        if not isinstance(flow.client_conn.proxy_mode, ReverseMode):
            withhold_router_keys(request, self._directory)
            return self.proxy_keys.allows(flow, self._directory)
        try:
            if not flow.is_replay:
                heads = heads_of(request.headers)
                check_origin(heads, self.rules.allow_origins)
                self._identify(flow, heads)
            check_passed_on(request, None)
        except ClientError:
            return False
        if removed := withhold_credentials(request, self._directory, self.rules.forward_credentials):
            flow.comment = f"not passed on to {request.host}: {', '.join(removed)}"
        return True

    @property
    def _directory(self) -> Directory:
        return self.router.clients.directory if self.router else _NOBODY

    def _identify(self, flow: http.HTTPFlow, heads: Mapping[str, str]) -> Client | None:
        """The client, None for one on this machine without a key. Raises a 401 or 403 for others."""
        if client := self.proxy_keys.client(flow):
            return client
        keys = shown_keys(heads, flow.request.path)
        client = check_client(_address(flow), keys, self._directory, time.time())
        if client is None and (host := self.claims.strange_host(flow.request)):
            raise host_refused(host)
        return client

    def _serve(self, flow: http.HTTPFlow, claim: Claim) -> Awaitable[None] | None:
        if claim.refusal is not None:
            raise claim.refusal
        router = self.router
        if router is None:
            raise ClientError(503, "the router has no usable config; its log says why")
        if replay_credential.is_attempt(flow):
            return self._attach_credential(router, flow, claim)
        request = flow.request
        found = self._intercepted(flow)
        target = found.target if found else ENDPOINTS.resolve(request.path)
        heads = heads_of(request.headers)
        if not flow.is_replay:
            own = own_origin(request.scheme, request.pretty_host, request.port) if found else None
            claim.origin = check_origin(heads, self.rules.allow_origins, own)
            if isinstance(target, Target) and request.method == "OPTIONS" and claim.origin:
                flow.response = preflight(target.endpoint.methods)
                return None
            claim.brief = _is_public(flow, target)
            if not claim.brief:
                claim.client = self._identify(flow, heads)
                claim.brief = claim.client is not None and not claim.client.admin
        if isinstance(target, ClientError):
            raise target
        if target and target.endpoint.admin and claim.brief:
            raise not_admin()
        check_passed_on(request, _PASSED_ON if target else None)
        assert target is not None, "a request to another host is claimed only to be refused"
        method, upgrade = request.method, heads.get("upgrade", "")
        if endpoints.opens_websocket(target, method, upgrade):
            flow.response = websockets.accept(request.headers)
            self.claims.accept_socket(request)
            return None
        endpoints.check_method(target, method, upgrade)
        if claim.too_large:
            raise body_too_large(self.claims.max_body)
        claim.encoding = heads.get("content-encoding", "")
        return self._answer(flow, claim, router, target, found)

    async def _attach_credential(self, router: Runtime, flow: http.HTTPFlow, claim: Claim) -> None:
        claim.credential = await replay_credential.lend(router, flow)
        self.claims.let_pass(flow)

    def _answer(
        self, flow: http.HTTPFlow, claim: Claim, router: Runtime, target: Target, found: Found | None
    ) -> Awaitable[None] | None:
        endpoint = target.endpoint
        parameters = endpoints.parameters_of(target, flow.request.path)
        if endpoint.dialect is not None:
            return self._route(flow, claim, router, endpoint.dialect, parameters, found)
        assert endpoint.answer is not None
        sent = flow.request
        local = LocalRequest(
            router,
            self.claims,
            parameters,
            claim.brief,
            sent.method,
            claim.client,
            sent.headers,
            self.watcher,
        )
        answer = endpoint.answer(local)
        if isinstance(answer, Awaitable):
            return _give_later(flow, claim, answer)
        _give(flow, claim, answer)
        return None

    def _route(
        self,
        flow: http.HTTPFlow,
        claim: Claim,
        router: Runtime,
        dialect: ClientDialect,
        parameters: Mapping[str, str],
        found: Found | None,
    ) -> Awaitable[None] | None:
        if claim.client is not None:
            router.clients.check(claim.client)
        body = decode_body(flow.request.raw_content or b"", claim.encoding, self.claims.max_body)
        rename = None
        if found is not None and REPLAYED not in flow.metadata:
            rename = partial(found.rename, providers=router.config.providers)
        own = self._own_login(flow.request, router.config, dialect.name, found)
        exchange = router.open_exchange(flow, dialect, body, parameters, rename, claim.client, own)
        if (estimate := estimate_at_once(exchange)) is not None:
            flow.response = estimate
            return None
        claim.exchange = exchange
        self.marks.link_client(flow, exchange)
        counts_money = exchange.reservation is not None and exchange.reservation.client.has_money_limit
        if exchange.recall is None:
            return router.recording.learn_prices(exchange.decision.candidates) if counts_money else None
        return _recall(router, exchange, counts_money=counts_money)

    def _own_login(
        self, request: http.Request, config: Config, format_: str, found: Found | None
    ) -> OwnLogin | None:
        """The client's own credential, where it may serve the request."""
        asked = provider_at(found.host, config.providers) if found else None
        if found and asked is None:
            return None
        return find_own_login(request, format_, asked, config.providers, config.own_login, self._directory)


async def _recall(router: Runtime, exchange: Exchange, *, counts_money: bool) -> None:
    """Look up the request's earlier turns before its first attempt."""
    assert exchange.recall is not None
    await exchange.recall()
    if counts_money and (learning := router.recording.learn_prices(exchange.decision.candidates)):
        await learning


async def _raise_later(error: Exception, seconds: float) -> None:
    await asyncio.sleep(seconds)
    raise error


def _shows_key(request: http.Request) -> bool:
    return bool(shown_keys(request.headers, request.path))


def _is_public(flow: http.HTTPFlow, target: object) -> bool:
    """Return whether this is a remote health check without a key, which may see the status only."""
    public = isinstance(target, Target) and target.endpoint.public
    return public and not is_loopback(_address(flow)) and not _shows_key(flow.request)


async def _give_later(flow: http.HTTPFlow, claim: Claim, answer: Awaitable[Given]) -> None:
    _give(flow, claim, await answer)


def _give(flow: http.HTTPFlow, claim: Claim, answer: Given) -> None:
    """Respond, or leave the response to the stream, which asks for events; a replay gets the first ones."""
    if isinstance(answer, http.Response):
        flow.response = answer
    elif flow.is_replay:
        flow.response = event_head("")
        flow.response.stream = False
        flow.response.content = answer.take(time.monotonic(), 0) or b""
        answer.close()
    else:
        claim.events = answer


def _address(flow: http.HTTPFlow) -> str:
    """The client's IP address, loopback for one that counts as local; empty if there is none."""
    return LOOPBACK if counts_as_local(flow.client_conn) else address_of(flow)


def _redact(flow: http.HTTPFlow) -> None:
    """Remove secrets from the flow, and the body of an answer to HEAD."""
    client_credentials.hide_keys(flow)
    if flow.response is not None and flow.request.method == "HEAD":
        flow.response.data.content = b""  # past the setter, which would change the content-length
