"""Reads a router's flow file."""

from __future__ import annotations

from pathlib import Path

from mitmproxy import http, io


def read_flows(path: Path) -> list[http.HTTPFlow]:
    """Return the flows of a `-w` file."""
    with path.open("rb") as file:
        return [flow for flow in io.FlowReader(file).stream() if isinstance(flow, http.HTTPFlow)]


def attempts_of(flows: list[http.HTTPFlow], client: http.HTTPFlow) -> list[http.HTTPFlow]:
    """Return the attempts linked to a client flow, in order."""
    found = {flow.id: flow for flow in flows}
    return [found[id_] for id_ in client.metadata["router_flows"].split()]
