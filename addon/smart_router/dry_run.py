"""Routing without a running router: requests in, decisions out, no provider called."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any, BinaryIO, NamedTuple

from pydantic_core import from_json, to_json

from smart_router.config import Config
from smart_router.dialects.base import ClientDialect
from smart_router.dialects.hub import ChatRequest
from smart_router.dialects.openai_chat.client import CHAT
from smart_router.errors import ClientError
from smart_router.providers.base import Provider
from smart_router.routing import Candidate, Decision, StickyTable, route
from smart_router.routing.requirements import ASSUMED_ANSWER, prompt_tokens
from smart_router.stats.prices import PriceBook
from smart_router.stats.records import Tokens

_ATTEMPT_MARK = "router_client"
"""Metadata by which a saved flow is one of our attempts, whose client flow is in the file as well."""


class Recorded(NamedTuple):
    """One request to decide on, or why it could not be read. `id` is any JSON value."""

    id: Any
    request: ChatRequest | ClientError


def estimate_cost(prices: PriceBook, request: ChatRequest, candidate: Candidate, at: float) -> float | None:
    """Return the estimated cost of a candidate's answer in USD at a time (unix seconds); None without price.

    The prompt is measured as for the context check, the answer taken to be ASSUMED_ANSWER tokens long.
    """
    tokens = Tokens(input=prompt_tokens(request), output=ASSUMED_ANSWER, estimated=True)
    cost = prices.cost(candidate.provider, candidate.model, tokens, at)
    return cost.usd if cost else None


def from_prompt(prompt: str) -> ChatRequest:
    """Return a request with this prompt."""
    return {"messages": [{"role": "user", "content": prompt}]}


def read_jsonl(lines: Iterable[bytes]) -> Iterator[Recorded]:
    """Requests from lines of `{"id", "prompt"}`, `{"id", "messages"}` or `{"id", "request"}`.

    A missing id becomes the line's number; blank lines are passed over.
    """
    for number, line in enumerate(lines, 1):
        if not line.strip():
            continue
        try:
            row = from_json(line, allow_inf_nan=False)
        except ValueError as error:
            yield Recorded(number, ClientError(400, f"line {number} is not JSON: {error}"))
            continue
        row = row if isinstance(row, dict) else {}
        yield Recorded(row.get("id", number), _request_in(row, number))


def _request_in(row: Mapping[str, Any], number: int) -> ChatRequest | ClientError:
    if isinstance(row.get("prompt"), str):
        return from_prompt(row["prompt"])
    if "messages" in row:
        given = {"messages": row["messages"]}
    elif isinstance(row.get("request"), dict):
        given = row["request"]
    else:
        return ClientError(400, f"line {number} has no prompt, messages or request")
    return _parsed(CHAT, to_json({"model": "auto", **given}), {})


def _parsed(dialect: ClientDialect, body: bytes, parameters: Mapping[str, str]) -> ChatRequest | ClientError:
    try:
        return dialect.read_request(body, parameters)
    except ClientError as error:
        return error


FindDialect = Callable[[str], tuple[ClientDialect, Mapping[str, str]] | None]
"""Finds the client dialect of a request path, and the path's parameters."""


def read_flows(file: BinaryIO, find_dialect: FindDialect) -> Iterator[Recorded]:
    """The clients' requests in a mitmproxy flow file (`mitmdump -w`), without the attempts made for them."""
    from mitmproxy.exceptions import FlowReadException
    from mitmproxy.http import HTTPFlow
    from mitmproxy.io import FlowReader

    try:
        for flow in FlowReader(file).stream():
            if not isinstance(flow, HTTPFlow) or _ATTEMPT_MARK in flow.metadata:
                continue
            found = find_dialect(flow.request.path)
            if found and flow.request.method == "POST":
                body = flow.request.get_content(strict=False) or b""
                yield Recorded(flow.id, _parsed(found[0], body, found[1]))
    except FlowReadException as error:
        raise ClientError(400, f"not a flow file: {error}") from error


@dataclass(frozen=True)
class Offline:
    """A router's decisions under one configuration, without session affinity.

    `configured` says which providers have a credential.
    """

    config: Config
    configured: Callable[[str], bool]

    @cached_property
    def prices(self) -> PriceBook:
        """The prices under this configuration."""
        base_urls = {name: provider.base_url for name, provider in self.config.providers.items()}
        return PriceBook(self.config.prices, base_urls)

    def decide(self, request: ChatRequest, model: str) -> Decision:
        """Route the request for `model`, or for the virtual model or the alias that it names.

        Raises ClientError as `route` does.
        """
        aliases, named = self.config.aliases, request.get("model", model)
        is_known = named in self.config.routing.virtual_models or aliases.find(named) is not None
        asked = named if is_known else model
        alias = aliases.find(asked)
        decision = route(
            {**request, "model": alias or asked},
            config=self.config.routing,
            providers=self.config.providers,
            usable=lambda provider, _: self.configured(provider),
            configured=self.configured,
            sticky=StickyTable(),
            sticky_keys=(),
            now=0.0,
        )
        return decision.noting(alias and f"asked for as {asked}")

    def estimate(self, request: ChatRequest, decision: Decision, at: float) -> float | None:
        """Return the estimated cost of the first candidate's answer; see `estimate_cost`."""
        return estimate_cost(self.prices, request, decision.candidates[0], at)


def configured_in(env: Mapping[str, str], providers: Mapping[str, Provider]) -> Callable[[str], bool]:
    """Return a predicate for providers with a key in the environment; all match if none has one."""
    keyed = {name for name, provider in providers.items() if any(env.get(key) for key in provider.key_env)}
    free = {name for name, provider in providers.items() if provider.key_optional}
    reachable = keyed | free if keyed else providers.keys()
    return lambda name: name in reachable


@dataclass
class Comparison:
    """Differences between two configurations over many requests."""

    total: int = 0
    priced: int = 0
    usd_before: float = 0.0
    usd_after: float = 0.0
    tiers: Counter[tuple[str, str]] = field(default_factory=Counter)
    models: Counter[tuple[str, str]] = field(default_factory=Counter)

    def add(self, before: Decision, after: Decision) -> bool:
        """Count one request's two decisions; whether tier or first candidate differ."""
        self.total += 1
        tiers = (str(before.tier), str(after.tier))
        models = (str(before.candidates[0]), str(after.candidates[0]))
        self.tiers[tiers] += 1
        self.models[models] += 1
        return tiers[0] != tiers[1] or models[0] != models[1]

    def add_cost(self, before: float | None, after: float | None) -> None:
        """Sum up one request's two costs, if both are known."""
        if before is not None and after is not None:
            self.priced += 1
            self.usd_before += before
            self.usd_after += after

    def to_dict(self) -> dict[str, Any]:
        """Counts by `before -> after`, the changed ones only, and the estimated costs of all with a price."""

        def changed(counts: Counter[tuple[str, str]]) -> dict[str, int]:
            return {f"{a} -> {b}": n for (a, b), n in counts.most_common() if a != b}

        return {
            "total": self.total,
            "tiers": changed(self.tiers),
            "models": changed(self.models),
            "estimated_usd": {"requests": self.priced, "before": self.usd_before, "after": self.usd_after},
        }
