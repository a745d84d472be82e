"""Answers /health, /metrics and /router/running for all workers, whichever worker gets the request."""

from __future__ import annotations

import os
from collections import Counter
from collections.abc import Awaitable, Callable, Iterator
from typing import TYPE_CHECKING, Any

from mitmproxy import http
from pydantic_core import from_json, to_json

from smart_router.api.endpoints import ENDPOINTS, Target
from smart_router.api.handler import Marks, RequestHandler
from smart_router.api.local_answers import status_alone
from smart_router.proxy.claims import Claim, Claims
from smart_router.stats.metrics import Machines, exposition, render
from smart_router.workers.channel import Message
from smart_router.workers.report import from_tree

if TYPE_CHECKING:
    from prometheus_client.metrics_core import Metric

LEAVING = "leaving"
"""Status in /health while all workers are draining."""

View = Callable[[], Awaitable[Message | None]]


class SharedRequestHandler(RequestHandler):
    """Answers status endpoints for all workers. `view` asks the supervisor and returns None if it does not
    answer; the answer then covers only this worker."""

    def __init__(self, claims: Claims, marks: Marks, view: View) -> None:
        super().__init__(claims, marks)
        self._view = view
        self.watcher.everywhere = self._running_everywhere

    async def _running_everywhere(self, own: list[dict[str, Any]]) -> list[dict[str, Any]]:
        found: list[dict[str, Any]] = running({"running": own}, await self._view())["running"]
        return found

    def _serve(self, flow: http.HTTPFlow, claim: Claim) -> Awaitable[None] | None:
        rest = super()._serve(flow, claim)
        target = ENDPOINTS.resolve(flow.request.path)
        if flow.response is None or not isinstance(target, Target):
            return rest
        if (
            target.endpoint.name not in ("health", "metrics", "running")
            or flow.request.method not in target.endpoint.methods
        ):
            return rest
        return self._answer_for_all(flow, target, brief=claim.brief)

    async def _answer_for_all(self, flow: http.HTTPFlow, target: Target, *, brief: bool) -> None:
        assert flow.response is not None
        view = await self._view()
        if target.endpoint.name == "health":
            body = health(from_json(flow.response.content or b"{}"), view)
            flow.response.status_code = 200 if body["status"] == "ok" else 503
            flow.response.content = to_json(status_alone(body) if brief else body)
        elif target.endpoint.name == "running":
            flow.response.content = to_json(running(from_json(flow.response.content or b"{}"), view))
        elif view is not None:
            flow.response.content = metrics(view, self.router.machines() if self.router else ())


def health(own: dict[str, Any], view: Message | None) -> dict[str, Any]:
    """Return the body of /health: `ok` if at least one worker is usable. `pid` is the answering worker's."""
    own = {**own, "pid": os.getpid()}
    if view is None:
        return {**own, "supervisor": "not answering"}
    workers = [{key: of for key, of in worker.items() if key != "running"} for worker in view["workers"]]
    if view["leaving"]:
        status = LEAVING
    elif any(worker["state"] == "serving" and worker.get("usable") for worker in workers):
        status = "ok"
    else:
        status = own["status"]
    whole = {"status": status, "uptime": view["uptime"], "restarts": view["restarts"], "workers": workers}
    return {**own, **whole}


def running(own: dict[str, Any], view: Message | None) -> dict[str, Any]:
    """Return the body of /router/running for all workers as of their last reports, longest running first."""
    if view is None:
        return {**own, "supervisor": "not answering"}
    found = [one | {"pid": worker["pid"]} for worker in view["workers"] for one in worker.get("running", ())]
    return {"running": sorted(found, key=lambda one: one["started"])}


def count_running(view: Message, but: int = 0) -> int:
    """Return the number of requests in progress in all workers, but for the one with this process id."""
    return sum(worker.get("running_requests", 0) for worker in view["workers"] if worker["pid"] != but)


def metrics(view: Message, machines: Machines = ()) -> bytes:
    """Return the sums over all workers since the supervisor's start, the worker counts, and the machines of
    the cluster."""
    text, _ = exposition(*from_tree(view["counts"]), count_running(view), machines)
    return text + render(lambda: _of_workers(view))


def _of_workers(view: Message) -> Iterator[Metric]:
    from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily

    states = Counter(worker["state"] for worker in view["workers"])
    workers = GaugeMetricFamily("smart_router_workers", "Processes by state.", labels=["state"])
    for state, count in states.items():
        workers.add_metric([state], count)
    yield workers
    restarts = "Workers restarted after they died."
    yield CounterMetricFamily("smart_router_restarts", restarts, value=view["restarts"])
