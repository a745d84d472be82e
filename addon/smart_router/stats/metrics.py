"""The totals in Prometheus' text format, under OpenTelemetry's names where they exist."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from itertools import accumulate
from typing import TYPE_CHECKING, Any

from smart_router.errors import ClientError
from smart_router.providers.registry import PROVIDERS
from smart_router.stats.totals import Histogram, Labels, Totals

if TYPE_CHECKING:
    from prometheus_client.metrics_core import Metric

_PROVIDER_NAMES = {id_: provider.telemetry_name or id_ for id_, provider in PROVIDERS.items()}
"""Values of `gen_ai.provider.name` by provider id."""

_OPERATION = "chat"
"""`gen_ai.operation.name` of attempts, whatever format the client speaks."""

_WHO = "gen_ai_operation_name gen_ai_provider_name gen_ai_request_model"

Machines = Sequence[Mapping[str, Any]]


def exposition(totals: Totals, lost: int, running: int = 0, machines: Machines = ()) -> tuple[bytes, str]:
    """Return the metrics and their content type. `lost` is the number of records that could not be kept,
    `running` that of the requests in progress, `machines` are those of the cluster, as in /health.

    Raises a 501 that names the extra if prometheus-client is not installed.
    """
    try:
        from prometheus_client import CONTENT_TYPE_LATEST
        from prometheus_client.core import GaugeMetricFamily
    except ImportError:
        raise ClientError(
            501, "metrics need prometheus-client: pip install 'smart-router[metrics]'", code="extra_missing"
        ) from None

    def collect() -> Iterator[Metric]:
        with totals.lock:
            yield from _metrics(totals, lost)
        yield GaugeMetricFamily("smart_router_running_requests", "Requests in progress.", running)
        if machines:
            yield from _of_machines(machines)

    return render(collect), CONTENT_TYPE_LATEST


def render(collect: Callable[[], Iterator[Metric]]) -> bytes:
    """Return metrics in Prometheus' text format. Requires prometheus-client."""
    from prometheus_client import CollectorRegistry, generate_latest

    class Collector:
        def collect(self) -> Iterator[Metric]:
            return collect()

    registry = CollectorRegistry()
    registry.register(Collector())
    return generate_latest(registry)


def _of_machines(machines: Machines) -> Iterator[Metric]:
    from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily

    up = GaugeMetricFamily("smart_router_machine_up", "Machines that answer.", labels=["machine"])
    requests = CounterMetricFamily(
        "smart_router_machine_requests", "Recorded requests of each machine.", labels=["machine"]
    )
    cost = CounterMetricFamily("smart_router_machine_cost_usd", "Their cost.", labels=["machine"])
    for name in dict.fromkeys(
        one["name"] for one in machines
    ):  # several, if a machine has lost its state folder
        named = [one for one in machines if one["name"] == name]
        up.add_metric([name], any(one["state"] == "ok" for one in named))
        requests.add_metric([name], sum(one["requests"] for one in named))
        cost.add_metric([name], sum(one["cost"] for one in named))
    yield from (up, requests, cost)


def _metrics(totals: Totals, lost: int) -> Iterator[Metric]:
    from prometheus_client.core import CounterMetricFamily, HistogramMetricFamily

    def counter(name: str, text: str, rows: Mapping[Labels, float], labels: str = "") -> Metric:
        metric = CounterMetricFamily(f"smart_router_{name}", text, labels=labels.split())
        for values, count in rows.items():
            metric.add_metric(values, count)
        return metric

    def histogram(name: str, text: str, rows: Mapping[Labels, Histogram], labels: str = "") -> Metric:
        metric = HistogramMetricFamily(name, text, labels=labels.split())
        for values, found in rows.items():
            metric.add_metric(values, _buckets(found), found.sum)
        return metric

    yield counter("requests", "Requests by tier and outcome.", totals.requests, "tier outcome")
    yield counter("failovers", "Requests that took more than one attempt.", {(): totals.failovers})
    yield counter("attempts", "Attempts by outcome.", totals.attempts, "provider model outcome")
    yield counter(
        "cost_usd", "Cost; equivalent: list price of subscriptions.", totals.costs, "provider model basis"
    )
    yield counter("baseline_usd", "Cost had the baseline model answered.", {(): totals.baseline})
    yield counter("saved_usd", "Cost less than that.", {(): totals.saved})
    yield counter("lost_records", "Records that could not be kept.", {(): lost})
    yield histogram(
        "smart_router_overhead_seconds", "Time of a request that no provider took.", {(): totals.overhead}
    )
    yield histogram(
        "gen_ai_client_token_usage",
        "Tokens of an attempt.",
        _named(totals.tokens),
        f"{_WHO} gen_ai_token_type",
    )
    yield histogram(
        "gen_ai_client_operation_duration_seconds",
        "Duration of an attempt.",
        _named(totals.durations),
        f"{_WHO} error_type",
    )
    yield histogram(
        "gen_ai_server_time_to_first_token_seconds",
        "Time from an attempt's start to the first content of its stream.",
        _named(totals.ttft),
        _WHO,
    )


def _named(rows: Mapping[Labels, Histogram]) -> dict[Labels, Histogram]:
    """The labels with OpenTelemetry's words for operation and provider."""
    named: dict[Labels, Histogram] = {}
    for (provider, *rest), found in rows.items():
        key = (_OPERATION, _PROVIDER_NAMES.get(provider, provider), *rest)
        named[key] = named[key].plus(found) if key in named else found
    return named


def _buckets(found: Histogram) -> list[tuple[str, float]]:
    bounds = [*map(str, found.bounds), "+Inf"]
    return list(zip(bounds, map(float, accumulate(found.counts)), strict=True))
