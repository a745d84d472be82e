"""Responses over a WebSocket: messages of a client in, requests for the router and events for the client out.

Each `response.create` becomes the body of a `POST /v1/responses`; the events of its answer come back as
messages (OpenAI docs, WebSocket mode, 2026-09). Turns run one after another. A connection keeps its own turns
for `previous_response_id`, with `store: false` too.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Mapping, Sequence
from contextlib import suppress
from typing import Any, NamedTuple

from pydantic_core import from_json, to_json

from smart_router.dialects.client_errors import responses_error
from smart_router.dialects.half_characters import parse
from smart_router.dialects.hub import Start, facts_of
from smart_router.dialects.json_values import as_object, as_text, read_object
from smart_router.dialects.openai_responses.client_request import read_request
from smart_router.dialects.openai_responses.client_response import ResponseObject
from smart_router.dialects.openai_responses.store import Continued, ResponseStore
from smart_router.dialects.sse import SseParser
from smart_router.errors import ApiError, ClientError

KEPT_BYTES = 16 << 20
"""Bytes of turns that a connection keeps."""

MOST_WAITING = 16
"""Messages that may wait for the turn before them."""

_NOT_JSON = 1007
_NOT_TEXT = 1003
_TOO_MANY = 1008
"""Close codes (RFC 6455, section 7.4.1)."""

_COMPLETE = ("response.completed", "response.incomplete")
_FAILED = ("response.failed", "error")
_BROKEN_OFF = "The answer broke off."


class BadMessageError(Exception):
    """A message after which the connection is closed with `code`; `event` tells the client why."""

    def __init__(self, code: int, error: ApiError) -> None:
        super().__init__(error.message)
        self.code = code
        self.event = error_event(error)


class _Waiting(NamedTuple):
    fields: dict[str, Any]
    lane: str | None
    generate: bool


class NextTurn(NamedTuple):
    """The next turn: the `body` of a request, or `events` that answer it at once."""

    body: bytes
    events: Sequence[bytes] = ()


class SocketSession:
    """The turns of one connection. `name` makes the ids of its own answers its own."""

    def __init__(self, name: str) -> None:
        self._name = name
        self._warmed = 0
        self._kept = ResponseStore(KEPT_BYTES)
        self._waiting: deque[_Waiting] = deque()
        self._current: tuple[_Waiting, Continued] | None = None
        self._status = 0
        self._parser = SseParser()
        self._refusal: list[bytes] = []
        self._last = b""

    @property
    def comments(self) -> int:
        """Return the number of keep-alive comments of the answer so far."""
        return self._parser.comments

    def receive(self, message: str | bytes) -> list[bytes]:
        """Take a message; return events to send at once. Raises BadMessageError."""
        if isinstance(message, bytes):
            raise BadMessageError(_NOT_TEXT, ClientError(400, "Messages are JSON in text frames."))
        try:
            fields = parse(message.encode())
        except ValueError as error:
            reason = ClientError(400, f"The message is not valid JSON: {error}.", code="invalid_json")
            raise BadMessageError(_NOT_JSON, reason) from None
        kind = fields.pop("type", None) if isinstance(fields, dict) else None
        if kind != "response.create":
            why = "Invalid 'type': messages are objects of the type 'response.create'."
            return [error_event(ClientError(400, why, code="invalid_value", param="type"))]
        if len(self._waiting) >= MOST_WAITING:
            raise BadMessageError(
                _TOO_MANY, ClientError(429, f"More than {MOST_WAITING} messages are waiting.")
            )
        lane, generate = as_text(fields.pop("stream_id", None)) or None, fields.pop("generate", None)
        self._waiting.append(_Waiting({**fields, "stream": True}, lane, generate is not False))
        return []

    def begin(self) -> NextTurn | None:
        """Return the next turn, None while one runs or none waits."""
        if self._current is not None or not self._waiting:
            return None
        waiting = self._waiting.popleft()
        body = to_json(waiting.fields)
        try:
            continued = self._kept.continue_(body, None)
        except ClientError:  # not of this connection; the router may keep it
            continued = Continued(body, as_text(waiting.fields.get("previous_response_id")), None)
        if not waiting.generate:
            return NextTurn(b"", self._in_lane(self._warm_up(waiting, continued), waiting.lane))
        self._current = waiting, continued
        self._parser, self._status, self._refusal, self._last = SseParser(), 0, [], b""
        return NextTurn(continued.body)

    def head(self, status: int) -> None:
        """Take the status of the running turn's answer."""
        self._status = status

    def data(self, data: bytes) -> list[bytes]:
        """Take more of the answer's body; return events to send."""
        if self._status != 200:
            self._refusal.append(data)
            return []
        events = [event.data for event in self._parser.feed(data) if event.data.startswith(b"{")]
        if events:
            self._last = events[-1]
        return self._in_lane(events, self._lane)

    def end(self) -> list[bytes]:
        """End the turn; return the event of an answer that was refused."""
        assert self._current is not None
        (waiting, continued), lane = self._current, self._lane
        self._current = None
        last = {} if self._status != 200 else read_object(self._last)
        if last.get("type") in _COMPLETE:
            self._keep(waiting, continued, last["response"])
            return []
        if continued.previous:  # as OpenAI does: the client begins anew
            with suppress(ClientError):
                self._kept.delete(None, continued.previous)
        if self._status == 200:
            told = last.get("type") in _FAILED
            return [] if told else self._in_lane([error_event(ClientError(502, _BROKEN_OFF))], lane)
        return self._in_lane([_refusal_event(self._status, b"".join(self._refusal))], lane)

    @property
    def _lane(self) -> str | None:
        return self._current[0].lane if self._current else None

    def _keep(self, waiting: _Waiting, continued: Continued, response: Mapping[str, Any]) -> None:
        self._kept.keep(None, continued, waiting.fields.get("input"), to_json(response))

    def _warm_up(self, waiting: _Waiting, continued: Continued) -> list[bytes]:
        """Answer a request that generates nothing: its id can be continued."""
        try:
            request = read_request(continued.body)
        except ClientError as error:
            return [error_event(error)]
        self._warmed += 1
        begun = Start(f"{self._name}{self._warmed}", request["model"], 0)
        response = ResponseObject(facts_of(request)["echo"], begun)
        done = response.finished(
            (), "stop", {"prompt_tokens": 0, "completion_tokens": 0, "total_tokens": 0}, None
        )
        self._keep(waiting, continued, from_json(done))
        told = (("created", response.in_progress()), ("completed", done))
        return [
            b'{"type":"response.%b","response":%b,"sequence_number":%d}' % (name.encode(), written, number)
            for number, (name, written) in enumerate(told)
        ]

    def _in_lane(self, events: list[bytes], lane: str | None) -> list[bytes]:
        """Return the events with the `stream_id` of their request."""
        if lane is None:
            return events
        return [b'%b,"stream_id":%b}' % (event.rstrip()[:-1], to_json(lane)) for event in events]


def error_event(error: ApiError) -> bytes:
    """Return an `error` event for a request that was not begun."""
    return _refusal_event(error.status, to_json(responses_error(error)))


def _refusal_event(status: int, body: bytes) -> bytes:
    error = as_object(read_object(body).get("error"))
    flat = {name: error.get(name) for name in ("code", "message", "param")}
    return to_json({"type": "error", "sequence_number": 0, "status": status, **flat, "error": error})
