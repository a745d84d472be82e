"""Embeddings, images, audio and the like reach the model's owner as they came, and so do the answers."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator
from typing import Any

import httpx
import openai
import pytest
import pytest_asyncio

from tests.testbed.answers import Answer
from tests.testbed.chat import STREAM_HEADERS, chat_error
from tests.testbed.harness import Router, provider_env
from tests.testbed.provider import Provider

pytestmark = [pytest.mark.asyncio(loop_scope="module"), pytest.mark.xdist_group("untranslated")]

USAGE = {"prompt_tokens": 3, "total_tokens": 3}
VECTOR = {"object": "embedding", "index": 0, "embedding": [0.5, -1.0]}
EMBEDDINGS = {"object": "list", "data": [VECTOR], "model": "text-embedding-3-small", "usage": USAGE}
SOUND = bytes(range(256)) * 40


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def router(
    shared_provider: Provider, tmp_path_factory: pytest.TempPathFactory
) -> AsyncIterator[Router]:
    env = provider_env(shared_provider.url, "openai", "groq", "anthropic") | {
        "OPENAI_API_KEY": "key-1, key-2"
    }
    folder = tmp_path_factory.mktemp("untranslated") / "router"
    options = {"router_max_answer": "1m", "router_max_body": "1m"}
    async with Router(folder, env=env, options=options, upstream=shared_provider.url) as router:
        yield router


def dump(body: Any) -> Answer:
    return Answer(body=json.dumps(body).encode())


def events(*objects: Any) -> bytes:
    return b"".join(b"data: %b\n\n" % json.dumps(one).encode() for one in objects)


async def test_embeddings_and_their_tokens(
    provider: Provider, http: httpx.AsyncClient, client: openai.AsyncOpenAI
) -> None:
    provider.on(dump(EMBEDDINGS))
    raw = await client.embeddings.with_raw_response.create(
        model="text-embedding-3-small", input=["Hi"], encoding_format="float"
    )
    assert raw.parse().data[0].embedding == [0.5, -1.0]
    assert (raw.headers["x-router-provider"], raw.headers["x-router-model"]) == (
        "openai",
        "text-embedding-3-small",
    )
    (request,) = provider.requests
    assert request.path == "/openai/v1/embeddings"
    assert request.headers["authorization"] in ("Bearer key-1", "Bearer key-2")
    stats = (await http.get("/router/stats")).json()
    assert json.dumps(stats).count("text-embedding-3-small")


async def test_body_differs_in_the_models_name_only(provider: Provider, http: httpx.AsyncClient) -> None:
    provider.on(dump({"results": [{"index": 0, "relevance_score": 1.0}]}))
    body = b'{ "query":"q", "model" : "groq/any-model", "documents": ["d"], "own": 1.0 }'
    answer = await http.post("/v1/rerank", content=body)
    assert answer.json() == {"results": [{"index": 0, "relevance_score": 1.0}]}
    assert provider.requests[0].path == "/groq/openai/v1/rerank"
    assert provider.requests[0].body == body.replace(b"groq/any-model", b"any-model")


async def test_second_account_after_a_limit(provider: Provider, client: openai.AsyncOpenAI) -> None:
    busy = chat_error(429, headers={"retry-after": "60"}, type="rate_limit_error")
    provider.on(busy, dump(EMBEDDINGS))
    await client.embeddings.create(model="openai/text-embedding-3-large", input="Hi")
    keys = [request.headers["authorization"] for request in provider.requests]
    assert sorted(keys) == ["Bearer key-1", "Bearer key-2"]


async def test_moderation_without_a_model(provider: Provider, client: openai.AsyncOpenAI) -> None:
    provider.on(dump({"id": "modr-1", "model": "omni-moderation-latest", "results": []}))
    await client.moderations.create(input="Hi")
    assert provider.requests[0].json == {"input": "Hi", "model": "omni-moderation-latest"}


async def test_completions_are_streamed_unchanged(provider: Provider, http: httpx.AsyncClient) -> None:
    chunks = [
        {"object": "text_completion", "choices": [{"text": text, "index": 0}]} for text in ("Hel", "lo.")
    ]
    body = b": ping\n\n" + events(*chunks, {"choices": [], "usage": USAGE}) + b"data: [DONE]\n\n"
    provider.on(Answer(headers=STREAM_HEADERS, body=body, cut=7))
    asked = {"model": "gpt-3.5-turbo-instruct", "prompt": "Hi", "stream": True}
    answer = await http.post("/v1/completions", json=asked)
    assert answer.headers["content-type"].startswith("text/event-stream")
    assert answer.content == body


async def test_binary_answer(provider: Provider, client: openai.AsyncOpenAI) -> None:
    provider.on(Answer(headers={"content-type": "audio/mpeg"}, body=SOUND))
    answer = await client.audio.speech.create(model="tts-1", voice="alloy", input="Hi")
    assert (answer.content, answer.response.headers["content-type"]) == (SOUND, "audio/mpeg")


async def test_form_with_a_file(provider: Provider, client: openai.AsyncOpenAI) -> None:
    provider.on(dump({"text": "Hi", "usage": {"type": "tokens", "input_tokens": 9, "output_tokens": 1}}))
    answer = await client.audio.transcriptions.create(model="openai/whisper-1", file=("a.wav", SOUND))
    assert answer.text == "Hi"
    (request,) = provider.requests
    assert request.headers["content-type"].startswith("multipart/form-data; boundary=")
    assert SOUND in request.body
    assert b'name="model"\r\n\r\nwhisper-1\r\n' in request.body


async def test_form_of_an_image(provider: Provider, client: openai.AsyncOpenAI) -> None:
    provider.on(dump({"created": 1, "data": [{"b64_json": "QQ=="}]}))
    answer = await client.images.edit(model="gpt-image-2", image=("a.png", SOUND), prompt="Hi")
    assert answer.data and answer.data[0].b64_json == "QQ=="


STREAMED_FORM = {"model": (None, "gpt-4o-transcribe"), "stream": (None, "true"), "file": ("a.wav", SOUND)}


@pytest.mark.parametrize(
    ("kind", "body"),
    [
        ("text/event-stream", events({"type": "transcript.text.done", "text": "Hi"})),
        ("application/json", b'{"text": "Hi"}'),
    ],
)
async def test_streamed_form_and_a_model_that_cannot_stream(
    provider: Provider, http: httpx.AsyncClient, kind: str, body: bytes
) -> None:
    provider.on(Answer(headers={"content-type": kind}, body=body))
    answer = await http.post("/v1/audio/transcriptions", files=STREAMED_FORM)
    assert (answer.content, answer.headers["content-type"]) == (body, kind)


async def test_error_within_a_stream(provider: Provider, http: httpx.AsyncClient) -> None:
    body = events({"object": "text_completion"}, {"error": {"message": "Overloaded."}})
    provider.on(Answer(headers=STREAM_HEADERS, body=body, cut="events"))
    asked = {"model": "gpt-3.5-turbo-instruct", "prompt": "Hi", "stream": True}
    answer = await http.post("/v1/completions", json=asked)
    assert "Overloaded." in json.loads(answer.text.split("data: ")[-1])["error"]["message"]


async def test_answer_that_is_too_large(provider: Provider, http: httpx.AsyncClient) -> None:
    provider.on(Answer(headers={"content-type": "audio/mpeg"}, body=b"x" * (2 << 20)), always=True)
    answer = await http.post("/v1/audio/speech", json={"model": "tts-1", "input": "Hi", "voice": "alloy"})
    assert answer.status_code == 502
    assert "router_max_answer" in answer.json()["error"]["message"]


FORM = {"content-type": "multipart/form-data; boundary=b"}
WRONG: list[tuple[str, bytes, dict[str, str], int, str | None, str]] = [
    ("/v1/embeddings", b"", {}, 400, None, "JSON"),
    ("/v1/embeddings", b"[]", {}, 400, None, "object"),
    ("/v1/embeddings", b"{}", {}, 400, "model", "'model'"),
    ("/v1/embeddings", b'{"model": 5}', {}, 400, "model", "'model'"),
    ("/v1/embeddings", b'{"model": ""}', {}, 400, "model", "'model'"),
    ("/v1/completions", b'{"model": "openai/x", "stream": "yes"}', {}, 400, "stream", "'stream'"),
    ("/v1/embeddings", b'{"model": "nobody-has-this"}', {}, 404, "model", "nobody-has-this"),
    ("/v1/embeddings", b'{"model": "auto"}', {}, 404, "model", "auto"),
    ("/v1/embeddings", b'{"model": "anthropic/x"}', {}, 400, "model", "anthropic"),
    ("/v1/embeddings", b'{"model": "mistral-embed"}', {}, 401, "model", "MISTRAL_API_KEY"),
    ("/v1/audio/transcriptions", b"--b\r\n\r\n--b--", FORM, 400, "model", "'model'"),
    ("/v1/audio/transcriptions", b"--", FORM, 400, "model", "'model'"),
    ("/v1/moderations", b"--b\r\n\r\n--b--", FORM, 400, "model", "'model'"),
    (
        "/v1/embeddings",
        b'{"model": "openai/x", "input": "' + b"x" * (1 << 20) + b'"}',
        {},
        413,
        None,
        "large",
    ),
]


@pytest.mark.parametrize(("path", "body", "headers", "status", "param", "said"), WRONG)
async def test_bad_requests(
    provider: Provider,
    http: httpx.AsyncClient,
    path: str,
    body: bytes,
    headers: dict[str, str],
    status: int,
    param: str | None,
    said: str,
) -> None:
    answer = await http.post(path, content=body, headers=headers)
    error = answer.json()["error"]
    assert (answer.status_code, error["param"]) == (status, param)
    assert said in error["message"]
    assert provider.requests == []
