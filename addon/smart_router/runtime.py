"""The state of the running router, one instance for each process.

It outlives a reload of the script, and so do cooldowns, session affinity and reasoning.
"""

from __future__ import annotations

import logging
import os
import time
from collections.abc import Callable, Collection, Mapping, Sequence
from datetime import UTC, datetime
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

from mitmproxy import http

from smart_router import background
from smart_router.attempts.builder import AttemptBuilder
from smart_router.attempts.exchange import Exchange, Services
from smart_router.attempts.lesson_file import NAME as LESSONS
from smart_router.attempts.lessons import Lessons
from smart_router.attempts.limits import Limits
from smart_router.attempts.own_login import OwnLogin
from smart_router.attempts.reasoning_cache import ReasoningCache
from smart_router.attempts.retries import RetryBudget
from smart_router.attempts.token_counts import counts_tokens, limits_for, of_first_provider
from smart_router.auth.refresh import Refresher
from smart_router.auth.store import AuthStore
from smart_router.client_keys.book import ClientBook
from smart_router.client_keys.client import Client
from smart_router.client_keys.estimates import Estimate, estimate
from smart_router.client_keys.reservation import Reservation
from smart_router.cluster.refresh_apart import refresh_apart
from smart_router.config import Config, load_config, read_config
from smart_router.config_errors import ConfigError, Problem
from smart_router.dialects.base import ClientDialect
from smart_router.dialects.half_characters import without_halves
from smart_router.dialects.hub import ChatRequest
from smart_router.dialects.openai_responses.client import RESPONSES
from smart_router.dialects.openai_responses.store import Continued, ResponseStore
from smart_router.dialects.untranslated import UNTRANSLATED
from smart_router.local_trouble import Troubles
from smart_router.paths import config_path, state_path
from smart_router.providers.catalogue import rules_for
from smart_router.recording import Recording
from smart_router.routing import Candidate, Decision, StickyTable, explicit, route, session_keys
from smart_router.routing.resolve import resolve_unlisted
from smart_router.routing.selector import NoneAllowedError
from smart_router.routing.side_calls import side_call
from smart_router.routing.sticky import session_id
from smart_router.stats.marks import MARK_VARIABLE
from smart_router.storage.file_stamp import file_stamp, was_written_just_now

if TYPE_CHECKING:
    from smart_router.cluster.cluster import Cluster
    from smart_router.cluster.recall import Conversation

logger = logging.getLogger(__name__)

AUTO, ECO = "auto", "auto:eco"
"""The virtual model that goes cheaper for clients whose money is nearly spent, and its cheaper sibling."""


class Runtime:
    """State that outlives a request: config, credentials, session affinity, reasoning, responses.

    `count_running` returns the number of requests in progress in this process, `running_elsewhere` is the one
    of the machine's other processes.
    """

    def __init__(self, env: Mapping[str, str], config_file: Path, state_folder: Path) -> None:
        self.env = env
        self.config_file = config_file
        self.state_folder = state_folder
        self.started = time.monotonic()
        self._seen = file_stamp(config_file)
        self.config = load_config(config_file, env)
        self._loaded = time.time()
        self._config_error: str | None = None
        self.auth = AuthStore(env, self.config.providers, state_folder)
        self.refresher = Refresher(self.auth, self.config.logins, env)
        self.sticky = StickyTable(self.config.routing.sticky_ttl)
        self.reasoning = ReasoningCache()
        self.responses = ResponseStore()
        self.clients = ClientBook(state_folder, self.config.clients, required=self.config.require_keys)
        mark = env.get(MARK_VARIABLE) or None
        self.recording = Recording(state_folder, self.config, self.auth.configured, mark)
        self.budget, self.troubles = RetryBudget(), Troubles()
        self.lessons = Lessons(state_folder / LESSONS)
        self.lessons.look(self.started)
        self.services = self._services()
        self.limits = Limits()
        self.count_running: Callable[[], int] = lambda: 0
        self.running_elsewhere = 0
        self.cluster = self._join(state_folder)
        self._conversation: Conversation | None = None
        self._share_conversations()
        if self.cluster is not None:
            self.recording.shared = self.cluster.report
            if self.cluster.settings.seal is not None:
                self.refresher.apart = partial(refresh_apart, config_file, state_folder, env)

    def _join(self, state_folder: Path) -> Cluster | None:
        """Join the cluster of the config, if it has one. Raises ConfigError."""
        if self.config.cluster is None:
            return None
        try:
            from smart_router.cluster.cluster import Cluster  # psycopg: only machines of a cluster need it
            from smart_router.cluster.shared_config import CheckedFile

            return Cluster(
                self.config.cluster,
                state_folder,
                self.auth,
                self.clients,
                self._describe,
                lambda: self.recording.writer.retention.keep,
                CheckedFile(self.config_file, self._wrong_with),
            )
        except ImportError:
            why = "needs the database's client: pip install 'smart-router[cluster]'"
            raise ConfigError([Problem("cluster", why)], str(self.config_file)) from None

    def _wrong_with(self, text: str) -> str | None:
        """Return the errors in the text of a config file, None if it can be used."""
        try:
            read_config(text, self.env)
        except ConfigError as error:
            return str(error)
        return None

    def machines(self) -> Sequence[Mapping[str, Any]]:
        """Return the machines of the cluster as last seen; none without a cluster."""
        return self.cluster.status()["machines"] if self.cluster else ()

    def _describe(self) -> dict[str, Any]:
        """Return the facts that other machines get of this one."""
        usable = bool(self.auth.get_available_providers(time.monotonic()))
        return {"usable": usable, "running": self.count_running() + self.running_elsewhere}

    def current_trouble(self, now: float) -> list[str]:
        """Return the present failures of this machine and this process, in words."""
        return [*self.troubles.current(now), *background.troubles()]

    def reload(self, *, force: bool = False) -> bool:
        """Read the config again if its file changed; a bad edit keeps the old one. True if it took effect.

        A file that was written just now is left for the next look: an editor may have emptied it before it
        writes, and an empty file means the defaults.
        """
        seen = file_stamp(self.config_file)
        if not force and (seen == self._seen or was_written_just_now(seen, time.time())):
            return False
        self._seen = seen
        try:
            config = load_config(self.config_file, self.env)
        except ConfigError as error:
            logger.error("the config was not reloaded, the old one stays: %s", error)
            self._config_error = str(error)
            return False
        self._loaded, self._config_error = time.time(), None
        self.apply(config)
        logger.info("config reloaded: %s", self.config_file)
        return True

    def config_status(self) -> dict[str, Any]:
        """Return the config's part of /health: when it was last read, and the file's errors since."""
        return {
            "path": str(self.config_file),
            "loaded": datetime.fromtimestamp(self._loaded, UTC).isoformat(timespec="seconds"),
            "defaults": self._seen is None,
            "error": self._config_error,
            "warnings": [str(warning) for warning in self.config.warnings],
        }

    def apply(self, config: Config) -> None:
        """Use this configuration for new requests; running requests keep theirs."""
        self.config = config
        self.refresher.settings = config.logins
        self.sticky.ttl = config.routing.sticky_ttl
        self.clients.configure(config.clients, required=config.require_keys)
        self.recording.apply(config)
        self.services = self._services()
        self._share_conversations()
        self.auth.reload_env(self.env, config.providers)
        self.auth.retry()

    def set_limits(self, limits: Limits) -> None:
        """Use these limits for new requests."""
        self.limits = limits
        self.responses.most_bytes = limits.keep_responses

    def _services(self) -> Services:
        builder = AttemptBuilder(self.config.providers, self.env)
        return Services(
            self.auth,
            self.sticky,
            self.reasoning,
            builder.build,
            self.refresher,
            self.budget,
            self.troubles,
            lessons=self.lessons,
        )

    def open_exchange(
        self,
        flow: http.HTTPFlow,
        dialect: ClientDialect,
        body: bytes,
        parameters: Mapping[str, str],
        rename: Callable[[str], str] | None = None,
        client: Client | None = None,
        own: OwnLogin | None = None,
    ) -> Exchange:
        """Read and route a request of `client`, None for one without a key.

        `parameters` are those of the request's path and query. `rename` turns the requested model into the
        router's name for it, `own` is the client's own credential. Raises ClientError.
        """
        started, name = time.monotonic(), client.name if client else None
        if dialect.name != UNTRANSLATED.name:  # which may be no JSON
            body = without_halves(body)
        continued = self.responses.continue_(body, name) if dialect is RESPONSES else Continued(body)
        request = dialect.read_request(continued.body, parameters)
        if dialect is RESPONSES:
            self.responses.attach(request, continued, name, flow.id.replace("-", ""))
        keys = session_keys(request, name, session_id(flow.request.headers.fields, request))
        asked, alias = request["model"], self._name_model(dialect, request, rename, client)
        cheaper = self._cheaper(client, request) if client else None
        call = side_call(flow.request.headers.get("user-agent", ""), asked, request)

        def decide() -> Decision:
            decision = self._decide(dialect, request, keys.earlier, own, client)
            return decision.noting(alias and f"asked for as {asked}", call, cheaper)

        exchange = Exchange(
            request_id(flow),
            started,
            limits=limits_for(dialect, self.limits),
            request=request,
            decision=decide(),
            session=keys.session,
            sticky_keys=keys.sticky,
            client=name,
            client_flow=flow,
            services=self.services,
            dialect=dialect,
            body=continued.body,
            own=own,
            reservation=self._reserve(client, dialect, request, continued.body) if client else None,
        )
        if keys.continued and self._conversation is not None:
            exchange.recall = self._conversation.missing(exchange, keys.earlier, decide)
        return exchange

    def _name_model(
        self,
        dialect: ClientDialect,
        request: ChatRequest,
        rename: Callable[[str], str] | None,
        client: Client | None,
    ) -> str | None:
        """Put the router's name for the requested model in its place; return it if it is an alias."""
        asked = request["model"]
        alias = self.config.aliases.find(asked) if dialect.name != UNTRANSLATED.name else None
        request["model"] = alias or (rename(asked) if rename else asked)
        virtual = request["model"] in self.config.routing.virtual_models
        if client and virtual and not client.may_ask(request["model"]):
            raise client.not_allowed(request["model"])
        return alias

    def _share_conversations(self) -> None:
        """Tell the cluster of conversations, and look up there those that this machine does not know."""
        if self.cluster is not None:
            self.sticky.told, self.reasoning.told = self.cluster.told()
            self._conversation = self.cluster.conversation(self.sticky, self.reasoning)

    def _cheaper(self, client: Client, request: ChatRequest) -> str | None:
        """Let `auto` mean `auto:eco` for a client that is to go cheaper, and say so."""
        if request["model"] != AUTO or ECO not in self.config.routing.virtual_models:
            return None
        if not self.clients.wants_cheaper(client):
            return None
        request["model"] = ECO
        return f"{ECO}: the money of {client.name} is nearly spent"

    def _reserve(
        self, client: Client, dialect: ClientDialect, request: ChatRequest, body: bytes
    ) -> Reservation | None:
        """Reserve nothing yet: the attempts do. None for a client without limits."""
        if counts_tokens(dialect):
            return None
        prices = self.recording.writer.prices if client.has_money_limit else None

        def estimated(candidate: Candidate) -> Estimate:
            rules = rules_for(candidate.provider, candidate.model)
            return estimate(request, body, candidate, rules, prices, time.time())

        return self.clients.reserve(client, estimated)

    def _decide(
        self,
        dialect: ClientDialect,
        request: ChatRequest,
        sticky_keys: Sequence[str],
        own: OwnLogin | None,
        client: Client | None,
    ) -> Decision:
        asked, virtual = request["model"], self.config.routing.virtual_models
        if client is None or not client.models:
            return self._route(dialect, request, sticky_keys, own, None)
        try:
            decision = self._route(
                dialect, request, sticky_keys, own, lambda one: client.may_get(one.name, virtual)
            )
        except NoneAllowedError:
            raise client.not_allowed(f"any of the models that {asked} may choose") from None
        if decision.explicit and not client.may_ask(asked, decision.candidates[0].name):
            raise client.not_allowed(decision.candidates[0].name)
        return decision

    def _route(
        self,
        dialect: ClientDialect,
        request: ChatRequest,
        sticky_keys: Sequence[str],
        own: OwnLogin | None,
        allowed: Callable[[Candidate], bool] | None,
    ) -> Decision:
        now = time.monotonic()
        having: Collection[str] = self.auth.configured()
        owned = own.profile.provider if own and not self.services.pauses.rests(own, now) else None
        if owned:
            having = {*having, owned}
        if dialect.name == UNTRANSLATED.name:
            asked, known = request["model"], self.config
            order = known.routing.provider_order
            return explicit(asked, resolve_unlisted(asked, known.providers, having.__contains__, order))
        decision = route(
            request,
            config=self.config.routing,
            providers=self.config.providers,
            usable=lambda provider, model: (
                provider == owned or (provider in having and self.auth.usable(provider, model, now))
            ),
            configured=having.__contains__,
            sticky=self.sticky,
            sticky_keys=sticky_keys,
            now=now,
            allowed=allowed,
        )
        return of_first_provider(decision) if counts_tokens(dialect) else decision


def request_id(flow: http.HTTPFlow) -> str:
    """Return a request's id for its client and the log: the beginning of the flow's id."""
    return flow.id.replace("-", "")[:16]


def open_runtime(options_config: str, options_state: str) -> Runtime:
    """Open the runtime that options and environment describe. Raises ConfigError."""
    env = dict(os.environ)
    config = Path(options_config).expanduser() if options_config else config_path(env)
    state = Path(options_state).expanduser() if options_state else state_path(env)
    return Runtime(env, config, state)
