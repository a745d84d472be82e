"""The scripted provider does what the other tests rely on, seen with raw sockets and httpx."""

from __future__ import annotations

import asyncio
import functools
import itertools
import json
import signal
import ssl
import struct
import sys
import time
from collections.abc import AsyncIterator
from pathlib import Path
from socket import SO_LINGER, SOL_SOCKET
from typing import Any

import h2.connection
import httpx
import pytest

from tests.testbed.answers import Answer, Fault, Framing, Point, recorded
from tests.testbed.cases import Case, case_params
from tests.testbed.chat import chat_answer, chat_clock, chat_error, chat_stream, stream_error
from tests.testbed.provider import Provider, refused_port
from tests.testbed.tls import ca_pem

ROOT = Path(__file__).resolve().parents[2]
CHAT = "/v1/chat/completions"
VERSIONS = ["http1", "tls", "http2"]


@functools.cache
def trust() -> ssl.SSLContext:
    return ssl.create_default_context(cadata=ca_pem().decode())


def client(provider: Provider, version: str) -> httpx.AsyncClient:
    limits = httpx.Timeout(5.0)
    return httpx.AsyncClient(base_url=provider.url, http2=version == "http2", verify=trust(), timeout=limits)


@pytest.fixture(params=VERSIONS)
async def version(request: pytest.FixtureRequest) -> str:
    return str(request.param)


@pytest.fixture
async def provider(version: str) -> AsyncIterator[Provider]:
    async with Provider(tls=version != "http1") as provider:
        yield provider


def ask(**fields: Any) -> dict[str, Any]:
    return {"model": "m-1", "messages": [{"role": "user", "content": "Hi there"}], **fields}


async def test_echoes_without_a_script_and_records(provider: Provider, version: str) -> None:
    async with client(provider, version) as http:
        before = time.monotonic()
        whole = await http.post(CHAT, json=ask(), headers={"X-Test": "1"})
        stream = await http.post(CHAT, json=ask(stream=True, stream_options={"include_usage": True}))
        missing = await http.get("/nowhere?x=1")
    assert whole.json()["choices"][0]["message"]["content"] == "You said: Hi there"
    assert whole.json()["model"] == "m-1"
    *chunks, done, rest = stream.text.split("\n\n")
    texts = [choice["delta"].get("content") or "" for c in chunks for choice in json.loads(c[6:])["choices"]]
    assert ("".join(texts), done, rest) == ("You said: Hi there", "data: [DONE]", "")
    assert json.loads(chunks[-1][6:])["usage"]["total_tokens"] == 18
    assert missing.status_code == 404
    first, second, third = provider.requests
    assert (first.method, first.path, first.model, first.headers["x-test"]) == ("POST", CHAT, "m-1", "1")
    assert first.http_version == ("HTTP/2" if version == "http2" else "HTTP/1.1")
    assert first.headers["host"] == provider.url.partition("//")[2]
    assert before <= first.at <= first.sent[0] <= second.at
    assert first.connection == second.connection == 1
    assert (third.path, third.status) == ("/nowhere?x=1", 404)
    assert len(second.sent) == len(chunks) + 1


async def test_large_bodies_pass_both_ways(provider: Provider, version: str) -> None:
    body = bytes(range(256)) * 2_000
    provider.on(Answer(body=body), Answer(body=body, cut=25_000), always=True)

    async def upload() -> AsyncIterator[bytes]:
        for start in range(0, len(body), 75_000):
            yield body[start : start + 75_000]

    async with client(provider, version) as http:
        answers = await asyncio.gather(*(http.post("/", content=upload()) for _ in range(3)))
    assert all(answer.content == body for answer in answers)
    assert all(request.body == body for request in provider.requests)


@pytest.mark.parametrize("case", case_params(wire="openai-chat"))
async def test_plays_recorded_answers_as_they_were(case: Case) -> None:
    async with Provider() as provider, client(provider, "http1") as http:
        odd = 7 + len(case.body) // 60
        provider.on(*(recorded(case.folder).but(cut=cut) for cut in (None, odd, [1, 2, 3], "events")))
        for _ in range(4):
            answer = await http.post(CHAT, json=ask())
            assert (answer.status_code, answer.content) == (case.status, case.body)
            recorded_type = case.headers.get("content-type", answer.headers["content-type"])
            assert answer.headers["content-type"] == recorded_type


async def test_rules_match_in_order_and_run_out() -> None:
    async with Provider() as provider, client(provider, "http1") as http:
        provider.on(chat_error(500), nth=6)
        provider.on(chat_error(429), chat_error(503), path="/groq")
        provider.on(chat_error(404), model="gone", always=True)
        provider.on(lambda request: chat_answer(request.path), path="/made")
        provider.script.default = chat_answer("default")
        asked = [
            ("/groq/v1", "a"),
            ("/x", "gone"),
            ("/groq", "gone"),
            ("/groq", "a"),
            ("/y", "gone"),
            ("/y", "b"),
        ]
        statuses = [(await http.post(path, json={"model": model})).status_code for path, model in asked]
        assert statuses == [429, 404, 503, 200, 404, 500]
        assert "/made" in (await http.post("/made", json={})).text


async def test_a_stepped_stream_sends_when_released(provider: Provider, version: str) -> None:
    provider.on(chat_stream(["a", "b"], stepped=True))
    async with client(provider, version) as http, http.stream("POST", CHAT, json=ask(stream=True)) as answer:
        request = await provider.wait_for_request()
        lines = answer.aiter_lines()
        for number in range(1, 6):
            assert len(request.sent) == number - 1
            request.release()
            assert (await anext(lines)).startswith("data: ")
            assert await anext(lines) == ""
        assert [line async for line in lines] == []


async def test_paces_and_stamps_its_chunks() -> None:
    async with Provider() as provider, client(provider, "http1") as http:
        provider.on(chat_clock(3, pause=0.02))
        async with http.stream("POST", CHAT, json=ask()) as answer:
            got = [(time.monotonic(), line) async for line in answer.aiter_lines() if "delta" in line]
    sent = provider.requests[0].sent
    assert all(later - earlier >= 0.019 for earlier, later in itertools.pairwise(sent))
    stamps = [json.loads(line[6:])["choices"][0]["delta"].get("content") for _, line in got[1:4]]
    assert [float(stamp) for stamp in stamps] == pytest.approx(sent[1:4], abs=1e-6)


async def exchange(provider: Provider, more: bytes = b"") -> tuple[bytes, str]:
    """Everything that comes back on one raw connection, and how it ended."""
    reader, writer = await asyncio.open_connection("127.0.0.1", provider.port)
    writer.write(b"POST /v1 HTTP/1.1\r\nHost: h\r\nContent-Length: 2\r\n\r\n{}" + more)
    got, end = b"", "fin"
    try:
        async with asyncio.timeout(5):
            while data := await reader.read(65536):
                got += data
    except ConnectionResetError:
        end = "rst"
    writer.close()
    return got, end


BODY = b"0123456789" * 4
HEAD = b"HTTP/1.1 200 OK\r\n"
FAULTS: list[tuple[Fault, bytes, bytes, str]] = [
    # fault, how what was sent begins and ends, how the connection ends
    (Fault.CLOSE_BEFORE_HEAD, b"", b"", "fin"),
    (Fault.CLOSE_MID_HEAD, HEAD, b"", "fin"),
    (Fault.CLOSE_AFTER_HEAD, HEAD, b"\r\n\r\n", "fin"),
    (Fault.CLOSE_MID_BODY, HEAD, b"8\r\n01234567\r\n5\r\n89012\r\n", "fin"),
    (Fault.CLOSE_MID_CHUNK, HEAD, b"8\r\n01234567\r\n5\r\n89012\r\n3\r\n3", "fin"),
    (Fault.RESET_BEFORE_HEAD, b"", b"", "rst"),
    (Fault.RESET_MID_HEAD, HEAD, b"", "rst"),
    (Fault.RESET_AFTER_HEAD, HEAD, b"\r\n\r\n", "rst"),
    (Fault.RESET_MID_BODY, HEAD, b"89012\r\n", "rst"),
    (Fault.RESET_MID_CHUNK, HEAD, b"3\r\n3", "rst"),
    (Fault.SHORT_BODY, HEAD, b"content-length: 50\r\n\r\n" + BODY, "fin"),
    (Fault.LONG_BODY, HEAD, b"content-length: 30\r\n\r\n" + BODY, "fin"),
]


@pytest.mark.parametrize(
    ("fault", "begins", "ends", "end"), FAULTS, ids=lambda value: getattr(value, "name", "")
)
async def test_faults_on_the_wire(fault: Fault, begins: bytes, ends: bytes, end: str) -> None:
    async with Provider() as provider:
        provider.on(Answer(body=BODY, cut=8, fault=fault, fault_at=13))
        got, ended = await exchange(provider)
        assert ended == end
        if end == "fin" or got:  # a reset may discard what was on its way
            assert got.startswith(begins)
            assert got.endswith(ends)
            assert (b"\r\n\r\n" in got) == (fault.point not in (Point.BEFORE_HEAD, Point.MID_HEAD))
        assert provider.requests[0].answered
        assert provider.requests[0].gone_at is None


FRAMINGS = [
    ({}, b"content-length: 40\r\n\r\n" + BODY),
    ({"cut": 30}, b"1e\r\n" + BODY[:30] + b"\r\na\r\n0123456789\r\n0\r\n\r\n"),
    ({"framing": Framing.CLOSE}, b"connection: close\r\n\r\n" + BODY),
    ({"trailers": {"x-late": "1"}}, BODY + b"\r\n0\r\nx-late: 1\r\n\r\n"),
    ({"fault": Fault.DRIP}, b"content-length: 40\r\n\r\n" + BODY),
]


@pytest.mark.parametrize(("fields", "ends"), FRAMINGS)
async def test_framings_on_the_wire(fields: dict[str, Any], ends: bytes) -> None:
    async with Provider() as provider:
        provider.on(Answer(body=BODY).but(**fields), Answer(204, {}, framing=Framing.CLOSE))
        got, _ = await exchange(provider, b"HEAD /2 HTTP/1.1\r\nConnection: close\r\n\r\n")
    first, _, second = got.partition(b"HTTP/1.1 204 No Content")
    assert first.endswith(ends)
    assert bool(second) == (fields.get("framing") is not Framing.CLOSE)


async def test_reads_chunked_uploads_and_refuses_garbage() -> None:
    async with Provider() as provider:
        chunked = (
            b"POST /2 HTTP/1.1\r\nA: 1\r\na: 2\r\nTransfer-Encoding: chunked\r\nConnection: close\r\n\r\n"
        )
        await exchange(provider, chunked + b"3;x=y\r\nabc\r\n2\r\nde\r\n0\r\nTrailer: 1\r\n\r\n")
        assert (provider.requests[1].body, provider.requests[1].headers["a"]) == (b"abcde", "1, 2")
        got, _ = await exchange(provider, b"nonsense\r\n\r\n")
        assert b"HTTP/1.1 400" in got


SILENCES = [fault for fault in Fault if fault.name.startswith("SILENT")]


@pytest.mark.parametrize("fault", SILENCES, ids=lambda fault: fault.name)
async def test_silence_lasts_until_released(provider: Provider, version: str, fault: Fault) -> None:
    provider.on(chat_stream(["a", "b"]).but(fault=fault))
    async with client(provider, version) as http:
        asked = asyncio.create_task(http.post(CHAT, json=ask(stream=True)))
        request = await provider.wait_for_request()
        assert not request.answered
        request.release()
        assert (await asked).text.endswith("data: [DONE]\n\n")


@pytest.mark.parametrize("fault", SILENCES, ids=lambda fault: fault.name)
async def test_sees_the_client_leave(provider: Provider, version: str, fault: Fault) -> None:
    provider.on(chat_stream(["a", "b"]).but(fault=fault))
    async with client(provider, version) as http:
        asked = asyncio.create_task(http.post(CHAT, json=ask(stream=True)))
        request = await provider.wait_for_request()
        left = time.monotonic()
        asked.cancel()
        await http.aclose()  # a cancelled request of httpx leaves its HTTP/2 stream open
        assert 0 <= await request.disconnected() - left < 0.25


async def test_sees_a_stream_reset_and_a_goaway() -> None:
    async with Provider(tls=True) as provider:
        provider.on(chat_stream(["a"], stepped=True), always=True)
        trust = ssl.create_default_context(cadata=ca_pem().decode())
        trust.set_alpn_protocols(["h2"])
        _, writer = await asyncio.open_connection("127.0.0.1", provider.port, ssl=trust)
        peer = h2.connection.H2Connection()
        peer.initiate_connection()
        pseudo = {":method": "POST", ":path": CHAT, ":scheme": "https", ":authority": "h"}
        for stream in (1, 3):
            peer.send_headers(stream, list(pseudo.items()), end_stream=True)
        writer.write(peer.data_to_send())
        first, second = await provider.wait_for_request(1), await provider.wait_for_request(2)
        peer.reset_stream(1)
        writer.write(peer.data_to_send())
        assert await first.disconnected() > first.at
        assert second.gone_at is None
        peer.close_connection()
        writer.write(peer.data_to_send())
        assert await second.disconnected() > second.at
        writer.close()


async def test_sees_a_reset() -> None:
    async with Provider() as provider:
        provider.on(chat_stream(["a"], stepped=True))
        _, writer = await asyncio.open_connection("127.0.0.1", provider.port)
        writer.write(b"POST / HTTP/1.1\r\n\r\n")
        request = await provider.wait_for_request()
        writer.get_extra_info("socket").setsockopt(SOL_SOCKET, SO_LINGER, struct.pack("ii", 1, 0))
        writer.transport.abort()
        assert await request.disconnected() > request.at


H2_BREAKS = [fault for fault in Fault if fault.name.startswith(("RST_STREAM", "GOAWAY", "CLOSE_", "RESET_"))]


@pytest.mark.parametrize("fault", H2_BREAKS[1:], ids=lambda fault: fault.name)
async def test_breaks_over_http2(fault: Fault) -> None:
    async with Provider(tls=True) as provider, client(provider, "http2") as http:
        provider.on(chat_stream(["a", "b"]).but(fault=fault), chat_answer("Next."))
        with pytest.raises(httpx.TransportError) as error:
            await http.post(CHAT, json=ask(stream=True))
        assert fault.name.startswith("RST_STREAM") == ("StreamReset" in str(error.value))
        assert (await http.post(CHAT, json=ask())).status_code == 200
        assert provider.requests[1].connection == (1 if fault.name.startswith("RST_STREAM") else 2)


@pytest.mark.parametrize(
    ("fault", "message"),
    [
        (Fault.TLS_GARBAGE, "WRONG_VERSION|wrong version|record layer"),
        (Fault.TLS_UNTRUSTED, "CERTIFICATE_VERIFY_FAILED"),
        (Fault.TLS_WRONG_NAME, "IP address mismatch"),
        (Fault.CLOSE_ON_ACCEPT, None),
    ],
)
async def test_faults_of_the_connection(fault: Fault, message: str | None) -> None:
    async with Provider(tls=True, fault=fault) as provider, client(provider, "http1") as http:
        with pytest.raises(httpx.TransportError, match=message):
            await http.post(CHAT, json=ask())
        assert provider.requests == []


async def test_a_refused_port_refuses() -> None:
    with refused_port() as port, pytest.raises(ConnectionRefusedError):
        await asyncio.open_connection("127.0.0.1", port)


async def test_http1_only_over_tls() -> None:
    async with Provider(tls=True, alpn=["http/1.1"]) as provider, client(provider, "http2") as http:
        assert (await http.post(CHAT, json=ask())).http_version == "HTTP/1.1"


async def test_a_mistake_in_the_script_is_raised_at_the_end() -> None:
    with pytest.raises(ZeroDivisionError):
        async with Provider() as provider, client(provider, "http1") as http:
            provider.on(lambda request: chat_answer(str(1 // 0)))
            with pytest.raises(httpx.TransportError):
                await http.post(CHAT, json=ask())


def test_builders_write_the_chat_format() -> None:
    calls = [("get_weather", {"city": "Oslo"})]
    whole = json.loads(chat_answer(None, tool_calls=calls, model="x", reasoning_content="hm").body)
    message = whole["choices"][0]["message"]
    assert (message["content"], message["reasoning_content"]) == (None, "hm")
    assert message["tool_calls"][0]["function"] == {"name": "get_weather", "arguments": '{"city": "Oslo"}'}
    assert whole["choices"][0]["finish_reason"] == "tool_calls"
    stream = chat_stream([], tool_calls=calls, reasoning=["hm"], model="x", usage={"total_tokens": 1})
    *events, done, _ = stream.body.decode().split("\n\n")
    deltas = [choice["delta"] for event in events for choice in json.loads(event[6:])["choices"]]
    assert [list(delta) for delta in deltas] == [
        ["role", "content"],
        ["reasoning_content"],
        ["tool_calls"],
        [],
    ]
    assert done == "data: [DONE]"
    assert b"[DONE]" not in chat_stream(done=False).body
    assert json.loads(stream_error().body[6:])["error"]["code"] == "overloaded"


@pytest.mark.parametrize(
    ("path", "body", "whole", "events"),
    [
        ("/v1/messages", {"messages": [{"role": "user", "content": "a b"}]}, "content.0.text", 9),
        (
            "/m:generateContent",
            {"contents": [{"parts": [{"text": "a b"}]}]},
            "candidates.0.content.parts.0.text",
            4,
        ),
    ],
)
async def test_echoes_in_the_formats_of_others(
    path: str, body: dict[str, Any], whole: str, events: int
) -> None:
    async with Provider() as provider, client(provider, "http1") as http:
        answer: Any = (await http.post(path, json=body)).json()
        for key in whole.split("."):
            answer = answer[int(key) if key.isdigit() else key]
        assert answer == "You said: a b"
        stream = await http.post(path.replace("generate", "streamGenerate"), json={**body, "stream": True})
    data = [json.loads(line[6:]) for line in stream.text.splitlines() if line.startswith("data: ")]
    assert len(data) == len(provider.requests[1].sent) == events


async def test_runs_as_a_process_of_its_own(tmp_path: Path) -> None:
    script = tmp_path / "script.json"
    rule = {"path": "/a", "answers": [{"error": {"status": 429}}, {"chat": {"text": "hi"}, "cut": 9}]}
    script.write_text(json.dumps({"rules": [rule], "default": {"raw": {}, "status": 418}}))
    command = [sys.executable, "-m", "tests.testbed.provider", "--script", str(script)]
    process = await asyncio.create_subprocess_exec(*command, stdout=asyncio.subprocess.PIPE, cwd=ROOT)
    assert process.stdout is not None
    port = json.loads(await process.stdout.readline())["port"]
    async with httpx.AsyncClient(base_url=f"http://127.0.0.1:{port}") as http:
        answers = [(await http.post(path, json=ask())).status_code for path in ("/a", "/b", "/a", "/a")]
    process.send_signal(signal.SIGTERM)
    assert (answers, await process.wait()) == ([429, 418, 200, 418], 0)
