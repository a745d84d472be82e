"""Flows of a router, as its flow file has them."""

from __future__ import annotations

from pathlib import Path

from mitmproxy import http, io


def read_flows(path: Path) -> list[http.HTTPFlow]:
    """The flows of a `-w` file."""
    with path.open("rb") as file:
        return [flow for flow in io.FlowReader(file).stream() if isinstance(flow, http.HTTPFlow)]


def attempts_of(flows: list[http.HTTPFlow], client: http.HTTPFlow) -> list[http.HTTPFlow]:
    """A client flow's attempts, by what links them, in order."""
    found = {flow.id: flow for flow in flows}
    return [found[id_] for id_ in client.metadata["router_flows"].split()]
