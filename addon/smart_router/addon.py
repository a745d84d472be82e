"""The mitmproxy addon: options and hooks. What they do is elsewhere."""

from __future__ import annotations

import asyncio
import logging
import sys
import time
from collections.abc import Awaitable, Sequence
from contextlib import suppress

from mitmproxy import command, connection, ctx, exceptions, http, tls
from mitmproxy.addonmanager import Loader
from mitmproxy.proxy import layer, server

from smart_router.access_log import AccessLog
from smart_router.addresses import LOOPBACK, allowed_names
from smart_router.api.handler import INTERNAL, RequestHandler, Rules, cors
from smart_router.api.intercept import read_interception
from smart_router.attempts.attempt import Attempt
from smart_router.attempts.captured_body import CapturedBody
from smart_router.attempts.exchange import Exchange, Exhausted, Step
from smart_router.attempts.token_refresh import next_step
from smart_router.auth.storage.writer import StoreError
from smart_router.config_errors import ConfigError
from smart_router.local_trouble import raise_file_limit
from smart_router.options import (
    add_options,
    read_limits,
    read_max_body,
    read_retention,
    take_deferred,
)
from smart_router.proxy import replay
from smart_router.proxy.claims import Claims
from smart_router.proxy.fast import functions
from smart_router.proxy.fast.hook_dispatch import FastHooks
from smart_router.proxy.fixes import debug_log, error_pages
from smart_router.proxy.fixes.close_connections import let_connections_close
from smart_router.proxy.fixes.loopback import start_on_loopback
from smart_router.proxy.gate import Gate
from smart_router.proxy.install import handler_of, install_routing, raise_connection_limit, settle
from smart_router.proxy.tls_sessions import TlsSessions
from smart_router.recording import FLUSH_WITHIN
from smart_router.requests_in_progress import Running, running
from smart_router.routing import Candidate
from smart_router.runtime import Runtime, open_router
from smart_router.start_line import pointed_at_itself, start_line
from smart_router.ui import comments, flow_marks, transcript_view
from smart_router.ui.commands import Commands
from smart_router.ui.flow_limit import FlowLimit
from smart_router.ui.progress import Watch

logger = logging.getLogger(__name__)

connections = logging.getLogger(server.__name__)
"""What mitmproxy logs of connections."""

RELOAD_EVERY = 1.0
"""Seconds between looks at the config file."""

_BODY_LIMITS = ("stream_large_bodies", "body_size_limit")
"""mitmproxy's options that its streams look at for each body."""

STREAM_ABOVE = 1 << 20
"""Bodies of requests that are not the router's are streamed through from this size on; small ones are cheaper
whole, and the UI can show them."""


class SmartRouter:
    """Claims chat requests, answers its own endpoints, and passes on all else."""

    name = "smart-router"

    def __init__(self) -> None:
        self.gate = Gate()
        self.claims = Claims(0)
        self.attempts = self.claims.attempts
        self._router: Runtime | None = None
        self.serving = RequestHandler(self.claims, flow_marks)
        self._fast_hooks: FastHooks | None = None
        self._journal = AccessLog(logger)
        self._sessions = TlsSessions()
        self._opened_at = ("", "")
        self._tasks: list[asyncio.Task[None]] = []

    # Its life.

    def load(self, loader: Loader) -> None:
        """Declare the options, and change those of mitmproxy's defaults that would harm a router."""
        with self.gate.guard():
            self.gate.close(self)
            _change_defaults()
            raise_file_limit()
            add_options(loader)
            take_deferred(ctx.options)
            self._journal.install()
            error_pages.install()
            debug_log.install()
            transcript_view.install()
            replay.install(self.claims)

    def configure(self, updated: set[str]) -> None:
        """Check changed options and take them in. mitmproxy keeps the old ones after an OptionsError."""
        if not self.gate.failed:
            with self.gate.guard():
                self._configure(updated)

    def _configure(self, updated: set[str]) -> None:
        self.claims.bodies_limited = any(getattr(ctx.options, name, True) for name in _BODY_LIMITS)
        self.claims.streams_stored = getattr(ctx.options, "store_streamed_bodies", True)
        if not any(name.startswith("router_") for name in updated):
            return
        if "router_fast_hooks" in updated:
            self._use_fast_hooks(ctx.options.router_fast_hooks)
        if "router_log_connections" in updated:
            connections.setLevel(logging.NOTSET if ctx.options.router_log_connections else logging.WARNING)
        try:
            self.claims.max_body = read_max_body(ctx.options)
            limits = read_limits(ctx.options)
            retention = read_retention(ctx.options)
            interception = read_interception(ctx.options.router_intercept, ctx.options.router_model_map)
        except ValueError as error:
            raise exceptions.OptionsError(str(error)) from error
        self.claims.hosts = allowed_names(ctx.options.listen_host, ctx.options.router_allow_hosts)
        self.serving.rules = Rules(
            interception,
            tuple(ctx.options.router_allow_origins),
            ctx.options.router_passthrough,
            tuple(ctx.options.router_forward_credentials),
        )
        if self._router is not None:
            self._router.limits = limits
            self._router.recording.writer.retention = retention
            if self._opened_at != _paths():  # a reload of the script names all options as updated
                self._open()

    def running(self) -> None:
        """Read config and credentials, watch the config file from now on, and serve."""
        if not self.gate.failed:
            with self.gate.guard():
                self._run()
                self.gate.open()

    def _run(self) -> None:
        if self._router is None:
            self._open()
        self._say_what_is_there()  # before `settle` opens the sockets anew, for then they have no address
        self._tasks = [asyncio.create_task(self._watch())]
        watch = Watch(self.claims, _refresh, self._estimate)
        self._tasks.append(asyncio.create_task(watch.run()))
        on_loopback = ctx.options.listen_host == LOOPBACK
        proxyserver = ctx.master.addons.get("proxyserver")
        self._tasks.append(asyncio.create_task(settle(proxyserver, on_loopback=on_loopback)))

    def _say_what_is_there(self) -> None:
        router, addresses = self._router, ctx.master.addons.get("proxyserver").listen_addrs()
        assert router is not None
        profiles = {id_: router.auth.statuses(id_, time.monotonic()) for id_ in router.config.providers}
        status = router.config_status()
        config = f"defaults (no {status['path']})" if status["defaults"] else status["path"]
        logger.info("%s", start_line(addresses, config, profiles))
        for warning in pointed_at_itself(addresses, router.config.providers, router.env):
            logger.warning("smart-router: %s", warning)

    def done(self) -> None:
        """The script is reloaded or mitmproxy ends; what the router knows outlives a reload."""
        self.gate.close(self)
        self._use_fast_hooks(False)
        connections.setLevel(logging.NOTSET)
        self._journal.uninstall()
        replay.uninstall()
        for task in self._tasks:
            task.cancel()
        if self._router is not None:
            with suppress(StoreError):  # which has said so in the log
                self._router.auth.flush()
            self._router.recording.writer.flush(FLUSH_WITHIN)

    def _use_fast_hooks(self, wanted: bool) -> None:
        if self._fast_hooks is not None:
            self._fast_hooks.uninstall()
            functions.uninstall()
            self._fast_hooks = self.claims.start_hook = None
        if wanted:
            self._fast_hooks = FastHooks(ctx.master.addons)
            self._fast_hooks.install()
            functions.install()
            self.claims.start_hook = self._fast_hooks.start

    def _open(self) -> None:
        try:
            router = open_router(*_paths())
        except ConfigError as error:
            raise exceptions.OptionsError(str(error)) from error
        router.limits = read_limits(ctx.options)
        router.recording.writer.retention = read_retention(ctx.options)
        router.recording.on_cost = _show_costs
        if self._router is not None:
            self._router.auth.close()
            self._router.recording.writer.close()
        self._router = self.serving.router = router
        self._opened_at = _paths()

    async def _watch(self) -> None:
        while True:
            await asyncio.sleep(RELOAD_EVERY)
            try:
                if self._router is not None:
                    self._router.reload()
                    self._router.refresher.refresh_due()
                    self._router.troubles.look(time.monotonic())
            except Exception:  # whatever it is, the next edit is to be seen
                logger.exception("smart-router: the config was not watched")

    def _estimate(self, exchange: Exchange, candidate: Candidate) -> str | None:
        return self._router.recording.estimate(exchange, candidate) if self._router else None

    def running_requests(self) -> list[Running]:
        """The requests in progress, the longest running first."""
        return running(self.claims, time.monotonic())

    def router(self) -> Runtime | None:
        """The router, None while it has no usable config."""
        return self._router

    @command.command("router.stats")  # type: ignore[untyped-decorator]  # it has no annotations
    def stats(self) -> str:
        """Requests, costs and savings since the router began."""
        return self._router.recording.totals.line() if self._router else "the router has no usable config"

    # Connections.

    async def client_disconnected(self, client: connection.Client) -> None:
        """Have the attempts that this ends leave no connection behind."""
        await let_connections_close(client.id)

    def next_layer(self, data: layer.NextLayer) -> None:
        """Let HTTP connections run attempts; mitmproxy's own decision comes after scripts, so ask for it."""
        if data.layer is None:
            ctx.master.addons.get("nextlayer").next_layer(data)
        handler = handler_of(data.context.client)
        install_routing(data.layer, self.claims, handler)
        if handler:
            raise_connection_limit(handler)

    def tls_start_server(self, data: tls.TlsData) -> None:
        """Offer a provider its last TLS session; mitmproxy's own part comes after scripts, so ask for it."""
        ctx.master.addons.get("tlsconfig").tls_start_server(data)
        self._sessions.offer(data)

    # Client flows.

    def requestheaders(self, flow: http.HTTPFlow) -> None:
        """Claim what is the router's; let large bodies of all else pass through as they come."""
        if flow.id in self.attempts:
            return
        if self.serving.should_claim(flow):
            self.claims.add(flow)
        elif _may_be_large(flow.request.headers):
            flow.request.stream = True

    def request(self, flow: http.HTTPFlow) -> Awaitable[None] | None:
        """Answer what is claimed, or have attempts answer it."""
        claim = self.claims.get(flow)
        return self.serving.serve(flow, claim) if claim else None

    def router_next_attempt(self, exchange: Exchange) -> Awaitable[None] | None:
        """What the exchange does next; see `attempts.messages.NextAttemptHook`."""
        try:
            step = next_step(exchange)
        except Exception:
            step = _no_step(exchange)
        if not isinstance(step, Step):
            return _step_later(exchange, step)
        _take_step(exchange, step)
        return None

    async def router_decompress(self, attempt: Attempt) -> None:
        """Decompress a large answer; see `attempts.messages.DecompressHook`."""
        await asyncio.to_thread(attempt.decompress, attempt.max_answer)

    def responseheaders(self, flow: http.HTTPFlow) -> None:
        """Event streams and large bodies pass through as they come."""
        assert flow.response is not None
        if attempt := self.attempts.get(flow.id):
            self._sessions.keep(flow.server_conn)
            flow.response.stream = attempt.captured if _is_event_stream(flow.response.headers) else False
        elif claim := self.claims.get(flow):
            if claim.origin:
                flow.response.headers.update(cors(claim.origin))
        elif _is_event_stream(flow.response.headers):
            flow.response.stream = CapturedBody(read_limits(ctx.options).keep_body)
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
            flow_marks.show_body(flow, attempt.captured)
            flow_marks.hide_credential(flow, attempt)
            flow_marks.mark_pending(attempt)
            return
        claim = self.claims.drop(flow)
        if claim is not None and claim.exchange is not None:
            flow_marks.show_body(flow, claim.exchange.client_body)
            if self._router is not None:
                content = ctx.options.router_audit_content
                self._router.recording.ended(flow, claim.exchange, claim.client, content=content)
            _refresh(flow_marks.finish(claim.exchange))
            self._journal.add(comments.log_line(claim.exchange))
        elif flow.response is not None and isinstance(flow.response.stream, CapturedBody):
            flow_marks.show_body(flow, flow.response.stream)


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
    _refresh(flow_marks.mark_outcomes(exchange))


def _refresh(flows: Sequence[http.HTTPFlow]) -> None:
    """Show in mitmweb or the console what was changed outside of these flows' own hooks."""
    if flows and (view := ctx.master.addons.get("view")):
        view.update(flows)


def _show_costs(exchanges: Sequence[Exchange]) -> None:
    for exchange in exchanges:
        exchange.client_flow.comment = comments.ended(exchange)
    _refresh([exchange.client_flow for exchange in exchanges])


def _paths() -> tuple[str, str]:
    """Where the options say that config and state are."""
    return ctx.options.router_config, ctx.options.router_state


def _is_event_stream(headers: http.Headers) -> bool:
    return str(headers.get("content-type", "")).lower().startswith("text/event-stream")


def _may_be_large(headers: http.Headers) -> bool:
    """Also when nothing is said of the length: chunked, HTTP/2, until the connection closes."""
    length = headers.get("content-length", "")
    return not length.isdigit() or int(length) > STREAM_ABOVE


def _change_defaults() -> None:
    """Change what would harm a router, unless the user chose it."""
    if not ctx.options.listen_host:
        ctx.options.update(listen_host=LOOPBACK)
        start_on_loopback()
    if not _chosen("connection_strategy"):
        ctx.options.update(connection_strategy="lazy")
    if "web_columns" in ctx.options and not _chosen("web_columns"):  # of mitmweb alone
        ctx.options.update(web_columns=[*ctx.options.web_columns, "comment"])


def _chosen(option: str) -> bool:
    """Whether the user set an option of mitmproxy's; one equal to the default shows on the command line."""
    changed: bool = ctx.options.has_changed(option)
    return changed or any(option in argument for argument in sys.argv[1:])


_smart_router = SmartRouter()
addons = [_smart_router, FlowLimit(), Commands(_smart_router.router, _smart_router.running_requests)]
