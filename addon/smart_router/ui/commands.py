"""Commands for mitmproxy's console and mitmweb's command bar."""

from __future__ import annotations

import logging
import time
from collections.abc import Callable, Mapping, Sequence
from itertools import zip_longest
from typing import Any, NamedTuple

from mitmproxy import command, ctx, exceptions, flow, http, types
from mitmproxy.types import Data
from rich.cells import cell_len, set_cell_size

from smart_router.api import model_lists
from smart_router.api.endpoints import ENDPOINTS
from smart_router.auth.storage.writer import StoreError
from smart_router.auth.store import UnknownProfileError
from smart_router.dialects.base import ClientDialect
from smart_router.dry_run import Offline
from smart_router.errors import ClientError
from smart_router.proxy.replay import REPLAYED
from smart_router.requests_in_progress import Running
from smart_router.routing.explanation import chances_line, merged
from smart_router.runtime import Runtime
from smart_router.ui.request_argument import (
    RoutedRequest,
    attempts_of,
    completions,
    find_client,
    in_mitmweb,
)

logger = logging.getLogger(__name__)


class ModelName(str):
    """An argument that takes any model and completes to the available ones."""


class ProfileId(str):
    """An argument that takes a profile's id."""


class _Argument(NamedTuple):
    """A type of arguments. mitmproxy's table of these needs the methods and no base class.

    `complete` gets a function that executes commands. `read` converts the typed text to a `kind`, or raises
    ValueError.
    """

    typ: type
    display: str
    complete: Callable[[Any], Sequence[str]]
    read: Callable[[str], Any] = str
    kind: type = str

    def completion(self, manager: Any, t: type, s: str) -> Sequence[str]:
        return self.complete(manager.execute)

    def parse(self, manager: Any, t: type, s: str) -> Any:
        return self.read(s)

    def is_valid(self, manager: Any, typ: Any, val: Any) -> bool:
        return isinstance(val, self.kind)


_ARGUMENTS = (
    _Argument(RoutedRequest, "request", lambda execute: completions(), find_client, flow.Flow),
    _Argument(ModelName, "model", lambda execute: list(execute("router.models"))),
    _Argument(ProfileId, "profile", lambda execute: [row[0] for row in execute("router.profiles")[1:]]),
)


class Commands:
    """The `router.*` commands. `find_router` returns the router, None while it has no usable config;
    `list_running` returns the requests in progress."""

    name = "smart-router-commands"

    def __init__(
        self, find_router: Callable[[], Runtime | None], list_running: Callable[[], Sequence[Running]]
    ) -> None:
        self._find_router = find_router
        self._list_running = list_running
        for argument in _ARGUMENTS:
            types.CommandTypes.typemap[argument.typ] = argument

    def _router(self) -> Runtime:
        router = self._find_router()
        if router is None:
            raise exceptions.CommandError("the router has no usable config; its log says why")
        return router

    @command.command("router.explain")  # type: ignore[untyped-decorator]
    def explain(self, flow: RoutedRequest) -> Data:
        """Explain how a request was routed: the decision, its attempts, and the score, signals and candidates
        under the current config. Name the request by its id (x-router-request-id) or by a filter that matches
        only its flows; in the console @focus is the selected flow."""
        client, router = _client(flow), self._router()
        try:
            dialect, parameters = _dialect_of(client)
            request = dialect.read_request(client.request.content or b"", parameters)
            decision = Offline(router.config, router.auth.has_profile).decide(request, request["model"])
        except ClientError as error:
            raise exceptions.CommandError(error.message) from error
        rows = [["then", client.comment]]
        rows += [["", attempt.comment] for attempt in attempts_of(client)]
        rows.append(["now", decision.why])
        if decision.score is not None and decision.tier is not None:
            rows.append(["tier", f"{decision.tier}: {chances_line(decision.chances, decision.tier)}"])
            rows.append(["difficulty", f"{decision.score:.3f}"])
        rows += [
            [f"{one.for_tier:+.2f}", f"{one.name}: {one.evidence} (difficulty {one.weight:+.2f})"]
            for one in merged(decision.signals)
        ]
        rows += [[f"{place}.", str(candidate)] for place, candidate in enumerate(decision.candidates, 1)]
        return _data(rows)

    @command.command("router.replay")  # type: ignore[untyped-decorator]
    def replay(self, flow: RoutedRequest, model: ModelName) -> None:
        """Send a client request again with another model, as a new flow. Name the request as for
        router.explain."""
        self._router()
        client = _client(flow)
        copy = client.copy()
        try:
            dialect, _ = _dialect_of(client)
            path, body = dialect.with_model(client.request.path, client.request.content or b"", str(model))
        except ValueError as error:
            raise exceptions.CommandError(f"the model of this request cannot be changed: {error}") from error
        copy.request.path, copy.request.content = path, body
        copy.metadata = {REPLAYED: client.id}
        copy.comment = f"again, with {model}; {client.metadata['router_request']}"
        if view := ctx.master.addons.get("view"):
            view.add([copy])
            view.focus.flow = copy
        ctx.master.commands.call("replay.client", [copy])

    @command.command("router.running")  # type: ignore[untyped-decorator]
    def running(self) -> Data:
        """List the requests in progress, with what each is waiting for."""
        now, wall = time.monotonic(), time.time()
        rows = [["id", "model", "tier", "attempt", "candidate", "running for", "now"]]
        rows += [_running_row(one, now, wall) for one in self._list_running()]
        return _data(rows)

    @command.command("router.models")  # type: ignore[untyped-decorator]
    def models(self) -> Sequence[str]:
        """List the available models."""
        router = self._router()
        listed = model_lists.list_models(router.config, router.auth)
        return [model.id for model in listed]

    @command.command("router.profiles")  # type: ignore[untyped-decorator]
    def profiles(self) -> Data:
        """List keys and logins with their state, and why a profile is not used."""
        rows = [["profile", "state", "why", "cooled for"]]
        for status in self._router().auth.statuses(None, time.monotonic()):
            known = status.as_dict()
            rows.append(_profile_row(known["id"], known))
            rows += [
                _profile_row(f"{known['id']} {model}", one)
                for model, one in known["models"].items()
                if one["state"] != "usable"
            ]
        return _data(rows)

    @command.command("router.cooldown.clear")  # type: ignore[untyped-decorator]
    def clear_cooldown(self, profile: ProfileId = ProfileId()) -> None:  # noqa: B008  # a constant
        """Clear the cooldowns of a profile and its models, or of all profiles."""
        auth = self._router().auth
        known = [status.id for status in auth.statuses(None, time.monotonic())]
        try:
            for id_ in [profile] if profile else known:
                auth.reset(id_)
        except (UnknownProfileError, StoreError) as error:
            raise exceptions.CommandError(str(error)) from error

    @command.command("router.reload")  # type: ignore[untyped-decorator]
    def reload(self) -> str:
        """Reload the router's config file."""
        router = self._router()
        if router.reload(force=True):
            return f"reloaded {router.config_file}"
        raise exceptions.CommandError("the config has an error, see the log; the previous one stays in use")


def _client(named: RoutedRequest) -> http.HTTPFlow:
    """Check an argument that mitmproxy resolved."""
    if not isinstance(named, http.HTTPFlow):
        raise exceptions.CommandError("this is not a routed request")
    return named


def _dialect_of(client: http.HTTPFlow) -> tuple[ClientDialect, Mapping[str, str]]:
    """The format of a client flow, and its path's parameters."""
    if found := ENDPOINTS.find_dialect(client.request.path):
        return found
    raise exceptions.CommandError("this is not a routed request")


def _running_row(one: Running, now: float, wall: float) -> list[str]:
    exchange, decision = one.exchange, one.exchange.decision
    candidate = one.attempt.candidate.name if one.attempt else ""
    age = f"{now - exchange.started:.0f} s"
    known = [exchange.id, decision.asked, decision.tier or "", str(exchange.number), candidate, age]
    return [*known, one.describe(now, wall)]


def _profile_row(name: str, known: dict[str, Any]) -> list[str]:
    cooled = known["cooled_for"]
    return [name, known["state"], known["why"] or "", "" if cooled is None else f"{cooled:.0f} s"]


def _data(rows: list[list[str]]) -> Data:
    """Return a table in mitmproxy's type. mitmweb shows a command's result as JSON on one line, so the event
    log there gets it as aligned text.
    """
    if in_mitmweb():
        logger.info("%s", aligned(rows))
    return rows  # type: ignore[return-value]


def aligned(rows: Sequence[Sequence[str]]) -> str:
    """Format rows as text with aligned columns."""
    widths = [max(map(cell_len, column)) for column in zip_longest(*rows, fillvalue="")]
    return "\n".join(
        "  ".join(set_cell_size(cell, width) for cell, width in zip(row, widths, strict=False)).rstrip()
        for row in rows
    )
