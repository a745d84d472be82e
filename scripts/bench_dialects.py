"""The cost of the translation of a stream: `uv run python scripts/bench_dialects.py`.

Every recorded stream of a dialect goes through its reader and the writer for clients, in chunks as a socket
gives them. Beside it stands the floor: `json.loads` and `json.dumps` of the same events' data, without any
translation. The goal is at most 3 times the floor per event.

A second table has the clients' formats: the cost of writing the events of all these streams, beside chat's.
The goal is at most 1.5 times that. A third has native streams, which are read and passed on unwritten, beside
the same streams read and written for chat clients: the goal is at most the cost of those.
"""

from __future__ import annotations

import json
import sys
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from tests.testbed.cases import Case, load_cases

from smart_router.attempts.native_stream import end_of_events, read_native
from smart_router.dialects.anthropic.client import MESSAGES
from smart_router.dialects.anthropic.dialect import AnthropicDialect
from smart_router.dialects.base import CallContext, ClientDialect, Dialect
from smart_router.dialects.gemini.client import STREAM_GENERATE
from smart_router.dialects.gemini.cloudcode import CloudCodeDialect
from smart_router.dialects.gemini.dialect import GeminiDialect
from smart_router.dialects.hub import Delta, End, Event, Finish, Start
from smart_router.dialects.openai_chat.client import CHAT, ChatStreamWriter
from smart_router.dialects.openai_chat.dialect import ChatDialect
from smart_router.dialects.openai_responses.client import RESPONSES
from smart_router.dialects.openai_responses.dialect import CODEX, PUBLIC, ResponsesDialect
from smart_router.dialects.sse import SseParser

DIALECTS: tuple[tuple[str, Dialect, str], ...] = (
    # the row's name, the dialect, the recorded wire
    ("chat", ChatDialect(), "openai-chat"),
    ("anthropic", AnthropicDialect(), "anthropic-messages"),
    ("gemini", GeminiDialect(), "gemini"),
    ("cloud code", CloudCodeDialect(), "cloudcode"),
    ("responses", ResponsesDialect(PUBLIC), "openai-responses"),
    ("codex", ResponsesDialect(CODEX), "openai-responses"),
)
CLIENTS: tuple[ClientDialect, ...] = (CHAT, MESSAGES, RESPONSES, STREAM_GENERATE)
NATIVE = ("anthropic", "gemini", "responses")
ASKED: Any = {
    "model": "m",
    "messages": [],
    "stream_options": {"include_usage": True},
    "x_router": {"thoughts": True},
}
CHUNK = 1400  # bytes, about a TCP segment
MIN_EVENTS = 8  # shorter streams measure the set-up
LONG = 2_000  # pieces of a long text
SECONDS = 1.0  # per measurement


def translate(dialect: Dialect, case: Case) -> None:
    """One stream from the provider's bytes to the client's."""
    reader = dialect.open_stream(CallContext(case.provider, case.model, True, 1_700_000_000, "bench"))
    writer = ChatStreamWriter(include_usage=True)
    body = case.body
    for start in range(0, len(body), CHUNK):
        writer.write(reader.feed(body[start : start + CHUNK]))
    writer.write(reader.close())


def events_of(case: Case) -> list[bytes]:
    """The JSON events of a stream."""
    parser = SseParser()
    events = [*parser.feed(case.body), *parser.close()]
    return [event.data for event in events if event.data.startswith(b"{")]


def seconds(work: Callable[[], None]) -> float:
    """The CPU time of one call: the best of the calls that fit into the measurement."""
    best, until = float("inf"), time.perf_counter() + SECONDS
    while time.perf_counter() < until:
        start = time.thread_time()
        work()
        best = min(best, time.thread_time() - start)
    return best


def measure(name: str, dialect: Dialect, cases: Sequence[Case]) -> str:
    """One line of the table."""
    events = [data for case in cases for data in events_of(case)]

    def translate_all() -> None:
        for case in cases:
            translate(dialect, case)

    def floor() -> None:
        for data in events:
            json.dumps(json.loads(data))

    size = sum(len(case.body) for case in cases)
    ours, least = seconds(translate_all), seconds(floor)
    per_event, per_kilobyte = ours / len(events) * 1e6, ours / size * 1024 * 1e6
    return (
        f"{name:<12}{len(cases):>8}{len(events):>8}{per_event:>12.2f}{per_kilobyte:>10.2f}"
        f"{least / len(events) * 1e6:>12.2f}{ours / least:>8.2f}"
    )


def batches_of(dialect: Dialect, case: Case) -> list[list[Event]]:
    """A stream's events, as the chunks of a socket complete them."""
    reader = dialect.open_stream(CallContext(case.provider, case.model, True, 1_700_000_000, "bench"))
    chunks = [case.body[start : start + CHUNK] for start in range(0, len(case.body), CHUNK)]
    return [*(reader.feed(chunk) for chunk in chunks), reader.close()]


def write_all(client: ClientDialect, streams: Sequence[Sequence[Sequence[Event]]]) -> None:
    """Write all streams for a client."""
    for stream in streams:
        writer = client.open_writer(ASKED)
        for events in stream:
            writer.write(events)


def compare_clients() -> None:
    """Print the table of the clients' formats.

    The recorded streams are short, so the beginning and the end of an answer count much; the cost of a chunk
    by itself is that of a long text's pieces.
    """
    pieces: list[list[Event]] = [[Delta({"content": " token"})] for _ in range(LONG)]
    long = [[[Start("1", "m", 1)], *pieces, [Finish("stop"), End()]]]
    streams = [
        batches_of(dialect, case)
        for _, dialect, wire in DIALECTS
        for case in load_cases(wire=wire, stream=True, status=200)
    ]
    events = sum(len(batch) for stream in streams for batch in stream)
    costs = {client.name: seconds(lambda one=client: write_all(one, streams)) for client in CLIENTS}
    chunks = {client.name: seconds(lambda one=client: write_all(one, long)) for client in CLIENTS}
    print(f"\n{'client':<12}{'events':>8}{'µs/event':>12}{'× chat':>8}{'µs/chunk':>12}{'× chat':>8}")
    for name, cost in costs.items():
        print(
            f"{name:<12}{events:>8}{cost / events * 1e6:>12.2f}{cost / costs[CHAT.name]:>8.2f}"
            f"{chunks[name] / LONG * 1e6:>12.2f}{chunks[name] / chunks[CHAT.name]:>8.2f}"
        )


def pass_on(dialect: Dialect, case: Case) -> None:
    """One native stream: read, and its bytes taken for the client as they become complete events."""
    reader = dialect.open_stream(CallContext(case.provider, case.model, True, 1_700_000_000, "bench"))
    unsent = bytearray()
    for start in range(0, len(case.body), CHUNK):
        read_native(reader, case.body[start : start + CHUNK], unsent)
        end = end_of_events(unsent)
        bytes(unsent[:end])
        del unsent[:end]
    reader.close()


def compare_native() -> None:
    """Print the table of native streams."""
    print(f"\n{'native':<12}{'streams':>8}{'µs/KB':>10}{'× chat':>8}")
    for name, dialect, wire in DIALECTS:
        if name not in NATIVE:
            continue
        cases = load_cases(wire=wire, stream=True, status=200)
        size = sum(len(case.body) for case in cases)
        passed = seconds(lambda one=dialect, cases=cases: [pass_on(one, case) for case in cases])
        written = seconds(lambda one=dialect, cases=cases: [translate(one, case) for case in cases])
        print(f"{name:<12}{len(cases):>8}{passed / size * 1024 * 1e6:>10.2f}{passed / written:>8.2f}")


def main() -> None:
    """Print the tables."""
    print(f"{'dialect':<12}{'streams':>8}{'events':>8}{'µs/event':>12}{'µs/KB':>10}{'floor':>12}{'ratio':>8}")
    for name, dialect, wire in DIALECTS:
        cases = [
            case
            for case in load_cases(wire=wire, stream=True, status=200)
            if len(events_of(case)) >= MIN_EVENTS
        ]
        print(measure(name, dialect, cases) if cases else f"{name:<12} no recorded streams found")
    compare_clients()
    compare_native()


if __name__ == "__main__":
    main()
