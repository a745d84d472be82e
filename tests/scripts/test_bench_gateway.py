"""The gateway benchmark and its checks of answers."""

from __future__ import annotations

import asyncio
import json
import os
import sys

import pytest
from scripts.gateway_bench import answers, gateways, proc, report
from scripts.gateway_bench.client import Connection, Reader, StreamConnection
from scripts.gateway_bench.gateways import Start
from scripts.gateway_bench.load import poisson
from scripts.gateway_bench.measures import Plan
from scripts.gateway_bench.results import Cell, Results

from scripts import bench_gateway

TINY = Plan(
    rounds=1,
    seconds=0.05,
    clients=(2,),
    loads=(50,),
    streams=(2,),
    pieces=3,
    pause=0.001,
    long_pieces=20,
    proof=0.03,
)
STREAM = (
    answers.STREAM_HEAD
    + answers.CHAT_STREAM.first
    + answers.CHAT_STREAM.piece() * 3
    + answers.CHAT_STREAM.last
)


def test_measures_and_shows(capsys: pytest.CaptureFixture[str]) -> None:
    starts: dict[str, Start] = {
        "direct": gateways.direct,
        "mitmdump": gateways.bare,
        "router": gateways.router,
    }
    bench = bench_gateway.run(TINY, ["closed", "open", "streams", "translated"], starts)
    assert not report.failures(bench.results)
    for cell in bench.results.rounds:
        assert bench.results.median(cell, "answered"), cell
    translated = {cell.gateway for cell in bench.results.of("translated")}
    assert translated == {"mitmdump", "router explicit", "router Anthropic"}
    told = json.loads(json.dumps(bench.results.as_json()))
    assert {cell["measure"] for cell in told} == {"proof", "closed", "open", "streams", "translated"}
    report.show(bench.results, TINY.requests, report.describe_machine(), ["Busy."])
    shown = capsys.readouterr().out
    assert shown.count("router auto") == 3
    assert "! Busy." in shown
    assert "\x1b" not in shown


@pytest.mark.parametrize(
    ("answer", "pieces", "wrong"),
    [
        (answers.COMPLETION, 0, ""),
        (answers.COMPLETION.replace(b"fox", b"cat"), 0, "other text"),
        (answers.COMPLETION[:-1] + b" ", 0, "no completion"),
        (answers.COMPLETION[:-1], 0, "connection lost"),
        (answers.NOT_FOUND, 0, "status 404"),
        (b"HTTP/1.1 200 OK\r\n\r\n", 0, "no length"),
        (b"SSH-2.0-OpenSSH_9.2\r\n\r\n", 0, "not HTTP"),
        (b"", 0, "connection lost"),
        (STREAM, 3, ""),
        (STREAM, 4, "pieces missing"),
        (STREAM, 2, "pieces twice"),
        (STREAM.replace(b"[DONE]", b"[done]"), 3, "end missing"),
        (STREAM[:-2], 3, "connection lost"),
    ],
)
async def test_every_answer_is_checked(answer: bytes, pieces: int, wrong: str) -> None:
    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"?")
        writer.write(answer)
        writer.close()
        await writer.wait_closed()

    server = await asyncio.start_server(serve, "127.0.0.1", 0)
    async with server:
        connection = StreamConnection(pieces) if pieces else Connection()
        where = server.sockets[0].getsockname()
        await asyncio.get_running_loop().create_connection(lambda: connection, *where)
        assert await connection.ask(b"?") == wrong
        connection.close()


@pytest.mark.parametrize("size", [1, 2, 3, 7, 100])
def test_chunks_are_joined_for_any_split(size: int) -> None:
    reader = Reader()
    body = b"".join(reader.feed(STREAM[at : at + size]) for at in range(0, len(STREAM), size))
    assert reader.done
    assert body.startswith(b'data: {"id"')
    assert body.count(b"\n\n") == 6
    assert body.endswith(b"data: [DONE]\n\n")
    assert len(answers.stamps(body)) == 3


def test_arrivals_are_reproducible_and_complete() -> None:
    arrivals = list(poisson(1_000.0, 10.0, 7))
    assert arrivals == list(poisson(1_000.0, 10.0, 7)) != list(poisson(1_000.0, 10.0, 8))
    assert len(arrivals) == pytest.approx(10_000, rel=0.05)
    assert arrivals == sorted(arrivals)


@pytest.mark.skipif(sys.platform != "linux", reason="reads /proc")
def test_process_usage() -> None:
    before = proc.cpu([os.getpid()])
    sum(range(1_000_000))
    assert 0.001 < proc.cpu([os.getpid()]) - before < 5
    rss, pss = proc.memory([os.getpid()])
    assert 5 < pss <= rss < 5_000


def test_the_median_of_the_rounds() -> None:
    results, cell = Results(), Cell("closed", "1 client", "direct")
    for rate in (3.0, 1.0, 2.0):
        results.add(cell, {"rate": rate, "failed": 1, "failures": {"status 500": 1}})
    assert results.median(cell, "rate") == 2.0
    assert results.median(cell, "cpu") is None
    assert report.failures(results) == ["direct, closed, 1 client: 3 × status 500"]
    assert report.Column("spread", "rate", spread=True).text(results, cell) == "100 %"


def test_gateways_are_compared_round_by_round() -> None:
    """The ratio of the medians is 0.30, which holds in one round only."""
    results, cell = Results(), Cell("closed", "1 client", "router auto")
    for mine, bare in ((10.0, 20.0), (100.0, 200.0), (30.0, 100.0)):
        results.add(cell, {"rate": mine})
        results.add(cell._replace(gateway="mitmdump"), {"rate": bare})
    results.add(cell, {"failures": {}})
    assert report.Column("", "rate", against="mitmdump").text(results, cell) == "0.50"
    assert report.Column("", "rate", 1, against="mitmdump", added=True).text(results, cell) == "-70.0"
    assert report.Column("", "rate", against="nobody").text(results, cell) == "–"


@pytest.mark.parametrize("arguments", [["--only", "speed"], ["--peers", "nobody"], ["--peers", "a=ftp://b"]])
def test_misuse_is_reported_in_one_line(arguments: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    assert bench_gateway.main(arguments) == 1
    error = capsys.readouterr().err
    assert error.startswith("benchmark failed: ")
    assert error.count("\n") == 1
