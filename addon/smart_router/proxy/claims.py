"""The client flows that the router answers; written by the addon, read by the layers."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from weakref import WeakKeyDictionary

from mitmproxy import http
from mitmproxy.connection import Client as Connection
from mitmproxy.proxy.mode_specs import ReverseMode
from pydantic import SecretStr

from smart_router.addresses import names_router
from smart_router.attempts.attempt import Attempt
from smart_router.attempts.client_limits import ClientLimits, UploadBudget
from smart_router.attempts.exchange import Exchange
from smart_router.client_keys.client import Client
from smart_router.errors import ClientError
from smart_router.proxy.event_stream import EventSource


@dataclass(slots=True, eq=False)
class Claim:
    """A client flow that the router answers.

    `exchange` is set once the request was read and routed; a claim without one is answered locally.
    `too_large` says that the body passed the limit and was not kept; `origin` is the web origin that may read
    the answer, `client` whose router key was shown. `brief` says that the client may see
    no details of the router. `credential` are headers that a replayed attempt is lent at send time.
    `refusal` is the error for a request whose body is not read to its end, `encoding` the body's
    Content-Encoding; `events` makes a local answer that has no end.
    """

    exchange: Exchange | None = None
    too_large: bool = False
    refusal: ClientError | None = None
    encoding: str = ""
    origin: str | None = None
    client: Client | None = None
    brief: bool = False
    credential: Mapping[str, SecretStr] = field(default_factory=dict)
    events: EventSource | None = None

    @property
    def client_name(self) -> str | None:
        """The client's name, None for one without a key."""
        return self.client.name if self.client else None


class Claims:
    """Claims by flow id, from the request's head until the answer's end. `max_body` is in bytes.

    `attempts` are the attempts that run, by the ids of their own flows: from their start until their end.
    `hosts` are the names that the router goes by besides loopback's, in lower case. `fail` answers a flow for
    which the hooks have decided nothing, so that it goes nowhere; `end` ends one; `unrouted` are the ids of
    client connections whose layers cannot run attempts.
    """

    def __init__(self, max_body: int) -> None:
        self.max_body = max_body
        self.client_limits = ClientLimits()
        self.uploads = UploadBudget()
        self.attempts: dict[str, Attempt] = {}
        self.hosts: frozenset[str] = frozenset()
        self.fail: Callable[[http.HTTPFlow], None] | None = None
        self.end: Callable[[http.HTTPFlow], object] = self.drop
        self.unrouted: set[str] = set()
        self._passing: set[str] = set()
        self._strange_hosts: WeakKeyDictionary[http.Request, str] = WeakKeyDictionary()
        self._handshakes: WeakKeyDictionary[http.Request, http.Headers] = WeakKeyDictionary()
        self._claims: dict[str, Claim] = {}

    def __len__(self) -> int:
        return len(self._claims)

    def __iter__(self) -> Iterator[Claim]:
        return iter(self._claims.values())

    def add(self, flow: http.HTTPFlow) -> Claim:
        """Claim this flow."""
        claim = self._claims[flow.id] = Claim()
        return claim

    def get(self, flow: http.HTTPFlow) -> Claim | None:
        """Return the flow's claim, None if the router does not answer it."""
        return self._claims.get(flow.id)

    def drop(self, flow: http.HTTPFlow) -> Claim | None:
        """Remove and return the claim of a flow that has ended."""
        self._passing.discard(flow.id)
        return self._claims.pop(flow.id, None)

    def settle(self, flow: http.HTTPFlow) -> None:
        """End a flow whose last hook has run, unless the hook did: it may have raised, or another addon may
        have kept it from running.
        """
        if flow.id in self._claims or flow.id in self.attempts or flow.id in self._passing:
            self.end(flow)

    def let_pass(self, flow: http.HTTPFlow) -> None:
        """Note that the flow may go to its own host."""
        self._passing.add(flow.id)

    def passes(self, flow: http.HTTPFlow) -> bool:
        """Return whether the flow may go to its own host: nothing does that the hooks have not let pass."""
        return flow.id in self._passing or self.fail is None

    def exchange(self, flow: http.HTTPFlow) -> Exchange | None:
        """Return the exchange that runs the flow's attempts, None if it has none."""
        claim = self._claims.get(flow.id)
        return claim.exchange if claim else None

    def credential(self, flow: http.HTTPFlow) -> Mapping[str, SecretStr]:
        """Return the secret headers that are added when the flow's request is sent."""
        claim = self._claims.get(flow.id)
        return claim.credential if claim else {}

    def note_host(self, client: Connection, request: http.Request) -> None:
        """Remember the Host of a request to the router if it names another machine.

        In reverse mode mitmproxy puts the target's name in its place before any hook runs.
        """
        mode = client.proxy_mode
        if type(mode) is not ReverseMode or not (host := request.host_header):
            return
        if not names_router(host, self.hosts, mode.custom_listen_host or ""):
            self._strange_hosts[request] = host

    def strange_host(self, request: http.Request) -> str | None:
        """Return the Host header if it names another machine, else None."""
        return self._strange_hosts.get(request) if self._strange_hosts else None

    def accept_socket(self, request: http.Request) -> None:
        """Note that a handshake is accepted, with its headers: keys in the flow's own are hidden."""
        self._handshakes[request] = request.headers.copy()

    def take_socket(self, request: http.Request) -> http.Headers | None:
        """Return the headers of an accepted handshake once, None for all other requests."""
        return self._handshakes.pop(request, None) if self._handshakes else None

    def within_body_limit(self, flow: http.HTTPFlow, size: int) -> bool:
        """Return whether the flow's request body may grow to `size` bytes; notes it if not."""
        claim = self._claims.get(flow.id)
        if claim is None:
            return True
        claim.too_large = claim.too_large or size > self.max_body
        return not claim.too_large
