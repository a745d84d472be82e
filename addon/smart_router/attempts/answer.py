"""The client's answer: holds hub events until there is content, then writes them in the client's format."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from mitmproxy import http
from pydantic_core import to_json

from smart_router.attempts.exchange import Exchange
from smart_router.attempts.http_messages import make_response, make_stream_head
from smart_router.attempts.reasoning_cache import ReasoningCollector, Scope, scope_of
from smart_router.attempts.router_headers import extension, router_headers
from smart_router.attempts.token_counts import estimate_after
from smart_router.dialects.fold import fold, unfold
from smart_router.dialects.hub import ChatCompletion, End, Event, facts_of, is_content, says_something
from smart_router.errors import ApiError, ClientError, UpstreamError

_NONE: Mapping[str, str] = {}


class Answer:
    """One client's answer under construction.

    `complete`: the provider's answer came to its end. `committed`: a streaming client got content, so no
    other attempt can follow.
    """

    def __init__(self, exchange: Exchange) -> None:
        self.exchange = exchange
        self.committed = False
        self._writer = exchange.dialect.open_writer(exchange.request)
        self.discard()

    def discard(self) -> None:
        """Drop the held events of an attempt that failed before any was sent."""
        self._held: list[Event] = []
        self._completion: ChatCompletion | None = None
        self._has_content = self.complete = False
        self._reasoning = ReasoningCollector()

    @property
    def empty(self) -> bool:
        """True if the answer is complete and has no content."""
        return self.complete and not self._has_content

    @property
    def due(self) -> bool:
        """True if the held events may go to a streaming client."""
        return self._has_content or self.complete

    @property
    def _scope(self) -> Scope:
        attempt = self.exchange.attempt
        assert attempt is not None, "an answer is an attempt's"
        return scope_of(self.exchange.client, attempt.candidate)

    @property
    def _wants_texts(self) -> bool:
        """True if the provider wants its unsigned reasoning back."""
        attempt = self.exchange.attempt
        return attempt is not None and attempt.call.quirks.history in ("if_known", "turn_at_hand")

    def take(self, events: Sequence[Event]) -> None:
        """Hold these events, which contain no Failure."""
        self._held += events
        self._reasoning.take(events, texts=self._wants_texts)
        self._has_content = self._has_content or any(map(is_content, events))
        if type(events[-1]) is End:
            self.complete = True
            exchange = self.exchange
            self._reasoning.store(
                exchange.services.reasoning, exchange.history, self._scope, texts=self._wants_texts
            )

    def take_complete(self, completion: ChatCompletion) -> None:
        """Hold a complete answer."""
        if self.exchange.streams:
            self.take(unfold(completion))
            return
        self._completion = completion
        self.complete = True
        self._has_content = any(says_something(choice["message"]) for choice in completion["choices"])
        self.exchange.services.reasoning.store(
            completion, self.exchange.history, self._scope, texts=self._wants_texts
        )

    def stream_bytes(self, *, early_head: bool) -> bytes:
        """Return the held events for a streaming client; this commits the answer.

        A head that was sent before the answer began could not say who answers: the last chunk does.
        """
        if early_head and not self.committed:
            self._writer.extension = extension(self.exchange)
        self.committed = True
        events, self._held = self._held, []
        attempt = self.exchange.attempt
        if attempt is not None and attempt.passes:
            if self._keeps:
                self._writer.write(events)
            return attempt.take_unsent(to_the_end=self.complete)
        return self._writer.write(events)

    def failure_bytes(self, error: ApiError) -> bytes:
        """Return an error for the rest of the stream."""
        return self._writer.write_error(error)

    @property
    def keep_alive(self) -> bytes:
        """Sent to a waiting streaming client; may be empty."""
        return self.exchange.dialect.keep_alive

    def stream_head(self, http_version: str) -> http.Response:
        """Return the head of a streamed answer."""
        headers = {
            "content-type": self._writer.content_type,
            **self._content_type(),
            "cache-control": "no-cache",
            "x-accel-buffering": "no",  # nginx in front would otherwise hold chunks back
            **router_headers(self.exchange, final=self.due),
        }
        return make_stream_head(headers, http_version)

    def whole_response(self) -> http.Response:
        """Return the complete answer."""
        exchange = self.exchange
        native = exchange.attempt is not None and exchange.attempt.passes
        if native and not self._keeps:
            return self._native()
        completion = self._completion or fold(self._held)
        if isinstance(completion, UpstreamError):
            return self._error(completion)
        body = exchange.dialect.write_answer(completion, exchange.request)
        return self._native() if native else self._json(200, body)

    def _native(self) -> http.Response:
        attempt = self.exchange.attempt
        assert attempt is not None, "only an attempt has an answer of its own"
        body = attempt.take_unsent(to_the_end=True) if attempt.body is None else attempt.body
        return self._json(200, body, self._content_type())

    @property
    def _keeps(self) -> bool:
        """True if the answer is written in any case, since the client may ask for it again."""
        return "keep" in facts_of(self.exchange.request)

    def _content_type(self) -> Mapping[str, str]:
        """The content type of a native answer, if there is an answer yet."""
        attempt = self.exchange.attempt
        response = attempt.flow.response if attempt and attempt.passes else None
        kind = response.headers.get("content-type") if response else None
        return {} if kind is None else {"content-type": kind}

    def error_response(self, error: ClientError) -> http.Response:
        """Return an error for a client that has no head yet, or the estimate of a count."""
        return estimate_after(self.exchange, error) or self._error(error, error.headers)

    def _error(self, error: ApiError, headers: Mapping[str, str] = _NONE) -> http.Response:
        return self._json(error.status, to_json(self.exchange.dialect.error_body(error)), headers)

    def _json(self, status: int, body: bytes, headers: Mapping[str, str] = _NONE) -> http.Response:
        known = {"content-type": "application/json", **router_headers(self.exchange), **headers}
        return make_response(status, known, body)
