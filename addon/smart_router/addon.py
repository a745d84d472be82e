"""The mitmproxy addon: its hooks, which delegate to other modules."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable, Callable, Collection
from functools import partial

from mitmproxy import command, connection, ctx, exceptions, http, tls
from mitmproxy.addonmanager import Loader
from mitmproxy.proxy import layer, server, server_hooks
from mitmproxy.proxy.mode_specs import ReverseMode

from smart_router import options
from smart_router.access_log import AccessLog
from smart_router.addresses import allowed_names
from smart_router.api.access import cors
from smart_router.api.endpoints import ENDPOINTS
from smart_router.api.error_answers import refuse
from smart_router.api.handler import RequestHandler, Rules
from smart_router.api.intercept import read_interception
from smart_router.attempts.attempt import Attempt
from smart_router.attempts.captured_body import CapturedBody
from smart_router.attempts.exchange import Exchange, Exhausted, Step
from smart_router.attempts.http_messages import stated_length
from smart_router.attempts.steps import next_step
from smart_router.defaults import change_defaults
from smart_router.errors import INTERNAL
from smart_router.lifecycle import Lifecycle
from smart_router.local_trouble import raise_file_limit
from smart_router.memory import relieve_collector
from smart_router.proxy import forward_targets, replay
from smart_router.proxy.claims import Claims
from smart_router.proxy.ending import end_requests
from smart_router.proxy.fast import switch
from smart_router.proxy.fixes import debug_log, error_pages
from smart_router.proxy.fixes.close_connections import let_connections_close, let_connections_tell
from smart_router.proxy.fixes.half_closed import notice_leave
from smart_router.proxy.fixes.silent_clients import SilentClients
from smart_router.proxy.fixes.slow_readers import SlowReaders
from smart_router.proxy.gate import Gate
from smart_router.proxy.handlers import handler_of
from smart_router.proxy.install import install_routing, raise_connection_limit
from smart_router.proxy.request_body import asked_too_much
from smart_router.proxy.tls_sessions import TlsSessions
from smart_router.requests_in_progress import Running, running
from smart_router.runtime import Runtime
from smart_router.ui import comments, flow_marks, transcript_view
from smart_router.ui.commands import Commands
from smart_router.ui.flow_list import FlowLimit, refresh

logger = logging.getLogger(__name__)

connections = logging.getLogger(server.__name__)
"""mitmproxy's logger for connections."""

STREAM_ABOVE = 1 << 20
"""Bodies of requests that are not the router's are streamed through from this size on; small ones are cheaper
whole, and the UI can show them."""


class SmartRouter:
    """Claims chat requests, answers its own endpoints, and passes on all else."""

    name = "smart-router"

    def __init__(self) -> None:
        self.gate = Gate()
        self.claims = Claims(0)
        self.claims.fail = partial(refuse, error=INTERNAL)
        self.claims.end = self.response
        self.attempts = self.claims.attempts
        self._slow_readers = SlowReaders()
        self._life = Lifecycle(self._slow_readers)
        self.serving = RequestHandler(self.claims, flow_marks)
        self._access_log = AccessLog(logger)
        self._sessions = TlsSessions()
        self._silent = SilentClients()

    # Its life.

    def load(self, loader: Loader) -> None:
        """Declare the options, and change those of mitmproxy's defaults that would harm a router."""
        with self.gate.guard():
            self.gate.close(self)
            change_defaults()
            raise_file_limit()
            options.add_options(loader)
            options.take_deferred(ctx.options)
            self._access_log.install()
            error_pages.install(ENDPOINTS.error_body)
            debug_log.install()
            transcript_view.install()
            replay.install(self.claims)

    def configure(self, updated: set[str]) -> None:
        """Check and apply changed options. mitmproxy keeps the old ones after an OptionsError."""
        if not self.gate.failed:
            with self.gate.guard():
                self._configure(updated)

    def _configure(self, updated: set[str]) -> None:
        if not any(name.startswith("router_") for name in updated):
            return
        if "router_log_connections" in updated:
            connections.setLevel(logging.NOTSET if ctx.options.router_log_connections else logging.WARNING)
        try:
            fast_path = options.read_fast_path(ctx.options)
            self.claims.max_body = options.read_max_body(ctx.options)
            self.claims.client_limits = options.read_client_limits(ctx.options)
            limits = options.read_limits(ctx.options)
            retention = options.read_retention(ctx.options)
            interception = read_interception(ctx.options.router_intercept, ctx.options.router_model_map)
        except ValueError as error:
            raise exceptions.OptionsError(str(error)) from error
        if "router_fast_path" in updated:
            switch.set_to(fast_path, ctx.master)
        self.claims.hosts = allowed_names(ctx.options.listen_host, ctx.options.router_allow_hosts)
        self.serving.rules = Rules(
            interception,
            tuple(ctx.options.router_allow_origins),
            ctx.options.router_passthrough,
            tuple(ctx.options.router_forward_credentials),
        )
        self._life.apply(self.serving, limits, retention)

    def running(self) -> None:
        """Read config and credentials, watch the config file from now on, and serve."""
        if not self.gate.failed:
            with self.gate.guard():
                self._life.start(self.serving)
                relieve_collector()
                self.gate.open()

    def done(self) -> Awaitable[None] | None:
        """Stop, at a reload of the script or mitmproxy's end. The runtime outlives a reload."""
        self.gate.close(self)
        if ctx.master.should_exit.is_set():
            return self._end()
        self._stop()
        return None

    async def _end(self) -> None:
        """End the requests that still run, then stop."""
        try:
            await end_requests(ctx.master.addons.get("proxyserver"))
        finally:
            self._stop()

    def _stop(self) -> None:
        switch.disable()
        connections.setLevel(logging.NOTSET)
        self._access_log.uninstall()
        replay.uninstall()
        self._life.stop(self.serving)

    def running_requests(self) -> list[Running]:
        """The requests in progress, the longest running first."""
        return running(self.claims)

    def router(self) -> Runtime | None:
        """The router, None while it has no usable config."""
        return self._life.runtime

    @command.command("router.stats")  # type: ignore[untyped-decorator]  # it has no annotations
    def stats(self) -> str:
        """Requests, costs and savings since the router began."""
        router = self.router()
        return router.recording.totals.line() if router else "the router has no usable config"

    # Connections.

    def client_connected(self, client: connection.Client) -> None:
        """Give a client a time for its first byte, and for each part of its answers."""
        self._slow_readers.connected(client)
        self._silent.connected(client, self.claims.client_limits.silence)

    async def client_disconnected(self, client: connection.Client) -> None:
        """Close the connections of attempts that this ends."""
        self._silent.heard(client)
        self.claims.unrouted.discard(client.id)
        self.serving.proxy_keys.closed(client.peername, client.sockname)
        await notice_leave(handler_of(client.id))
        await let_connections_close(client.id)

    def next_layer(self, data: layer.NextLayer) -> None:
        """Let HTTP connections run attempts; mitmproxy's own decision comes after scripts, so ask for it.

        Requests of a connection for which any of this fails are refused: mitmproxy would pass them on.
        """
        try:
            if data.layer is None:
                ctx.master.addons.get("nextlayer").next_layer(data)
            self._silent.decided(data)
            handler = handler_of(data.context.client.id)
            install_routing(data.layer, self.claims, handler)
            if handler:
                raise_connection_limit(handler)
                let_connections_tell(handler)
        except Exception:
            logger.exception("smart-router: a connection cannot be routed")
            self.claims.unrouted.add(data.context.client.id)

    def server_connect(self, data: server_hooks.ServerConnectionHookData) -> None:
        """Keep clients of a forward proxy from this machine's inner addresses."""
        address = data.server.address
        if address and (why := self._refused(data, forward_targets.before_dialling, address)):
            data.server.error = why

    def server_connected(self, data: server_hooks.ServerConnectionHookData) -> None:
        """The same for names, once they are resolved."""
        if self._refused(data, forward_targets.after_dialling, data.server):
            forward_targets.hang_up(data.server, handler_of(data.client.id))

    def _refused[T](
        self,
        data: server_hooks.ServerConnectionHookData,
        check: Callable[[T, Collection[int]], str | None],
        target: T,
    ) -> str | None:
        """Return why a connection to a server must not be used, also if that cannot be found out: mitmproxy
        would go on after an exception."""
        try:
            return None if self._is_chosen(data) else check(target, self._own_ports())
        except Exception:
            logger.exception("smart-router: an address cannot be checked")
            return "this proxy could not check the address: see its log"

    def _is_chosen(self, data: server_hooks.ServerConnectionHookData) -> bool:
        """Return whether the user's settings name the address: a reverse target's, or a provider's."""
        attempts = self.attempts.values()
        return isinstance(data.client.proxy_mode, ReverseMode) or any(
            one.flow.server_conn is data.server for one in attempts
        )

    def _own_ports(self) -> set[int]:
        listening = ctx.master.addons.get("proxyserver").listen_addrs()
        return {address[1] for address in listening} | {getattr(ctx.options, "web_port", None) or 0}

    def tls_established_client(self, data: tls.TlsData) -> None:
        """Note that the client's handshake is complete."""
        self._silent.heard(data.context.client)

    def tls_start_server(self, data: tls.TlsData) -> None:
        """Offer a provider its last TLS session; mitmproxy's own part comes after scripts, so ask for it."""
        ctx.master.addons.get("tlsconfig").tls_start_server(data)
        self._sessions.offer(data)

    # Client flows.

    def http_connect(self, flow: http.HTTPFlow) -> Awaitable[None] | None:
        """Check the credentials of a client that opens a tunnel."""
        return self.serving.connect(flow)

    def requestheaders(self, flow: http.HTTPFlow) -> None:
        """Claim the router's requests; stream large bodies of all others."""
        if flow.id in self.attempts:
            return
        if flow.client_conn.id in self.claims.unrouted:
            self.claims.add(flow).refusal = INTERNAL
        elif self.serving.should_claim(flow):
            claim, headers = self.claims.add(flow), flow.request.headers
            claim.refusal = self.serving.early_refusal(flow) or asked_too_much(headers, self.claims.max_body)
            if claim.refusal:
                headers.pop("expect", None)  # mitmproxy would ask for the body
        else:
            self.claims.let_pass(flow)
            flow.request.stream = flow.request.stream or _may_be_large(flow.request.headers)

    def request(self, flow: http.HTTPFlow) -> Awaitable[None] | None:
        """Answer a claimed request locally or through attempts."""
        claim = self.claims.get(flow)
        return self.serving.serve(flow, claim) if claim else None

    def router_next_attempt(self, exchange: Exchange) -> Awaitable[None] | None:
        """Set the exchange's next step; see `proxy.messages.NextAttemptHook`."""
        try:
            step = next_step(exchange)
        except Exception:
            step = _no_step(exchange)
        if not isinstance(step, Step):
            return _step_later(exchange, step)
        _take_step(exchange, step)
        return None

    async def router_decompress(self, attempt: Attempt) -> None:
        """Decompress a large answer; see `proxy.messages.DecompressHook`."""
        await asyncio.to_thread(attempt.decompress, attempt.max_answer)

    def responseheaders(self, flow: http.HTTPFlow) -> None:
        """Stream event streams and large bodies."""
        assert flow.response is not None
        if attempt := self.attempts.get(flow.id):
            self._sessions.keep(flow.server_conn)
            flow.response.stream = attempt.captured if attempt.form_of(flow.response) == "stream" else False
        elif claim := self.claims.get(flow):
            if claim.origin:
                flow.response.headers.update(cors(claim.origin))
        elif _is_event_stream(flow.response.headers):
            flow.response.stream = CapturedBody(options.read_limits(ctx.options).keep_body)
        elif _may_be_large(flow.response.headers):
            flow.response.stream = True

    def response(self, flow: http.HTTPFlow) -> None:
        """Record a routed request, show what was streamed, and release the flow."""
        if attempt := self.attempts.pop(flow.id, None):
            flow_marks.show_body(flow, attempt.captured)
            flow_marks.hide_credential(flow, attempt)
            flow_marks.mark_pending(attempt)
            return
        claim = self.claims.drop(flow)
        if claim is not None and claim.exchange is not None:
            if router := self.router():  # first: whatever fails after it only shows the request
                content = ctx.options.router_audit_content
                router.recording.ended(flow, claim.exchange, claim.client_name, content=content)
            flow_marks.show_body(flow, claim.exchange.client_body)
            refresh(flow_marks.finish(claim.exchange))
            self._access_log.add(comments.log_line(claim.exchange))
        elif flow.response is not None and isinstance(flow.response.stream, CapturedBody):
            flow_marks.show_body(flow, flow.response.stream)

    error = response


async def _step_later(exchange: Exchange, coming: Awaitable[Step]) -> None:
    try:
        step = await coming
    except Exception:
        step = _no_step(exchange)
    _take_step(exchange, step)


def _no_step(exchange: Exchange) -> Step:
    logger.exception("smart-router: %s: no next attempt", exchange.id)
    return Exhausted(INTERNAL)


def _take_step(exchange: Exchange, step: Step) -> None:
    exchange.step = step
    if isinstance(step, Attempt):
        flow_marks.link_attempt(exchange, step)
    if not isinstance(step, Attempt) or step.number > 1:  # the first follows nothing
        refresh(flow_marks.mark_outcomes(exchange))


def _is_event_stream(headers: http.Headers) -> bool:
    return str(headers.get("content-type", "")).lower().startswith("text/event-stream")


def _may_be_large(headers: http.Headers) -> bool:
    """True also without a length: chunked, HTTP/2, until the connection closes."""
    length = stated_length(headers)
    return length is None or length > STREAM_ABOVE


_smart_router = SmartRouter()
addons = [_smart_router, FlowLimit(), Commands(_smart_router.router, _smart_router.running_requests)]
