"""Answers that the router gives without a provider: its health, its figures."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable, Callable, Mapping
from typing import Any, NamedTuple

from mitmproxy import http
from pydantic_core import to_json

from smart_router import __version__, background
from smart_router.auth.cooldowns import Cooled
from smart_router.auth.store import AuthStore
from smart_router.client_keys.client import Client
from smart_router.client_keys.description import describe_client, describe_stored
from smart_router.config import Config
from smart_router.errors import ClientError
from smart_router.live.page import FILES, HEADERS, live_page
from smart_router.live.watcher import Watcher
from smart_router.proxy.claims import Claims
from smart_router.proxy.event_stream import EventSource, event_head
from smart_router.requests_in_progress import count_running, listed
from smart_router.runtime import Runtime
from smart_router.stats.metrics import exposition
from smart_router.storage.sqlite_file import aside


class LocalRequest(NamedTuple):
    """A request for a local answer. `brief`: the client may see no details. `client` has shown a key."""

    runtime: Runtime
    claims: Claims
    parameters: Mapping[str, str]
    brief: bool
    method: str
    client: Client | None
    headers: Mapping[str, str]
    watcher: Watcher


Given = http.Response | EventSource
"""A whole response, or the source of a stream's events."""

LocalAnswer = Callable[[LocalRequest], Given | Awaitable[Given]]
"""Answers a request. Raises ClientError."""


def json_response(status: int, body: object, headers: Mapping[str, str] | None = None) -> http.Response:
    """Return a response with a JSON body."""
    return http.Response.make(status, to_json(body), {"content-type": "application/json", **(headers or {})})


def health_check(request: LocalRequest) -> http.Response:
    """`/health`"""
    runtime, now = request.runtime, time.monotonic()
    status, body = health(runtime.config, runtime.auth, now, now - runtime.started)
    body |= {"config": runtime.config_status(), "trouble": runtime.current_trouble(now)}
    body["background"] = background.report()
    body["set_aside"] = aside(runtime.state_folder)
    if runtime.cluster is not None:
        body |= runtime.cluster.status()
    return json_response(status, status_alone(body) if request.brief else body)


async def stats(request: LocalRequest) -> http.Response:
    """`/router/stats`"""
    recording, since = request.runtime.recording, request.parameters.get("since", "")
    if mark := request.parameters.get("run"):
        return json_response(200, await asyncio.to_thread(recording.report_run, mark))
    return json_response(200, await asyncio.to_thread(recording.report, since))


async def usage(request: LocalRequest) -> http.Response:
    """`/router/usage`: the rights of the client whose key was shown, and its use of its limits."""
    client, runtime = request.client, request.runtime
    if client is None:
        said = "send a router key, such as `authorization: Bearer KEY`, to see what its client has used"
        raise ClientError(401, said, type="authentication_error", code="invalid_api_key")
    used = await asyncio.to_thread(runtime.recording.use_of, client.name)
    return json_response(200, {**describe_client(client, runtime.clients.ledger), "last_day": used})


def all_clients(request: LocalRequest) -> http.Response:
    """`/router/clients`: all clients of the command line, with their use of their limits."""
    book = request.runtime.clients
    found = [describe_stored(one, book.ledger, time.time()) for one in book.directory]
    return json_response(200, {"clients": found})


def running_requests(request: LocalRequest) -> http.Response:
    """`/router/running`: the requests in progress in this process, the longest running first."""
    return json_response(200, {"running": listed(request.claims, time.monotonic(), time.time())})


def root(request: LocalRequest) -> http.Response:
    """`/`, which people open in a browser: the live page is elsewhere"""
    return http.Response.make(307, b"", {"location": "/router"})


def page(request: LocalRequest) -> http.Response:
    """`/router`: the live page"""
    return http.Response.make(200, live_page(), HEADERS | {"content-type": "text/html; charset=utf-8"})


def page_file(request: LocalRequest) -> http.Response:
    """`/router/page/{file}`: a part of the live page, which is the same for everybody"""
    found = FILES.get(request.parameters["file"])
    if found is None:
        raise ClientError(404, "the live page has no such file", code="not_found")
    return http.Response.make(200, found.read(), HEADERS | {"content-type": found.content_type})


async def events(request: LocalRequest) -> Given:
    """`/router/events`: a snapshot of the live page's state, then its changes"""
    if request.method == "HEAD":
        return event_head("")
    return await request.watcher.watch(request.runtime, request.headers.get("last-event-id", ""))


def metrics(request: LocalRequest) -> http.Response:
    """`/metrics`, for Prometheus"""
    recording = request.runtime.recording
    exposed, content_type = exposition(
        recording.totals, recording.writer.lost, count_running(request.claims), request.runtime.machines()
    )
    return http.Response.make(200, exposed, {"content-type": content_type})


def health(config: Config, auth: AuthStore, now: float, uptime: float) -> tuple[int, dict[str, Any]]:
    """Status and body of /health: 200 if some profile can be used now, else 503. `uptime` in seconds."""
    providers = {}
    for id_ in config.providers:
        profiles = auth.statuses(id_, now)
        cooled = [p.state.until - now for p in profiles if isinstance(p.state, Cooled)]
        providers[id_] = {
            "configured": bool(profiles),
            "profiles_usable": sum(p.usable for p in profiles),
            "cooled_for": round(min(cooled), 1) if cooled else None,
            "unusable": {p.id: p.why for p in profiles if not p.usable},
            "cooled_models": {
                f"{p.id} {model}": why for p in profiles for model, why in p.held_models.items()
            },
        }
    usable = any(p["profiles_usable"] for p in providers.values())
    body = {
        "status": "ok" if usable else "no usable profile",
        "version": __version__,
        "uptime": round(uptime, 1),
        "providers": providers,
    }
    return (200 if usable else 503), body


def status_alone(health: Mapping[str, Any]) -> dict[str, Any]:
    """Return the part of a /health body that clients without a router key may see."""
    return {"status": health["status"]}
