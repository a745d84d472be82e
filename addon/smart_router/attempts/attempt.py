"""One attempt: an exchange with one provider, and its answer read as hub events."""

from __future__ import annotations

import logging
import time
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace
from typing import Literal

from mitmproxy import flow as mflow
from mitmproxy import http
from mitmproxy.proxy.layers.http._events import ErrorCode
from pydantic import SecretStr

from smart_router.attempts.captured_body import CapturedBody
from smart_router.attempts.limits import MAX_ERROR_BODY, SETTLE
from smart_router.attempts.measurements import Measurements
from smart_router.attempts.native_stream import drop_unfinished, end_of_events, read_native
from smart_router.decompression import (
    ENCODINGS,
    DecodeError,
    Decoder,
    TooLargeError,
    decompress,
    decompress_start,
    encoding_of,
)
from smart_router.dialects.any_form import AnyFormReader, is_event_stream
from smart_router.dialects.base import CallContext, Dialect, StreamReader
from smart_router.dialects.errors import read_error
from smart_router.dialects.fold import fold
from smart_router.dialects.hub import ChatCompletion, End, Event, Failure
from smart_router.dialects.untranslated import UNTRANSLATED
from smart_router.errors import UpstreamError
from smart_router.local_trouble import local_trouble, names_no_host
from smart_router.providers.base import Provider
from smart_router.routing.decision import Candidate

logger = logging.getLogger(__name__)

_EVENT_STREAM = "text/event-stream"

_NO_CONTENT = frozenset({204, 205, 304})
"""Statuses of answers without content (RFC 9110): whatever comes with one is none."""


@dataclass(slots=True, eq=False)
class Attempt:
    """One attempt and its progress. Times are monotonic seconds.

    `credential` are the headers with the secret, added to a copy at send time and only for `origin` (scheme,
    host and port). `deadline` ends the present phase. `captured` is the streamed answer for the flow. An
    answer that is held in memory has at most `max_answer` bytes; `received` counts the decompressed bytes of
    a stream, which is `held` until its client gets the first part; `unsent` are those of a native one that
    its client has yet to get, and `read_out` tells that its end or a failure was read, after which the rest
    is dropped, but for the second half of a line end that was received in two parts (`half_end`). `body` is a
    whole answer after decompression, `damage` the reason why that failed. `notes` tell of the losses of the
    request in translation. `of_login`: the credential is an access token. `over`: no more events follow,
    since `ended`. `lesson` is the change of the model's rules that its refusal taught.
    """

    number: int
    candidate: Candidate
    profile_id: str
    provider: Provider
    dialect: Dialect
    call: CallContext
    flow: http.HTTPFlow
    credential: Mapping[str, SecretStr]
    connect_timeout: float
    head_timeout: float
    silence_timeout: float
    deadline: float
    captured: CapturedBody
    max_answer: int
    notes: tuple[str, ...] = ()
    of_login: bool = False
    stream_id: int = 0
    over: bool = False
    phase: Literal["connect", "head", "body"] = "connect"
    form: Literal["error", "whole", "stream"] = "error"
    reader: StreamReader | None = None
    decoder: Decoder | None = None
    received: int = 0
    held: bool = True
    unsent: bytearray = field(default_factory=bytearray)
    read_out: bool = False
    half_end: bool = False
    body: bytes | None = None
    damage: DecodeError | None = None
    started: float = field(default_factory=time.monotonic)
    ended: float | None = None
    lesson: str = ""
    measurements: Measurements = field(default_factory=Measurements)
    origin: tuple[bytes, str, int] = field(init=False)

    def __post_init__(self) -> None:
        self.origin = _origin(self.flow.request)

    @property
    def killed(self) -> bool:
        """True if the user killed this attempt in the UI."""
        return self.flow.error is not None and self.flow.error.msg == mflow.Error.KILLED_MESSAGE

    @property
    def passes(self) -> bool:
        """True if the client gets the answer's own bytes."""
        if self.dialect is UNTRANSLATED:
            return self.form != "error"
        unclear = isinstance(self.reader, AnyFormReader)
        return self.call.native and not unclear and self.form == ("stream" if self.call.stream else "whole")

    @property
    def finished(self) -> bool:
        """True if all of a stream's answer was received, though not its end."""
        return self.reader is not None and self.reader.finished

    def take_unsent(self, *, to_the_end: bool) -> bytes:
        """Return bytes of a native stream that the client has yet to get: complete events, or all.

        A part of an event waits for the rest, so that an error event can follow at any time.
        """
        end = len(self.unsent) if to_the_end else end_of_events(self.unsent)
        taken = bytes(self.unsent[:end])
        del self.unsent[:end]
        return taken

    def resume_killed(self) -> None:
        """Resume a killed attempt: mitmproxy would leave it waiting forever."""
        self.flow.intercept()
        self.flow.resume()

    def trusts(self, request: http.Request) -> bool:
        """Return whether a request still goes to `origin`: only that gets the credential."""
        return _origin(request) == self.origin

    def sent(self, now: float) -> None:
        """Note that the request was sent: the head's time limit starts."""
        self.phase = "head"
        self.extend(now)

    def extend(self, now: float) -> None:
        """Restart the time limit of the present phase."""
        self.deadline = now + self._timeout()

    @property
    def heard(self) -> float:
        """When the provider was last heard from, or the present phase began (monotonic seconds)."""
        return self.deadline - self._timeout()

    def close(self, now: float) -> None:
        """Note that the provider has finished or the attempt was abandoned."""
        self.over = True
        self.ended = now

    def _timeout(self) -> float:
        if self.phase == "body":
            return min(SETTLE, self.silence_timeout) if self.finished else self.silence_timeout
        return self.head_timeout if self.phase == "head" else self.connect_timeout

    def late(self) -> UpstreamError:
        """Return the error for a phase that exceeded its time limit."""
        waited_for = {"connect": "no connection", "head": "no answer", "body": "nothing more of the answer"}
        return self.failed_by(f"{waited_for[self.phase]} within {self._timeout():g} s", "timeout")

    def broken(self, why: str, code: ErrorCode) -> UpstreamError:
        """Return the error for a broken connection, or an attempt that the user killed in the UI."""
        if code is ErrorCode.KILL:
            return replace(self.failed_by("the attempt was killed"), scope="none")
        if code is ErrorCode.RESPONSE_TOO_LARGE:
            return self.too_large()
        if self.phase == "connect":
            if trouble := local_trouble(why):
                return UpstreamError(
                    "local", "none", 503, trouble, type="server_error", code="router_trouble"
                )
            if names_no_host(why):
                why = f"there is no host {self.flow.request.host!r}: check the base URL of {self.provider.id}"
        return self.failed_by(why)

    def head(self, response: http.Response) -> None:
        """Decide from the answer's head how to read its body."""
        self.phase = "body"
        self.extend(time.monotonic())
        self.form = self.form_of(response)
        if self.form == "stream":
            known = _content_type(response).startswith(_EVENT_STREAM) or self.dialect is UNTRANSLATED
            self.reader = (
                self.dialect.open_stream(self.call) if known else AnyFormReader(self.dialect, self.call)
            )
            encoding = encoding_of(response.headers.get("content-encoding", ""))
            self.decoder = Decoder(encoding, lenient=True) if encoding in ENCODINGS else None

    def form_of(self, response: http.Response) -> Literal["error", "whole", "stream"]:
        """Return how an answer with this head is read; some servers call their events plain text."""
        if not 200 <= response.status_code < 300 or response.status_code in _NO_CONTENT:
            return "error"
        kind = _content_type(response)
        unclear = not kind if self.dialect is UNTRANSLATED else "json" not in kind
        if kind.startswith(_EVENT_STREAM) or (self.call.stream and unclear):
            return "stream"
        return "whole"

    def feed(self, data: bytes) -> list[Event]:
        """Events completed by a chunk of the body; none for a body that is read whole."""
        now = time.monotonic()
        if self.reader is None:
            self.extend(now)
            return []
        all_there = self.read_out or self.finished
        try:
            if self.decoder is not None:
                events = self._feed_compressed(self.decoder.feed(data))
            else:
                events = self._read(data)
            if self.held and self.received > self.max_answer:
                events = [Failure(self.too_large())]
            if events or not all_there:  # comments alone do not prolong a stream that is complete
                self.extend(now)
            self.measurements.take(events, now)
            return events
        except DecodeError as error:
            return [Failure(self._undecodable(error))]
        except Exception:
            return [Failure(self._unreadable())]

    def _feed_compressed(self, pieces: Iterable[bytes]) -> list[Event]:
        """Events completed by decompressed data. Raises DecodeError."""
        events: list[Event] = []
        size = 0
        for piece in pieces:
            size += len(piece)
            if size > self.max_answer:
                raise TooLargeError(f"it expands to more than {self.max_answer} bytes at once")
            events += self._read(piece)
        return events

    def _read(self, data: bytes) -> list[Event]:
        """Events of decompressed data; that of a native stream is kept, up to its end or before a failure."""
        assert self.reader is not None
        self.received += len(data)
        if self.read_out:
            if self.half_end and data.startswith(b"\n"):
                self.unsent += b"\n"
            self.half_end = False
            return []
        events = read_native(self.reader, data, self.unsent) if self.passes else self.reader.feed(data)
        if events and type(events[-1]) in (End, Failure):
            self.read_out, self.half_end = True, self.unsent.endswith(b"\r")
        return events

    def end(self) -> list[Event] | ChatCompletion:
        """Return the last events, the whole answer, or a failure: the body has ended."""
        try:
            if self.reader is not None:
                rest = self._feed_compressed(self.decoder.close()) if self.decoder else []
                if self.finished:
                    drop_unfinished(self.unsent)
                events = [*rest, *self.reader.close()]
                self.measurements.take(events, time.monotonic())
                return events
            answer = self._read_whole()
            if not isinstance(answer, UpstreamError):
                self.measurements.take_complete(answer)
                if self.passes and self.call.stream:  # such as of a model that cannot stream
                    self.unsent += self.body or b""
        except DecodeError as error:
            answer = self._undecodable(error)
        except Exception:
            answer = self._unreadable()
        return [Failure(answer)] if isinstance(answer, UpstreamError) else answer

    def _unreadable(self) -> UpstreamError:
        """Return the error for a dialect that raised, which is a bug: the request must not hang."""
        logger.exception("%s: the answer could not be read", self.candidate)
        return self.failed_by("the answer could not be read")

    def decompress(self, limit: int) -> None:
        """Decompress a whole answer: fill `body`, of an error with as much as is read of one, or `damage`."""
        try:
            self.body = self._decompressed(limit)
        except DecodeError as error:
            self.damage = error.with_traceback(None)  # whose frames hold all that was decompressed

    def _decompressed(self, limit: int) -> bytes:
        response = self.flow.response
        raw = (response.raw_content if response else None) or b""
        encoding = encoding_of(response.headers.get("content-encoding", "")) if response else None
        if self.form == "whole":
            known = encoding in ENCODINGS
            return decompress(raw, encoding, limit, lenient=True) if encoding and known else raw
        return decompress_start(raw, encoding, min(limit, MAX_ERROR_BODY))

    @property
    def is_compressed(self) -> bool:
        """True if the answer has yet to be decompressed."""
        response = self.flow.response
        return (
            self.reader is None
            and self.body is None
            and response is not None
            and "content-encoding" in response.headers
        )

    def _read_whole(self) -> ChatCompletion | UpstreamError:
        response = self.flow.response
        if response is None:
            return self.failed_by("the answer was lost")
        if self.body is None and self.damage is None:
            self.decompress(self.max_answer)
        if self.damage is not None:
            raise self.damage
        body = self.body or b""
        if self.form == "whole" and self.dialect is not UNTRANSLATED and is_event_stream(body):
            reader = self.dialect.open_stream(self.call)
            return fold([*reader.feed(body), *reader.close()])
        if self.form == "whole":
            return self.dialect.read_answer(body, self.call)
        if response.status_code in _NO_CONTENT:
            return self.failed_by(f"the provider answered {response.status_code}, which has no content")
        if 300 <= response.status_code < 400:
            # a credential never follows a redirect to wherever it points
            return self.failed_by(
                f"the provider answered {response.status_code}, a redirect, which is not followed"
            )
        return read_error(
            response.status_code, dict(response.headers), body, self.provider.error_rules, self.call.now
        )

    def too_large(self) -> UpstreamError:
        """The answer exceeds `max_answer`: the request's doing, so the candidate is not cooled for it."""
        why = f"the answer is larger than {self.max_answer} bytes (option router_max_answer)"
        return replace(self.failed_by(why), kind="too_large", scope="none", code="answer_too_large")

    def _undecodable(self, error: DecodeError) -> UpstreamError:
        """The answer's compressed data is damaged, or expands too much."""
        if isinstance(error, TooLargeError):
            return self.too_large()
        return self.failed_by(f"the answer is not valid: {error}")

    def failed_by(self, why: str, kind: Literal["server", "timeout"] = "server") -> UpstreamError:
        """An error of the connection itself: refused, dropped, silent."""
        status = 504 if kind == "timeout" else 502
        message = f"{self.candidate}: {why}"
        return UpstreamError(kind, "model", status, message, type="server_error", code=f"upstream_{kind}")


def _content_type(response: http.Response) -> str:
    return str(response.headers.get("content-type", "")).lower()


def _origin(request: http.Request) -> tuple[bytes, str, int]:
    data = request.data
    return data.scheme, data.host, data.port
