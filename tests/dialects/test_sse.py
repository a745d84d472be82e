"""Server-sent events: the standard's grammar, its two exceptions, and that splits do not matter."""

from __future__ import annotations

import itertools

import pytest
from hypothesis import given
from hypothesis import strategies as st

from smart_router.dialects.sse import SseEvent, SseParser, sse_event


def parse(*chunks: bytes) -> list[SseEvent]:
    parser = SseParser()
    events = [event for chunk in chunks for event in parser.feed(chunk)]
    return events + parser.close()


GRAMMAR = {
    "one event": (b"data: a\n\n", [("", b"a")]),
    "no space after the colon": (b"data:a\n\n", [("", b"a")]),
    "only one space is removed": (b"data:  a\n\n", [("", b" a")]),
    "named event": (b"event: ping\ndata: {}\n\n", [("ping", b"{}")]),
    "name after the data": (b"data: {}\nevent:ping\n\n", [("ping", b"{}")]),
    "a name lasts for one event": (b"event: a\ndata: 1\n\ndata: 2\n\n", [("a", b"1"), ("", b"2")]),
    "name without data": (b"event: a\n\ndata: 2\n\n", [("", b"2")]),
    "several lines of data": (b"data: a\ndata: b\n\n", [("", b"a\nb")]),
    "data line without colon": (b"data\n\n", [("", b"")]),
    "empty data": (b"data:\n\n", [("", b"")]),
    "CR": (b"data: a\r\rdata: b\r\r", [("", b"a"), ("", b"b")]),
    "CRLF": (b"data: a\r\n\r\ndata: b\r\n\r\n", [("", b"a"), ("", b"b")]),
    "mixed line ends": (b"data: a\r\ndata: b\n\rdata: c\r\n\n", [("", b"a\nb"), ("", b"c")]),
    "comments and unknown fields": (b": hi\nid: 3\nretry: 5\nfoo\ndata: a\n\n", [("", b"a")]),
    "byte order mark": (b"\xef\xbb\xbfdata: a\n\n", [("", b"a")]),
    "byte order mark elsewhere": (b"data: a\n\n\xef\xbb\xbfdata: b\n\n", [("", b"a")]),
    "blank lines": (b"\n\n\ndata: a\n\n\n\n", [("", b"a")]),
    "final blank line cut off": (b"data: a\n", [("", b"a")]),
    "final line end cut off": (b"data: a", [("", b"a")]),
    "name that is not UTF-8": (b"event: \xff\ndata: a\n\n", [("\ufffd", b"a")]),
    "nothing": (b"", []),
}


@pytest.mark.parametrize(("stream", "expected"), GRAMMAR.values(), ids=GRAMMAR)
def test_grammar_in_any_pair_of_chunks(stream: bytes, expected: list[tuple[str, bytes]]) -> None:
    for at in range(len(stream) + 1):
        assert parse(stream[:at], stream[at:]) == expected
    assert parse(*(bytes([byte]) for byte in stream)) == expected


@given(
    st.lists(
        st.sampled_from([b"data: \xc3\xa9", b"data:", b"event: x", b": c", b"\r", b"\n", b"\r\n", b"z"])
    ),
    st.data(),
)
def test_splits_do_not_matter(pieces: list[bytes], data: st.DataObject) -> None:
    stream = b"".join(pieces)
    cuts = sorted(data.draw(st.lists(st.integers(0, len(stream)))))
    chunks = [stream[start:end] for start, end in itertools.pairwise([0, *cuts, len(stream)])]
    assert parse(*chunks) == parse(stream)


def test_event_is_given_with_its_blank_line() -> None:
    parser = SseParser()
    assert parser.feed(b"data: a\r\n") == []
    assert parser.feed(b"\r") == [SseEvent("", b"a")]
    assert parser.feed(b"\n") == []


def test_comments_are_counted() -> None:
    parser = SseParser()
    parser.feed(b": OPENROUTER PROCESSING\n\n: again\n\n")
    assert parser.comments == 2


LIMIT = 64 * 1024

OVERFLOWS = {
    "one line": [b"data: ", b"x" * LIMIT, b"\n\n"],
    "many lines": [b"data: " + b"x" * 1024 + b"\n"] * (LIMIT // 1024),
    "line that is no data": [b": " + b"x" * LIMIT, b"\n\n"],
}


@pytest.mark.parametrize("chunks", OVERFLOWS.values(), ids=OVERFLOWS)
@pytest.mark.parametrize("whole", [False, True])
def test_too_large_an_event_ends_the_reading(chunks: list[bytes], whole: bool) -> None:
    parser = SseParser(LIMIT)
    stream = [b"data: a\n\n", *chunks, b"\n\ndata: b\n\n"]
    events = [event for chunk in ([b"".join(stream)] if whole else stream) for event in parser.feed(chunk)]
    assert parser.overflowed
    assert events == [SseEvent("", b"a")]
    assert parser.close() == []


@given(st.lists(st.tuples(st.none() | st.sampled_from(["ping", "message_start"]), st.binary(min_size=1))))
def test_written_events_are_read_back(events: list[tuple[str | None, bytes]]) -> None:
    one_line = [(name, data.replace(b"\r", b"").replace(b"\n", b"")) for name, data in events]
    stream = b"".join(sse_event(data, name) for name, data in one_line)
    assert parse(stream) == [(name or "", data) for name, data in one_line]


def test_event_up_to_the_limit_is_read() -> None:
    parser = SseParser(LIMIT)
    data = b"x" * (LIMIT - len(b"data: ") - 1)
    assert parser.feed(b"data: " + data + b"\n\n") == [SseEvent("", data)]
