"""Exceptions of the official client, and their fields: errors of the router's own and of providers."""

from __future__ import annotations

from collections.abc import AsyncIterator
from typing import Any

import openai
import pytest
import pytest_asyncio

from tests.testbed.answers import Answer, Fault
from tests.testbed.chat import chat_error, chat_stream, stream_error
from tests.testbed.harness import Router, provider_env
from tests.testbed.provider import Provider

pytestmark = [pytest.mark.asyncio(loop_scope="module"), pytest.mark.xdist_group("sdk")]

HI: list[Any] = [{"role": "user", "content": "Hi"}]


def body(error: openai.APIStatusError | openai.APIError) -> dict[str, Any]:
    """OpenAI's error object, which the client unwraps."""
    assert isinstance(error.body, dict)
    assert {"message", "type", "param", "code"} <= error.body.keys()
    return error.body


# the provider's answer, the class that the client raises, its status, type and code
PROVIDER_ERRORS: list[tuple[Answer, type[openai.APIStatusError], int, str, str | None]] = [
    (chat_error(400, code="odd", type="invalid_request_error"), openai.BadRequestError, 400,
     "invalid_request_error", "odd"),
    (chat_error(401, code="invalid_api_key", type="authentication_error"), openai.AuthenticationError, 401,
     "authentication_error", "invalid_api_key"),
    (chat_error(403, type="permission_error"), openai.PermissionDeniedError, 403,
     "authentication_error", None),
    (chat_error(404, code="model_not_found", type="invalid_request_error"), openai.NotFoundError, 404,
     "invalid_request_error", "model_not_found"),
    (chat_error(422, type="invalid_request_error"), openai.UnprocessableEntityError, 422,
     "invalid_request_error", None),
    (chat_error(429, code="rate_limit_exceeded", type="rate_limit_error", headers={"retry-after": "20"}),
     openai.RateLimitError, 429, "rate_limit_exceeded", "rate_limit_exceeded"),
    (chat_error(500), openai.InternalServerError, 500, "server_error", None),
    (chat_error(503, code="overloaded"), openai.InternalServerError, 503,
     "server_error", "server_is_overloaded"),
    (Answer(502, {"content-type": "text/html"}, b"<html>Bad gateway</html>"), openai.InternalServerError, 502,
     "server_error", None),
]  # fmt: skip


OPTIONS = {"router_max_attempts": "2", "router_max_wait": "0.05"}


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def router(
    shared_provider: Provider, tmp_path_factory: pytest.TempPathFactory, fast_path: str
) -> AsyncIterator[Router]:
    """Each case has a provider of its own: a failure puts its profile in a cooldown."""
    names = [f"{form}{number}" for form in ("whole", "stream") for number in range(len(PROVIDER_ERRORS))]
    names += ["broken", "cut", "inside", "cooled"]
    config = "".join(f'[providers.{name}]\nbase_url = "{shared_provider.url}/{name}/v1"\n' for name in names)
    env = provider_env(shared_provider.url, "openai")
    folder = tmp_path_factory.mktemp("errors") / "router"
    options = {**OPTIONS, "router_fast_path": fast_path}
    async with Router(folder, env=env, config=config, options=options) as router:
        yield router


@pytest.mark.parametrize("stream", [False, True], ids=["whole", "stream"])
@pytest.mark.parametrize("number", range(len(PROVIDER_ERRORS)))
async def test_a_provider_error_of_an_explicit_model_is_passed_on(
    provider: Provider, client: openai.AsyncOpenAI, number: int, stream: bool
) -> None:
    answer, raised, status, type_, code = PROVIDER_ERRORS[number]
    name = f"{'stream' if stream else 'whole'}{number}"
    provider.on(answer, always=True)
    with pytest.raises(openai.APIStatusError) as caught:
        await client.chat.completions.create(model=f"{name}/some-model", messages=HI, stream=stream)
    error = caught.value
    assert (type(error), error.status_code) == (raised, status)
    assert error.response.headers["content-type"] == "application/json"
    assert (error.type, error.code if code else None) == (type_, code)
    attempts = 2 if status >= 500 else 1  # a fault may be over a moment later
    assert len(provider.requests) == attempts
    headers = {n[9:]: v for n, v in error.response.headers.items() if n.startswith("x-router-")}
    assert headers.pop("request-id") and headers.pop("why")
    assert headers == {
        "provider": name, "profile": f"{name}:none", "model": "some-model", "attempts": str(attempts)
    }  # fmt: skip
    assert error.response.headers.get("x-should-retry") == ("false" if attempts > 1 else None)
    assert error.response.headers.get("retry-after") == ("20" if status == 429 else None)
    told = [(attempt["provider"], attempt["status"]) for attempt in body(error)["attempts"]]
    assert told == [(name, status)] * attempts


# model, class, status, code, a part of the message
OWN_ERRORS = [
    ("nobody-has-this", openai.NotFoundError, 404, "model_not_found", "`nobody-has-this` does not exist"),
    ("openai/nor-this", openai.NotFoundError, 404, "model_not_found", "`openai/nor-this` does not exist"),
    ("auto:nonsense", openai.NotFoundError, 404, "model_not_found", "`auto:nonsense`"),
    ("claude-opus-5-5", openai.AuthenticationError, 401, "no_credential", "set ANTHROPIC_API_KEY"),
    ("xai/grok-4.7", openai.AuthenticationError, 401, "no_credential", "set XAI_API_KEY"),
    ("google/gemini-3.8-flash", openai.AuthenticationError, 401, "no_credential", "set GOOGLE_API_KEY"),
]


@pytest.mark.parametrize(("model", "raised", "status", "code", "message"), OWN_ERRORS)
@pytest.mark.parametrize("stream", [False, True], ids=["whole", "stream"])
async def test_models_that_cannot_be_asked(
    provider: Provider,
    client: openai.AsyncOpenAI,
    model: str,
    raised: type[openai.APIStatusError],
    status: int,
    code: str,
    message: str,
    stream: bool,
) -> None:
    with pytest.raises(raised) as caught:
        await client.chat.completions.create(model=model, messages=HI, stream=stream)
    error = caught.value
    assert (error.status_code, error.code, error.param) == (status, code, "model")
    assert message in body(error)["message"]
    assert error.response.headers["x-router-request-id"]
    assert provider.requests == []


async def test_no_model_is_able(provider: Provider, client: openai.AsyncOpenAI) -> None:
    with pytest.raises(openai.BadRequestError) as caught:
        await client.chat.completions.create(
            model="auto", messages=[{"role": "user", "content": "word " * 2_000_000}]
        )
    assert body(caught.value)["code"] == "context_length_exceeded"
    assert provider.requests == []


async def test_a_stream_that_breaks_off_raises(provider: Provider, client: openai.AsyncOpenAI) -> None:
    provider.on(chat_stream(["a", "b", "c"]).but(fault=Fault.CLOSE_MID_BODY), path="/broken")
    provider.on(chat_stream(["a", "b", "c"], done=False), path="/cut")
    for model in ("broken/m", "cut/m"):
        stream = await client.chat.completions.create(model=model, messages=HI, stream=True)
        pieces, reasons = [], []
        with pytest.raises(openai.APIError) as caught:
            async for chunk in stream:
                pieces.append(chunk.choices[0].delta.content or "")
                reasons.append(chunk.choices[0].finish_reason)
        assert "".join(pieces).startswith("a")
        assert set(reasons) == {None}
        assert model.partition("/")[0] in caught.value.message


async def test_an_error_inside_a_200_before_content_is_an_error_answer(
    provider: Provider, client: openai.AsyncOpenAI
) -> None:
    provider.on(stream_error(), always=True)
    with pytest.raises(openai.InternalServerError) as caught:
        await client.chat.completions.create(model="inside/m", messages=HI, stream=True)
    assert body(caught.value)["code"] == "overloaded"


async def test_a_cooled_profile_is_told(provider: Provider, client: openai.AsyncOpenAI) -> None:
    slow_down = chat_error(429, type="rate_limit_error", headers={"retry-after": "60"})
    provider.on(slow_down, always=True)
    for _ in range(3):
        with pytest.raises(openai.RateLimitError) as caught:
            await client.chat.completions.create(model="cooled/m", messages=HI)
        assert 50 <= int(caught.value.response.headers["retry-after"]) <= 60
    assert len(provider.requests) <= 2  # a limit that is stated to be long is probed now and then
    assert body(caught.value)["code"] == "all_cooled"
    assert "cooled:none" in body(caught.value)["profiles"]


async def test_client_retries_only_errors_that_may_pass(provider: Provider, router: Router) -> None:
    provider.on(chat_error(500), always=True)
    async with router.client(max_retries=2) as client:
        with pytest.raises(openai.InternalServerError):
            await client.chat.completions.create(model="whole6/other-model", messages=HI)
    assert len(provider.requests) == 2  # both the router's own
