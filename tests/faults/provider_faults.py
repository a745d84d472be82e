"""The failures of providers and their outcomes: one row for each failure, for all client formats.

A row is read like this: the provider does this (or no request reaches the `upstream`); a client of a virtual
model, streaming and not, then gets this outcome. One that asked for the model by name gets the status of
`told` in place of the next candidate's answer. `told` also has the kind that is recorded of the attempt, and
the time limit that passes before the failure is noticed.
"""

from __future__ import annotations

import enum
from typing import Literal, NamedTuple

from tests.testbed import spoiling as spoil
from tests.testbed.answers import Fault
from tests.testbed.spoiling import Spoil, breaks, complete, compressed, error, later
from tests.testbed.upstreams import UNREACHABLE


class Outcome(enum.StrEnum):
    """The answer to clients of a virtual model."""

    ANSWER = "the answer"
    NEXT = "the next candidate's answer"
    ERROR = "a part of the answer and an error"
    REFUSED = "an error"


Limit = Literal["", "connect", "first byte", "silence", "total"]


class Told(NamedTuple):
    """The status for a client (one of these), the recorded kind, and the time limit that passes."""

    statuses: tuple[int, ...]
    kind: str = ""
    waits: Limit = ""


class Row(NamedTuple):
    """One way to fail."""

    name: str
    spoil: Spoil | None
    streamed: Outcome | None
    whole: Outcome | None
    told: Told = Told((200,))
    upstream: str = "plain"

    @property
    def large(self) -> bool:
        """Memory is measured while this row runs alone."""
        return self.told is HUGE


ANSWER, NEXT, ERROR, REFUSED = Outcome

SERVER, FAILED = Told((500,), "server"), Told((502,), "server")
BUSY, LIMIT = Told((503, 529), "overloaded"), Told((429,), "rate_limit")
HUGE = Told((502,), "too_large")
DEAF, SLOW, SILENT, ENDLESS = (
    Told((504,), "timeout", waits) for waits in ("connect", "first byte", "silence", "total")
)

PAUSED = Told((200,), "", "silence")
"""The silence is no failure."""

ROWS = (
    # name                     what the provider does                     streamed  whole    told
    Row("500",                 error("server error"),                     NEXT,     NEXT,    SERVER),
    Row("overloaded",          error("overloaded"),                       NEXT,     NEXT,    BUSY),
    Row("429",                 error("rate limit"),                       NEXT,     NEXT,    LIMIT),
    Row("429, a long delay",   error("rate limit", retry_after="60"),     NEXT,     NEXT,    LIMIT),
    Row("web page, 502",       spoil.page(502),                           NEXT,     NEXT,    FAILED),
    Row("web page, 200",       spoil.page(200),                           NEXT,     NEXT,    FAILED),
    Row("redirect",            spoil.redirect,                            NEXT,     NEXT,    FAILED),
    Row("204",                 spoil.of_status(204),                      NEXT,     NEXT,    FAILED),
    Row("101 unasked",         spoil.of_status(101),                      NEXT,     NEXT,    FAILED),
    Row("205",                 spoil.of_status(205),                      NEXT,     NEXT,    FAILED),
    Row("304",                 spoil.of_status(304),                      NEXT,     NEXT,    FAILED),
    Row("head of 1 MB",        spoil.with_headers(x_large="x" * (1 << 20)),     NEXT,     NEXT,    FAILED),
    Row("too deep",            spoil.nested,                              NEXT,     NEXT,    FAILED),
    Row("shorter than stated", breaks(Fault.SHORT_BODY),                  None,     NEXT,    FAILED),
    Row("longer than stated",  breaks(Fault.LONG_BODY),                   None,     NEXT,    FAILED),
    Row("5,000 digits",        spoil.with_field(b"1" * 5000),             NEXT,     NEXT,    FAILED),
    Row("no UTF-8",            spoil.with_field(b'"\xff"'),               NEXT,     NEXT,    FAILED),
    Row("empty body",          spoil.empty,                               NEXT,     NEXT,    FAILED),
    Row("error in a 200",      spoil.error_in_200,                        NEXT,     NEXT,    BUSY),
    Row("error event later",   spoil.error_after_content,                 ERROR,    None,    BUSY),
    Row("malformed",           spoil.malformed,                           NEXT,     NEXT,    FAILED),
    Row("malformed later",     spoil.malformed_after_content,             ERROR,    None,    FAILED),
    Row("truncated",           spoil.truncated,                           ERROR,    NEXT,    FAILED),
    Row("no terminal marker",  spoil.no_terminal_marker,                  ERROR,    None,    FAILED),
    Row("closes before head",  breaks(Fault.CLOSE_BEFORE_HEAD),           NEXT,     NEXT,    FAILED),
    Row("closes in head",      breaks(Fault.CLOSE_MID_HEAD),              NEXT,     NEXT,    FAILED),
    Row("closes after head",   breaks(Fault.CLOSE_AFTER_HEAD),            NEXT,     NEXT,    FAILED),
    Row("resets before head",  breaks(Fault.RESET_BEFORE_HEAD),           NEXT,     NEXT,    FAILED),
    Row("body cut early",      breaks(Fault.CLOSE_MID_BODY),              NEXT,     NEXT,    FAILED),
    Row("body cut later",      later(Fault.CLOSE_MID_BODY),               ERROR,    NEXT,    FAILED),
    Row("chunk cut later",     later(Fault.CLOSE_MID_CHUNK),              ERROR,    NEXT,    FAILED),
    Row("reset later",         later(Fault.RESET_MID_BODY),               ERROR,    NEXT,    FAILED),
    Row("finish reasons early", spoil.finished_in_each_event(Fault.RESET_MID_BODY), ERROR, None, FAILED),
    Row("garbage as gzip",     compressed("gzip", spoiled=True),          NEXT,     NEXT,    FAILED),
    # time limits
    Row("never answers",       breaks(Fault.SILENT_BEFORE_HEAD),          NEXT,     NEXT,    SLOW),
    Row("stops in the head",   breaks(Fault.SILENT_MID_HEAD),             NEXT,     NEXT,    SLOW),
    Row("stops after head",    breaks(Fault.SILENT_AFTER_HEAD),           NEXT,     NEXT,    SILENT),
    Row("stops in the stream", later(Fault.SILENT_MID_BODY),              ERROR,    NEXT,    SILENT),
    Row("silent once complete", complete(Fault.SILENT_MID_BODY),          ANSWER,   None,    PAUSED),
    Row("comments at the end", spoil.comments_after_the_end,              ANSWER,   None,    PAUSED),
    Row("endless comments",    spoil.endless_comments,                    REFUSED,  None,    ENDLESS),
    # no request reaches the upstream
    Row("full backlog",        None,                                      NEXT,     NEXT,    DEAF, "deaf"),
    *(Row(name,                None,                                      NEXT,     NEXT,    FAILED, name)
      for name in ("refused", *UNREACHABLE)),
    # odd, but right
    Row("slow drip",           breaks(Fault.DRIP),                        ANSWER,   ANSWER),
    Row("100 Continue",        spoil.after(100),                          ANSWER,   ANSWER),
    Row("103 Early Hints",     spoil.after(103, 103),                     ANSWER,   ANSWER),
    Row("trailers",            spoil.with_trailers,                       ANSWER,   ANSWER),
    Row("text/plain",          spoil.of_type("text/plain"),               ANSWER,   ANSWER),
    Row("no content type",     spoil.of_type(""),                         ANSWER,   ANSWER),
    Row("gzip",                compressed("gzip"),                        ANSWER,   ANSWER),
    Row("br",                  compressed("br"),                          ANSWER,   ANSWER),
    Row("zstd",                compressed("zstd"),                        ANSWER,   ANSWER),
    Row("unknown encoding",    spoil.with_headers(content_encoding="x"),  ANSWER,   ANSWER),
    Row("half a character",    spoil.with_field(b'"\\ud800"'),            ANSWER,   ANSWER),
    Row("a number beyond all", spoil.with_field(b"1e999"),                ANSWER,   ANSWER),
    Row("CR line ends",        spoil.with_line_ends(b"\r"),               ANSWER,   None),
    Row("said twice",          spoil.said_twice("events"),                ANSWER,   None),
    Row("said twice at once",  spoil.said_twice(None),                    ANSWER,   None),
    Row("reset once complete", complete(Fault.RESET_MID_BODY),            ANSWER,   None),
    Row("closed once complete", complete(Fault.CLOSE_MID_BODY),           ANSWER,   None),
    Row("cut in its end",      complete(Fault.CLOSE_MID_CHUNK),           ANSWER,   None),
    Row("half an event more",  spoil.half_an_event_after_the_end,         ANSWER,   None),
    Row("byte order mark",     spoil.with_mark,                           ANSWER,   ANSWER),
    # HTTP/2
    Row("HTTP/2, 204",         spoil.of_status(204),                      NEXT,     NEXT,    FAILED, "h2"),
    Row("HTTP/2, 103",         spoil.after(103),                          ANSWER,   ANSWER,  upstream="h2"),
    Row("HTTP/2, trailers",    spoil.with_trailers,                       ANSWER,   ANSWER,  upstream="h2"),
    Row("HTTP/2, br",          compressed("br"),                          ANSWER,   ANSWER,  upstream="h2"),
    Row("HTTP/2, zstd",        compressed("zstd"),                        ANSWER,   ANSWER,  upstream="h2"),
    Row("RST_STREAM early",    breaks(Fault.RST_STREAM_AFTER_HEAD),       NEXT,     NEXT,    FAILED, "h2"),
    Row("RST_STREAM later",    later(Fault.RST_STREAM_MID_BODY),          ERROR,    NEXT,    FAILED, "h2"),
    Row("GOAWAY early",        breaks(Fault.GOAWAY_AFTER_HEAD),           NEXT,     NEXT,    FAILED, "h2"),
    Row("GOAWAY later",        later(Fault.GOAWAY_MID_BODY),              ERROR,    NEXT,    FAILED, "h2"),
    Row("RST once complete",   complete(Fault.RST_STREAM_MID_BODY),       ANSWER,   None,    upstream="h2"),
    Row("GOAWAY once complete", complete(Fault.GOAWAY_MID_BODY),          ANSWER,   None,    upstream="h2"),
    Row("graceful GOAWAY",     breaks(Fault.GRACEFUL_GOAWAY_BEFORE_HEAD), ANSWER,   ANSWER,  upstream="h2"),
    Row("graceful, later",     later(Fault.GRACEFUL_GOAWAY_MID_BODY),     ANSWER,   ANSWER,  upstream="h2"),
    # large
    Row("100 MB line",         spoil.large_line,                          NEXT,     NEXT,    HUGE),
    Row("gzip bomb",           spoil.bomb,                                NEXT,     NEXT,    HUGE),
)  # fmt: skip
"""The table."""

AGAIN = ("server", "overloaded", "timeout")
"""Failures that may be over a moment later: without another candidate the same one is asked again."""

BY_NAME = {row.name: row for row in ROWS}
