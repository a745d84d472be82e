"""Every wire's recorded answers, written for Gemini clients and read by Google's own client."""

from __future__ import annotations

import random
from collections.abc import AsyncIterator, Iterable, Mapping
from typing import Any

import httpx
import pytest
from google.genai import errors
from pydantic_core import from_json

from smart_router.dialects.fold import fold, unfold
from smart_router.dialects.formats import DIALECTS
from smart_router.dialects.gemini.client import GENERATE, STREAM_GENERATE
from smart_router.dialects.hub import Event, Failure
from smart_router.errors import UpstreamError
from tests.dialects.anthropic.test_dialect import FINISH_REASONS as MESSAGES_FINISH
from tests.dialects.anthropic.test_dialect import prepare as prepare_messages
from tests.dialects.gemini.gemini_cases import FINISH as GEMINI_FINISH
from tests.dialects.gemini.gemini_cases import cut
from tests.dialects.openai_chat.chat_wire import call_to
from tests.dialects.openai_chat.test_dialect import FINISH as CHAT_FINISH
from tests.dialects.openai_responses.test_dialect import FINISH_REASONS as RESPONSES_FINISH
from tests.dialects.openai_responses.test_dialect import prepare as prepare_responses
from tests.testbed.cases import Case, case_params
from tests.testbed.gemini_sdk import ONE_REASON, ask_gemini, expect_of_gemini, gemini_client
from tests.testbed.oracle import compare

WIRES: Mapping[str, tuple[str, Mapping[str, str]]] = {
    "openai-chat": ("openai-chat", CHAT_FINISH),
    "anthropic-messages": ("anthropic", MESSAGES_FINISH),
    "openai-responses": ("responses", RESPONSES_FINISH),
    "gemini": ("gemini", GEMINI_FINISH),
    "cloudcode": ("cloudcode", GEMINI_FINISH),
}
PREPARE = {"anthropic-messages": prepare_messages, "openai-responses": prepare_responses}


def read(case: Case, chunks: Iterable[bytes]) -> list[Event]:
    """The hub's events of a recorded answer whose bytes come in these chunks."""
    call, dialect = call_to(case.provider, case.model), DIALECTS[WIRES[case.wire][0]]
    if not case.stream:
        answer = dialect.read_answer(b"".join(chunks), call)
        return [Failure(answer)] if isinstance(answer, UpstreamError) else unfold(answer)
    reader = dialect.open_stream(call)
    return [event for chunk in chunks for event in reader.feed(chunk)] + reader.close()


def write(events: Iterable[Event], *, array: bool = False) -> bytes:
    """The stream that the client gets."""
    writer = STREAM_GENERATE.open_writer(asked(array=array))
    return b"".join(writer.write([event]) for event in events)


def asked(*, array: bool = False, thoughts: bool = True) -> Any:
    return {"model": "m", "x_router": {"thoughts": thoughts, "array": array}}


class Far(httpx.AsyncBaseTransport):
    """Answers Google's client with the bytes that were written for it, in pieces."""

    def __init__(self) -> None:
        self.pieces: list[bytes] = []

    async def handle_async_request(self, request: httpx.Request) -> httpx.Response:
        return httpx.Response(200, content=self._body())

    async def _body(self) -> AsyncIterator[bytes]:
        for piece in self.pieces:
            yield piece


class Reader:
    """Google's client."""

    def __init__(self) -> None:
        self._far = Far()
        self._client = gemini_client("http://router", httpx.AsyncClient(transport=self._far))

    async def read(self, body: bytes, *, stream: bool, size: int) -> dict[str, Any]:
        """Its reading of a body that comes in pieces of this size."""
        self._far.pieces = [body[at : at + size] for at in range(0, len(body), size)]
        return await ask_gemini(self._client, "m", stream=stream)


@pytest.fixture(scope="module")
def sdk() -> Reader:
    return Reader()


CUT_SHORT = "the recording has the image's base64 cut short, which Google's client refuses"
UNREADABLE = {
    "openai-responses/openai/openai-image-generation-tool-1-0-n": CUT_SHORT,
    "openai-responses/openai/openai-image-generation-tool-1-0-s": CUT_SHORT,
}
"""Cases that Google's client cannot read, and why."""


@pytest.mark.parametrize("case", case_params(status=200))
async def test_google_reads_what_the_vendors_sdk_read(case: Case, sdk: Reader) -> None:
    if case.id in UNREADABLE:
        pytest.skip(UNREADABLE[case.id])
    case = Case(case.id, case.folder, case.meta)  # with an oracle of its own
    PREPARE.get(case.wire, lambda case: None)(case)
    expect_of_gemini(case)
    places = random.Random(case.id)  # noqa: S311
    events = read(case, [case.body])
    written = write(events)
    assert write(read(case, cut(case.body, [places.randrange(1 << 20) for _ in range(20)]))) == written
    if case.oracle["error"] is not None:
        with pytest.raises(errors.APIError):
            await sdk.read(written, stream=True, size=places.randrange(40, 4000))
        return
    finish = {**WIRES[case.wire][1], **ONE_REASON}
    compare(case, await sdk.read(written, stream=True, size=places.randrange(40, 4000)), finish)
    completion = fold(events)
    assert isinstance(completion, dict)
    whole = GENERATE.write_answer(completion, asked())
    compare(case, await sdk.read(whole, stream=False, size=len(whole)), finish)


def objects(stream: bytes) -> list[Any]:
    return [from_json(line[6:]) for line in stream.split(b"\r\n\r\n") if line.startswith(b"data: ")]


@pytest.mark.parametrize("case", case_params(status=200, stream=True, wire="anthropic-messages"))
def test_array_holds_the_objects_of_the_event_stream(case: Case) -> None:
    events = read(case, [case.body])
    assert from_json(write(events, array=True)) == objects(write(events))
