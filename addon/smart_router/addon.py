"""The mitmproxy addon: options and hooks. What they do is elsewhere."""

from __future__ import annotations

import asyncio
import logging
import sys
import time
from collections.abc import Callable, Sequence
from contextlib import suppress
from functools import partial

from mitmproxy import command, connection, ctx, exceptions, http
from mitmproxy.addonmanager import Loader
from mitmproxy.proxy import layer
from mitmproxy.proxy.mode_specs import ReverseMode
from pydantic_core import to_json

from smart_router import endpoints
from smart_router.access import check_client, check_origin, find_client
from smart_router.attempts import error_pages
from smart_router.attempts.attempt import Attempt
from smart_router.attempts.claims import Claim, Claims
from smart_router.attempts.exchange import Exchange, Spent
from smart_router.attempts.kept import KeptBody
from smart_router.attempts.layer import adopt, widen
from smart_router.attempts.leaving import let_connections_close
from smart_router.attempts.renewal import next_step
from smart_router.auth.persist import StoreError
from smart_router.body import decode_body, too_large
from smart_router.errors import ClientError
from smart_router.fast_hooks import FastHooks
from smart_router.listening import (
    LOOPBACK,
    came_from_elsewhere,
    counts_as_local,
    is_loopback,
    move_to_loopback,
)
from smart_router.mitm import links, replay, views
from smart_router.mitm.commands import REPLAYED, Commands
from smart_router.mitm.intercept import Found, Interception, read_interception
from smart_router.mitm.trim import Trim
from smart_router.options import add_options, read_limits, read_max_body, read_retention
from smart_router.recording import FLUSH_WITHIN
from smart_router.router import Router, open_router, request_id
from smart_router.routing.config import ConfigError
from smart_router.stats.metrics import exposition

logger = logging.getLogger(__name__)

RELOAD_EVERY = 1.0
"""Seconds between looks at the config file."""

STREAM_ABOVE = 1 << 20
"""Bodies of requests that are not the router's are streamed through from this size on; small ones are cheaper
whole, and the UI can show them."""


class SmartRouter:
    """Claims chat requests, answers its own endpoints, and passes on all else."""

    name = "smart-router"

    def __init__(self) -> None:
        self.claims = Claims(0)
        self.attempts = self.claims.attempts
        self._router: Router | None = None
        self._interception = Interception()
        self._fast_hooks: FastHooks | None = None
        self._opened_at = ("", "")
        self._tasks: list[asyncio.Task[None]] = []

    # Its life.

    def load(self, loader: Loader) -> None:
        """Declare the options, and change those of mitmproxy's defaults that would harm a router."""
        add_options(loader)
        error_pages.install()
        views.install()
        replay.install(self.claims)
        if not _chosen("connection_strategy"):
            ctx.options.update(connection_strategy="lazy")
        if not ctx.options.listen_host:
            ctx.options.update(listen_host=LOOPBACK)

    def configure(self, updated: set[str]) -> None:
        """Check changed options and take them in."""
        if not any(name.startswith("router_") for name in updated):
            return
        if "router_fast_hooks" in updated:
            self._use_fast_hooks(ctx.options.router_fast_hooks)
        try:
            self.claims.max_body = read_max_body(ctx.options)
            limits = read_limits(ctx.options)
            retention = read_retention(ctx.options)
            self._interception = read_interception(ctx.options.router_intercept, ctx.options.router_model_map)
        except ValueError as error:
            if self._router is None:
                logger.error("smart-router: %s", error)  # at start mitmproxy ends on an error
                return
            raise exceptions.OptionsError(str(error)) from error
        if self._router is not None:
            self._router.limits = limits
            self._router.recording.recorder.retention = retention
            if self._opened_at != _paths():  # a reload of the script names all options as updated
                self._open()

    def running(self) -> None:
        """Read config and credentials, and watch the config file from now on."""
        if self._router is None:
            self._open()
        self._tasks = [asyncio.create_task(self._watch())]
        if ctx.options.listen_host == LOOPBACK:
            self._tasks.append(asyncio.create_task(move_to_loopback(ctx.master.addons.get("proxyserver"))))

    def done(self) -> None:
        """The script is reloaded or mitmproxy ends; what the router knows outlives a reload."""
        self._use_fast_hooks(False)
        replay.uninstall()
        for task in self._tasks:
            task.cancel()
        if self._router is not None:
            with suppress(StoreError):  # which has said so in the log
                self._router.auth.flush()
            self._router.recording.recorder.flush(FLUSH_WITHIN)

    def _use_fast_hooks(self, wanted: bool) -> None:
        if self._fast_hooks is not None:
            self._fast_hooks.uninstall()
            self._fast_hooks = None
        if wanted:
            self._fast_hooks = FastHooks(ctx.master.addons)
            self._fast_hooks.install()

    def _open(self) -> None:
        try:
            router = open_router(*_paths())
        except ConfigError as error:
            logger.error("smart-router: %s", error)  # at start mitmproxy ends on an error
            return
        router.limits = read_limits(ctx.options)
        router.recording.recorder.retention = read_retention(ctx.options)
        router.recording.refresh = _refresh
        if self._router is not None:
            self._router.auth.close()
            self._router.recording.recorder.close()
        self._router, self._opened_at = router, _paths()

    async def _watch(self) -> None:
        while True:
            await asyncio.sleep(RELOAD_EVERY)
            if self._router is not None:
                self._router.reload()
                self._router.refresher.refresh_due()

    def router(self) -> Router | None:
        """The router, None while it has no usable config."""
        return self._router

    @command.command("router.stats")  # type: ignore[untyped-decorator]  # it has no annotations
    def stats(self) -> str:
        """Requests, costs and savings since the router began."""
        return self._router.recording.totals.line() if self._router else "the router has no usable config"

    # Connections.

    def client_connected(self, client: connection.Client) -> None:
        """Turn away who connected from elsewhere before the sockets were moved to loopback."""
        if ctx.options.listen_host == LOOPBACK and came_from_elsewhere(client):
            client.error = "the router listens on loopback only; choose an address with --listen-host"

    async def client_disconnected(self, client: connection.Client) -> None:
        """Have the attempts that this ends leave no connection behind."""
        await let_connections_close(client.id)

    def next_layer(self, data: layer.NextLayer) -> None:
        """Let HTTP connections run attempts; mitmproxy's own decision comes after scripts, so ask for it."""
        if data.layer is None:
            ctx.master.addons.get("nextlayer").next_layer(data)
        adopt(data.layer, self.claims)
        widen(data.context.client.id)

    # Client flows.

    def requestheaders(self, flow: http.HTTPFlow) -> None:
        """Claim what is the router's; let large bodies of all else pass through as they come."""
        if flow.id in self.attempts:
            return
        try:
            passes = not self._is_ours(flow) and self._passes(flow)
        except Exception:
            logger.exception("smart-router: %s: request not understood", request_id(flow))
            passes = False
        if not passes:
            self.claims.add(flow)
        elif _may_be_large(flow.request.headers):
            flow.request.stream = True

    async def request(self, flow: http.HTTPFlow) -> None:
        """Answer locally, or route. Whatever fails, a claimed request never goes to the nominal upstream."""
        claim = self.claims.get(flow)
        if claim is None:
            return
        try:
            try:
                await self._serve(flow, claim)
            except ClientError as error:
                if self._pass_on(flow, claim, error):
                    return
                _refuse(flow, error)
                if self._router is not None:
                    self._router.recording.refused(flow, claim.client, error)
        except Exception:
            logger.exception("smart-router: %s: request failed", request_id(flow))
            _refuse(flow, _INTERNAL)
        if flow.response is not None and flow.request.method == "HEAD":
            flow.response.data.content = b""  # past the setter, which would change the content-length

    async def router_next_attempt(self, exchange: Exchange) -> None:
        """What the exchange does next; see `attempts.messages.NextAttemptHook`."""
        try:
            exchange.step = await next_step(exchange)
        except Exception:
            logger.exception("smart-router: %s: no next attempt", exchange.id)
            exchange.step = Spent(_INTERNAL)
        if isinstance(exchange.step, Attempt):
            links.link_attempt(exchange, exchange.step)
        _refresh(links.conclude(exchange))

    def responseheaders(self, flow: http.HTTPFlow) -> None:
        """Event streams and large bodies pass through as they come."""
        assert flow.response is not None
        if attempt := self.attempts.get(flow.id):
            flow.response.stream = attempt.kept if _is_event_stream(flow.response.headers) else False
        elif claim := self.claims.get(flow):
            if claim.origin:
                flow.response.headers.update(_cors(claim.origin))
        elif _is_event_stream(flow.response.headers):
            flow.response.stream = KeptBody(read_limits(ctx.options).keep_body)
        elif _may_be_large(flow.response.headers):
            flow.response.stream = True

    def response(self, flow: http.HTTPFlow) -> None:
        """A flow ended: show what was streamed, and forget it."""
        self._ended(flow)

    def error(self, flow: http.HTTPFlow) -> None:
        """A flow broke: show what had been streamed, and forget it."""
        self._ended(flow)

    def _ended(self, flow: http.HTTPFlow) -> None:
        if attempt := self.attempts.pop(flow.id, None):
            links.show_body(flow, attempt.kept)
            links.presume(attempt)
            return
        claim = self.claims.drop(flow)
        if claim is not None and claim.exchange is not None:
            links.show_body(flow, claim.exchange.sent)
            _refresh(links.conclude(claim.exchange))
            if self._router is not None:
                content = ctx.options.router_audit_content
                self._router.recording.ended(flow, claim.exchange, claim.client, content=content)
            log_exchange(flow, claim.exchange)
        elif flow.response is not None and isinstance(flow.response.stream, KeptBody):
            links.show_body(flow, flow.response.stream)

    # Serving.

    def _is_ours(self, flow: http.HTTPFlow) -> bool:
        if replay.is_attempt(flow):
            return True
        if isinstance(flow.client_conn.proxy_mode, ReverseMode):
            return endpoints.resolve(flow.request.path) is not None
        return self._intercepted(flow) is not None

    def _intercepted(self, flow: http.HTTPFlow) -> Found | None:
        """What a request that was meant for another host asks the router for."""
        if isinstance(flow.client_conn.proxy_mode, ReverseMode):
            return None
        request, upgrade = flow.request, flow.request.headers.get("upgrade", "")
        return self._interception.find(
            request.pretty_host, request.port, request.method, request.path, upgrade
        )

    def _pass_on(self, flow: http.HTTPFlow, claim: Claim, error: ClientError) -> bool:
        """Whether an intercepted request that cannot be routed goes on to its own host, as it came."""
        if not ctx.options.router_passthrough or claim.too_large or not self._intercepted(flow):
            return False
        if self._router and (shown := find_client(flow.request.headers, self._router.config.clients)):
            del flow.request.headers[shown.header]  # the router's own key is for the router alone
        self.claims.drop(flow)
        flow.comment = f"passed on to {flow.request.pretty_host}: {error.message}"
        logger.info("%s passed on to %s: %s", request_id(flow), flow.request.pretty_host, error.message)
        return True

    def _passes(self, flow: http.HTTPFlow) -> bool:
        """Whether a request that is not the router's may go on to the reverse target.

        Beyond this machine the client's key for the router is needed; it does not go on.
        """
        if not isinstance(flow.client_conn.proxy_mode, ReverseMode):
            return True
        clients = self._router.config.clients if self._router else {}
        if found := find_client(flow.request.headers, clients):
            del flow.request.headers[found.header]
        return found is not None or is_loopback(_address(flow))

    async def _serve(self, flow: http.HTTPFlow, claim: Claim) -> None:
        router = self._router
        if router is None:
            raise ClientError(503, "the router has no usable config; its log says why", type="server_error")
        if replay.is_attempt(flow):
            claim.credential = await replay.lend(router, flow)
            return
        headers = flow.request.headers
        if not flow.is_replay:
            claim.origin = check_origin(headers, ctx.options.router_allow_origins)
        found = self._intercepted(flow)
        target = found.target if found else endpoints.resolve(flow.request.path)
        if isinstance(target, ClientError):
            raise target
        if target is not None and flow.request.method == "OPTIONS" and claim.origin:
            flow.response = _preflight(target)
            return
        if not flow.is_replay:
            claim.client = check_client(_address(flow), headers, router.config.clients)
        assert target is not None, "what is not the router's is claimed only to be refused"
        endpoints.check_method(target, flow.request.method, headers.get("upgrade", ""))
        if claim.too_large:
            raise too_large(self.claims.max_body)
        if target.endpoint == "chat":
            self._route(flow, claim, router, found)
        elif target.endpoint == "stats":
            since = flow.request.query.get("since", "")
            flow.response = _json(200, await asyncio.to_thread(router.recording.report, since))
        elif target.endpoint == "metrics":
            recording = router.recording
            body, content_type = exposition(recording.totals, recording.recorder.lost)
            flow.response = http.Response.make(200, body, {"content-type": content_type})
        else:
            flow.response = _json(*_LOCAL[target.endpoint](router, target))

    def _route(self, flow: http.HTTPFlow, claim: Claim, router: Router, found: Found | None) -> None:
        raw, encoding = flow.request.raw_content or b"", flow.request.headers.get("content-encoding", "")
        body = decode_body(raw, encoding, self.claims.max_body)
        rename = None
        if found is not None and REPLAYED not in flow.metadata:
            rename = partial(found.rename, providers=router.config.providers)
        claim.exchange = exchange = router.open_exchange(flow, body, rename)
        links.link_client(flow, exchange)


def _refresh(flows: Sequence[http.HTTPFlow]) -> None:
    """Show in mitmweb or the console what was changed outside of these flows' own hooks."""
    if flows and (view := ctx.master.addons.get("view")):
        view.update(flows)


def log_exchange(flow: http.HTTPFlow, exchange: Exchange) -> None:
    """One line a request: what was asked, how it ended, who answered and why they were asked."""
    outcome = flow.response.status_code if flow.response and not flow.error else "ended early"
    answered = f" by {exchange.attempt.profile_id}" if exchange.attempt else ""
    logger.info(
        "%s %s: %s%s (%s)", exchange.id, exchange.decision.asked, outcome, answered, exchange.decision.why
    )


def _health(router: Router, target: endpoints.Target) -> tuple[int, object]:
    now = time.monotonic()
    return endpoints.health(router.config, router.auth, now, now - router.started)


def _models(router: Router, target: endpoints.Target) -> tuple[int, object]:
    return 200, endpoints.list_models(router.config, router.auth, time.monotonic())


def _model(router: Router, target: endpoints.Target) -> tuple[int, object]:
    return 200, endpoints.get_model(router.config, router.auth, time.monotonic(), target.name)


_LOCAL: dict[endpoints.Endpoint, Callable[[Router, endpoints.Target], tuple[int, object]]] = {
    "health": _health,
    "models": _models,
    "model": _model,
}

_INTERNAL = ClientError(
    500,
    "the router failed on this request; its log says why",
    type="server_error",
    code="router_error",
    headers={"x-should-retry": "false"},
)


def _paths() -> tuple[str, str]:
    """Where the options say that config and state are."""
    return ctx.options.router_config, ctx.options.router_state


def _address(flow: http.HTTPFlow) -> str:
    """The client's IP address, loopback for one that counts as local; empty if there is none."""
    if counts_as_local(flow.client_conn):
        return LOOPBACK
    peer = flow.client_conn.peername
    return peer[0] if peer else ""


def _refuse(flow: http.HTTPFlow, error: ClientError) -> None:
    """Answer with an error before any attempt was made."""
    id_ = request_id(flow)
    flow.response = _json(error.status, error.body(), {**error.headers, "x-router-request-id": id_})
    logger.info("%s refused: %d %r", id_, error.status, error.message)


def _cors(origin: str) -> dict[str, str]:
    """What lets a web page of an allowed origin read the answer, its headers included."""
    return {"access-control-allow-origin": origin, "access-control-expose-headers": "*", "vary": "origin"}


def _preflight(target: endpoints.Target) -> http.Response:
    return http.Response.make(
        204,
        b"",
        {
            "access-control-allow-methods": ", ".join(target.methods),
            "access-control-allow-headers": "*, authorization",
            "access-control-max-age": "600",
        },
    )


def _json(status: int, body: object, headers: dict[str, str] | None = None) -> http.Response:
    return http.Response.make(status, to_json(body), {"content-type": "application/json", **(headers or {})})


def _is_event_stream(headers: http.Headers) -> bool:
    return str(headers.get("content-type", "")).lower().startswith("text/event-stream")


def _may_be_large(headers: http.Headers) -> bool:
    """Also when nothing is said of the length: chunked, HTTP/2, until the connection closes."""
    length = headers.get("content-length", "")
    return not length.isdigit() or int(length) > STREAM_ABOVE


def _chosen(option: str) -> bool:
    """Whether the user set an option of mitmproxy's; one equal to the default shows on the command line."""
    changed: bool = ctx.options.has_changed(option)
    return changed or any(option in argument for argument in sys.argv[1:])


_smart_router = SmartRouter()
addons = [_smart_router, Trim(), Commands(_smart_router.router)]
