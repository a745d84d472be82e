"""Builds an attempt from a candidate and a profile: the provider's request, without its secret."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from dataclasses import replace

from mitmproxy import http

from smart_router import __version__
from smart_router.attempts.attempt import Attempt
from smart_router.attempts.captured_body import CapturedBody
from smart_router.attempts.exchange import Exchange
from smart_router.attempts.http_messages import encode_headers, host_field, make_request, make_server
from smart_router.attempts.limits import SLOW_START
from smart_router.attempts.reasoning_cache import scope_of
from smart_router.auth.profiles import Profile, auth_headers
from smart_router.dialects.base import CallContext, Dialect, ProviderRequest
from smart_router.dialects.fitting import fit_request
from smart_router.dialects.hub import facts_of
from smart_router.dialects.native import NATIVE_HEADERS, Received
from smart_router.dialects.tool_names import tool_names
from smart_router.errors import unsupported
from smart_router.pasted import unwrap
from smart_router.providers.base import Provider
from smart_router.providers.catalogue import rules_for
from smart_router.routing.decision import Candidate


class AttemptBuilder:
    """Makes attempts. `env` holds the values of headers that come from the environment."""

    def __init__(
        self,
        providers: Mapping[str, Provider],
        env: Mapping[str, str],
        wall_clock: Callable[[], float] = time.time,
    ) -> None:
        self._providers = providers
        self._wall = wall_clock
        self._fields = {
            (id_, stream): encode_headers(_headers(provider, env, stream=stream))
            for id_, provider in providers.items()
            for stream in (False, True)
        }

    def build(self, exchange: Exchange, candidate: Candidate, profile: Profile) -> Attempt:
        """Return the attempt.

        Raises ClientError for a request that the provider cannot serve, or that exceeds a client's limit.
        """
        provider = self._providers[candidate.provider]
        if exchange.reservation is not None:
            exchange.reservation.cover(candidate)
        dialect, call = self._call(exchange, candidate, provider, profile)
        if outgoing := _native(exchange, dialect, call):
            call = replace(call, native=True)
        else:
            if (why := facts_of(exchange.request).get("untranslatable")) is not None:
                raise unsupported(*why)
            scope = scope_of(exchange.client, candidate)
            restored = exchange.services.reasoning.restore(exchange.request, exchange.history, scope)
            outgoing = dialect.write_request(restored, call)
            call = call if outgoing.kept is None else replace(call, kept=outgoing.kept)
        fields = {
            **encode_headers(_passed_on(exchange.client_flow, provider)),
            **self._fields[provider.id, call.stream],
            **encode_headers(outgoing.headers),
        }
        base_url = provider.address(profile.extras.get("resource_url"), exchange.hosts.get(profile.id, 0))
        request = make_request(base_url + outgoing.path, fields.values(), outgoing.body)
        limits, now = exchange.limits, time.monotonic()
        slow = SLOW_START if call.rules.reasoning or not call.stream else 1
        return Attempt(
            number=exchange.number + 1,
            candidate=candidate,
            profile_id=profile.id,
            provider=provider,
            dialect=dialect,
            call=call,
            flow=_flow(exchange.client_flow, request, exchange.number + 1),
            credential=auth_headers(provider, profile),
            connect_timeout=limits.connect,
            head_timeout=limits.first_byte * slow,
            silence_timeout=limits.silence,
            deadline=now + limits.connect,
            captured=CapturedBody(limits.keep_body),
            max_answer=limits.max_answer,
            of_login=profile.login is not None,
            notes=outgoing.notes + exchange.services.lessons.notes(candidate),
        )

    def _call(
        self, exchange: Exchange, candidate: Candidate, provider: Provider, profile: Profile
    ) -> tuple[Dialect, CallContext]:
        catalogued = rules_for(provider.id, candidate.model)
        rules = exchange.services.lessons.amend(candidate, catalogued, time.monotonic())
        dialect = provider.dialect_for(exchange.request, rules, exchange.dialect.name)
        call = CallContext(
            provider=provider.id,
            model=candidate.model,
            stream=exchange.streams,  # for most; the dialect has the last word
            now=int(self._wall()),
            request_id=exchange.id,
            rules=rules,
            quirks=provider.quirks,
            error_rules=provider.error_rules,
            extras={
                **profile.extras,
                **provider.extras,
                **({"session": exchange.session} if exchange.session else {}),
            },
            tool_names=tool_names(exchange.request),
            max_event=exchange.limits.max_answer,
            virtual=not exchange.decision.explicit,
        )
        streams = dialect.upstream_streams(exchange.request, call)
        return dialect, call if streams == call.stream else replace(call, stream=streams)


def _native(exchange: Exchange, dialect: Dialect, call: CallContext) -> ProviderRequest | None:
    """The client's own request, if the provider speaks its format and answers in the form asked for."""
    if call.stream != exchange.streams:
        return None
    sent, format_ = exchange.client_flow.request, exchange.dialect.name
    received = Received(format_, sent.path, sent.headers, exchange.body)
    outgoing = dialect.write_native(received, exchange.request, call)
    if outgoing is None:
        return None
    if call.virtual:
        fit_request(exchange.request, call.rules)  # raises for what the model cannot do
    passed = received.headers_named(NATIVE_HEADERS.get(format_, ()))
    return outgoing._replace(headers=outgoing.headers | passed) if passed else outgoing


def _headers(provider: Provider, env: Mapping[str, str], *, stream: bool) -> dict[str, str]:
    """Return the headers common to a provider's requests for a stream, or for a whole answer."""
    return {
        "content-type": "application/json",
        "accept": "text/event-stream" if stream else "application/json",
        "accept-encoding": "identity",  # a provider's server may flush compressed data late
        "user-agent": f"smart-router/{__version__}",
        **{name: value for name, var in provider.env_headers.items() if (value := unwrap(env.get(var, "")))},
    }


def _passed_on(client: http.HTTPFlow, provider: Provider) -> dict[str, str]:
    """The client's headers that this provider gets; it never gets the others, such as Authorization."""
    headers = client.request.headers
    return {name: headers[name] for name in provider.client_headers if name in headers}


def _flow(client: http.HTTPFlow, request: http.Request, number: int) -> http.HTTPFlow:
    data = request.data
    host = host_field(data.host, data.port)
    if client.request.is_http2:
        # so that mitmproxy closes an HTTP/1 provider connection after it: HTTP/2 clients never reuse those
        request.http_version = "HTTP/2.0"
        request.authority = host
    else:
        data.headers.fields += ((b"host", host.encode()),)
    server = make_server(f"{client.id}-{number}", data.host, data.port)
    flow = http.HTTPFlow(client.client_conn, server)
    flow.request = request
    return flow
