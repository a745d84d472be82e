"""The paths that the router serves: one row for each endpoint.

A row names its paths, its methods, and its answer: a client dialect, whose requests are routed, or a
function of `local_answers` or `model_lists`.
"""

from __future__ import annotations

import posixpath
import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from urllib.parse import parse_qsl, unquote

from mitmproxy import http

from smart_router.api import kept_responses, local_answers, model_lists
from smart_router.api.local_answers import LocalAnswer
from smart_router.api.openapi import description
from smart_router.api.unserved_paths import UnservedPath, unserved
from smart_router.dialects.anthropic.client import COUNT_TOKENS, MESSAGES
from smart_router.dialects.base import ClientDialect, find_by_path
from smart_router.dialects.client_errors import ErrorBody, gemini_error, openai_error
from smart_router.dialects.gemini.client import COUNT_TOKENS as GEMINI_COUNT
from smart_router.dialects.gemini.client import GENERATE, STREAM_GENERATE
from smart_router.dialects.openai_chat.client import CHAT
from smart_router.dialects.openai_responses.client import RESPONSES
from smart_router.dialects.untranslated import UNTRANSLATED_ENDPOINTS
from smart_router.errors import ClientError
from smart_router.stats.marks import without_mark

READ = ("GET", "HEAD")
POST = ("POST",)


@dataclass(frozen=True, slots=True)
class Endpoint:
    """One row. `{name}` in a path stands for one or more characters and becomes a parameter.

    Exactly one of `dialect` and `answer` is set; `errors` is the shape of a local answer's errors.
    `intercepted` endpoints are also served for requests to other hosts (option `router_intercept`). A
    `public` endpoint answers clients without a router key too, with fewer details. A `websocket` endpoint
    accepts WebSockets as well, whose messages are such requests. An `admin` endpoint tells of all clients: of
    those with a key only admins may see it.
    """

    name: str
    paths: tuple[str, ...]
    methods: tuple[str, ...] = READ
    dialect: ClientDialect | None = None
    answer: LocalAnswer | None = None
    intercepted: bool = False
    public: bool = False
    errors: ErrorBody = openai_error
    websocket: bool = False
    admin: bool = False


@dataclass(frozen=True, slots=True)
class Target:
    """The endpoint that a request's path names, and the path's parameters."""

    endpoint: Endpoint
    parameters: Mapping[str, str]

    @property
    def error_body(self) -> ErrorBody:
        """The error objects that the endpoint's clients read."""
        dialect = self.endpoint.dialect
        return dialect.error_body if dialect else self.endpoint.errors


def _gemini(method: str) -> tuple[str, ...]:
    """The paths of one of Gemini's methods, in each of the API's versions."""
    return tuple(f"/{version}/models/{{model}}:{method}" for version in ("v1beta", "v1", "v1alpha"))


def _gemini_list(name: str, path: str, answer: LocalAnswer) -> Endpoint:
    """A list in Gemini's form, whose path under /v1 has the list in OpenAI's."""
    paths = (f"/v1beta/{path}", f"/v1alpha/{path}")
    return Endpoint(name, paths, answer=answer, errors=gemini_error, intercepted=True)


ROWS = (
    Endpoint("chat", ("/v1/chat/completions",), POST, CHAT, intercepted=True),
    Endpoint("messages", ("/v1/messages",), POST, MESSAGES, intercepted=True),
    Endpoint("count tokens", ("/v1/messages/count_tokens",), POST, COUNT_TOKENS, intercepted=True),
    Endpoint("responses", ("/v1/responses",), POST, RESPONSES, intercepted=True, websocket=True),
    Endpoint("generate", _gemini("generateContent"), POST, GENERATE, intercepted=True),
    Endpoint("gemini count tokens", _gemini("countTokens"), POST, GEMINI_COUNT, intercepted=True),
    Endpoint("stream generate", _gemini("streamGenerateContent"), POST, STREAM_GENERATE, intercepted=True),
    Endpoint("input items", ("/v1/responses/{id}/input_items",), answer=kept_responses.input_items),
    Endpoint("cancel", ("/v1/responses/{id}/cancel",), POST, answer=kept_responses.cancel),
    Endpoint("response", ("/v1/responses/{id}",), (*READ, "DELETE"), answer=kept_responses.response),
    *(Endpoint(one.path.strip("/"), (f"/v1{one.path}",), POST, one) for one in UNTRANSLATED_ENDPOINTS),
    Endpoint("models", ("/v1/models",), answer=model_lists.models, intercepted=True),
    Endpoint("model", ("/v1/models/{model}",), answer=model_lists.model, intercepted=True),
    _gemini_list("gemini models", "models", model_lists.gemini_models),
    _gemini_list("gemini model", "models/{model}", model_lists.gemini_model),
    Endpoint("health", ("/health",), answer=local_answers.health_check, public=True),
    Endpoint("usage", ("/router/usage",), answer=local_answers.usage),
    Endpoint("clients", ("/router/clients",), answer=local_answers.all_clients, admin=True),
    Endpoint("stats", ("/router/stats",), answer=local_answers.stats, admin=True),
    Endpoint("running", ("/router/running",), answer=local_answers.running_requests, admin=True),
    Endpoint("metrics", ("/metrics",), answer=local_answers.metrics, admin=True),
    Endpoint("root", ("/",), answer=local_answers.root),
    Endpoint("openapi", ("/openapi.json",), answer=lambda request: _described()),
    Endpoint("page", ("/router",), answer=local_answers.page, admin=True),
    Endpoint("page file", ("/router/page/{file}",), answer=local_answers.page_file, public=True),
    Endpoint("events", ("/router/events",), answer=local_answers.events, admin=True),
)


def _described() -> http.Response:
    """`/openapi.json`: the description of all rows"""
    return http.Response.make(200, description(ROWS), {"content-type": "application/json"})


_PARAMETER = re.compile(r"\\\{(\w+)\\\}")
_V1 = re.compile(r"^(/v1)+(?=/|$)", re.IGNORECASE)


class Endpoints:
    """Finds the endpoint of a path."""

    def __init__(self, rows: Iterable[Endpoint]) -> None:
        self._exact: dict[str, Target] = {}
        self._formats: list[tuple[re.Pattern[str], Endpoint]] = []
        self._local: list[tuple[re.Pattern[str], Endpoint]] = []
        self._claimed: tuple[str, ...] = ()
        self._dialects: tuple[ClientDialect, ...] = ()
        for row in rows:
            self.add(row)

    def add(self, row: Endpoint) -> None:
        """Serve another endpoint. Of two rows for one path the first is used."""
        for path in row.paths:
            if "{" not in path:
                self._exact.setdefault(path, Target(row, {}))
            else:
                (self._formats if row.dialect else self._local).append((_compiled(path), row))
            first, second = [*path.split("/")[1:3], ""][:2]
            self._claimed += (f"/{first}/",)
            if first == "v1" and row.intercepted:  # other sites have /images/ and /audio/, too
                self._claimed += (f"/{second}/",)
        if row.dialect is not None:
            self._dialects += (row.dialect,)

    def resolve(self, path: str) -> Target | ClientError | None:
        """Return the endpoint that a request path (with or without query) names.

        Repeated slashes, letter case, percent-encoding, a slash at the end, a missing or repeated /v1, and
        the mark of a `smart-router run` make no difference. Returns None if the path is not the router's; a
        404 for other APIs' paths and for unknown paths under a prefix that is the router's.
        """
        if target := self._exact.get(path) or self._exact.get(path := without_mark(path)):
            return target
        spellings = _spellings(path)
        if found := self._find(spellings):
            return found.refusal() if isinstance(found, UnservedPath) else found
        if any(f"{one.lower()}/".startswith(self._claimed) for one in spellings):
            served = ", ".join(sorted(self._exact))
            asked = path.partition("?")[0]  # a query may hold a key, and the log quotes this message
            return ClientError(404, f"unknown path {asked!r}; the router answers {served}", code="not_found")
        return None

    def error_body(self, path: str) -> ErrorBody:
        """Return the maker of error objects for clients of this path."""
        found = self._find(_spellings(without_mark(path)))
        return found.error_body if found else openai_error

    def find_dialect(self, path: str) -> tuple[ClientDialect, Mapping[str, str]] | None:
        """Return the client dialect of a recorded request and its parameters, below any base path."""
        target = self.resolve(path)
        if isinstance(target, Target) and target.endpoint.dialect:
            return target.endpoint.dialect, parameters_of(target, path)
        return find_by_path(self._dialects, path)

    def _find(self, spellings: Iterable[str]) -> Target | UnservedPath | None:
        """A spelling that names a client dialect comes first: `auto%3AgenerateContent` is no model's name."""
        found = [one for spelling in spellings if (one := self._look_up(spelling))]
        for one in found:
            if isinstance(one, Target) and one.endpoint.dialect:
                return one
        return found[0] if found else None

    def _look_up(self, path: str) -> Target | UnservedPath | None:
        """Patterns of local answers come last: a model's name may look like another API's path."""
        lower = path.lower()
        for known in (lower, f"/v1{lower}", lower.removeprefix("/v1")):
            if target := self._exact.get(known):
                return target
        return _match(self._formats, path) or unserved(lower) or _match(self._local, path)


def _compiled(path: str) -> re.Pattern[str]:
    """The pattern of a path with parameters; a leading /v1 may be missing."""
    pattern = _PARAMETER.sub(r"(?P<\1>.+)", re.escape(path))
    return re.compile(re.sub(r"^/v1(?=/)", "(?:/v1)?", pattern), re.IGNORECASE)


def _match(patterns: Iterable[tuple[re.Pattern[str], Endpoint]], path: str) -> Target | None:
    for pattern, row in patterns:
        if found := pattern.fullmatch(path):
            return Target(row, {name: unquote(value) for name, value in found.groupdict().items()})
    return None


def _spellings(path: str) -> tuple[str, ...]:
    """The normalized path: as sent, in which a model's name may hold %2F, and decoded."""
    bare = path.partition("?")[0]
    return tuple(_plain(bare) for bare in dict.fromkeys((bare, unquote(bare))))


def _plain(path: str) -> str:
    return _V1.sub("/v1", posixpath.normpath("/" + path.lstrip("/")))


def parameters_of(target: Target, path: str) -> Mapping[str, str]:
    """Return the parameters of a request's query and path; those of the path override."""
    query = path.partition("?")[2]
    return {**dict(parse_qsl(query)), **target.parameters} if query else target.parameters


def opens_websocket(target: Target, method: str, upgrade: str) -> bool:
    """Return whether this is the handshake of a WebSocket that the endpoint accepts."""
    return target.endpoint.websocket and method == "GET" and upgrade.lower() == "websocket"


def check_method(target: Target, method: str, upgrade: str = "") -> None:
    """Raises a 405 that names the allowed methods, and a 426 for a WebSocket: clients such as Codex then
    POST."""
    if upgrade.lower() == "websocket":
        raise ClientError(
            426,
            "WebSockets are not served here, send a POST",
            code="upgrade_required",
            headers={"upgrade": "HTTP/1.1"},
        )
    if method not in target.endpoint.methods:
        allowed = ", ".join(target.endpoint.methods)
        raise ClientError(
            405,
            f"{method} is not allowed here, only {allowed}",
            code="method_not_allowed",
            headers={"allow": allowed},
        )


ENDPOINTS = Endpoints(ROWS)
"""The endpoints that the router serves."""
