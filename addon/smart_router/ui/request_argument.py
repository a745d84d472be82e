"""Command argument that names a request: by its id, by a flow, or by a filter that matches only that
request."""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence

from mitmproxy import ctx, exceptions, flow, http

_ID = re.compile(r"[0-9a-f]{4,16}")
"""A request's id (`x-router-request-id`) or its beginning."""

_HOW_TO_NAME = "the id ends the comment of its flow, and is its answer's x-router-request-id"


class RoutedRequest:
    """Argument type for a routed request; commands get its client flow."""


def completions() -> Sequence[str]:
    """Return the names of the listed requests: their ids and, in the console, `@focus`."""
    ids = [flow.metadata["router_request"] for flow in _listed() if _is_client(flow)]
    return ids if in_mitmweb() else ["@focus", *ids]


def find_client(spec: str) -> http.HTTPFlow:
    """Return the client flow of the one request named by `spec`.

    Raises ValueError for no or several requests, and for `@focus` in mitmweb, where it is not the selected
    flow.
    """
    if spec == "@focus" and in_mitmweb():
        why = "mitmweb does not tell the server which flow you selected"
        raise ValueError(f"{why}: type the request's id in place of @focus; {_HOW_TO_NAME}")
    named = [flow for flow in _listed() if str(flow.metadata.get("router_request", "")).startswith(spec)]
    flows = named if _ID.fullmatch(spec) and named else _resolve(spec)
    clients = list({client.id: client for client in map(_client_of, flows) if client}.values())
    if len(clients) == 1:
        return clients[0]
    if clients:
        raise ValueError(f"{len(clients)} requests match {spec!r}: type the id of one; {_HOW_TO_NAME}")
    if any("router_request" in flow.metadata for flow in flows):
        raise ValueError("the request of this attempt is no longer listed")
    raise ValueError(f"no routed request matches {spec!r}: type a request's id; {_HOW_TO_NAME}")


def in_mitmweb() -> bool:
    """Return whether this process is mitmweb: only mitmweb has columns."""
    return "web_columns" in ctx.options


def attempts_of(client: http.HTTPFlow) -> list[flow.Flow]:
    """Return the listed flows of a request's attempts, in order."""
    view = ctx.master.addons.get("view")
    ids = str(client.metadata.get("router_flows", "")).split() if view else ()
    return [one for id_ in ids if (one := view.get_by_id(id_)) is not None]


def _listed() -> Iterable[flow.Flow]:
    view = ctx.master.addons.get("view")
    if view is None:
        raise ValueError("mitmdump keeps no list of flows: this works in mitmweb and mitmproxy")
    flows: Iterable[flow.Flow] = view.resolve("@all")
    return flows


def _resolve(spec: str) -> Sequence[flow.Flow]:
    try:
        flows: Sequence[flow.Flow] = ctx.master.addons.get("view").resolve(spec)
    except exceptions.CommandError as error:
        raise ValueError(str(error)) from error
    return flows


def _is_client(one: flow.Flow) -> bool:
    return "router_request" in one.metadata and "router_attempt" not in one.metadata


def _client_of(one: flow.Flow) -> http.HTTPFlow | None:
    """Client flow of a routed flow, None if there is none or it is no longer listed."""
    if "router_attempt" in one.metadata:
        one = ctx.master.addons.get("view").get_by_id(one.metadata.get("router_client", "")) or one
    return one if isinstance(one, http.HTTPFlow) and _is_client(one) else None
