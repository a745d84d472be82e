"""Every provider and wire format read through the official client: URLs, credentials, bodies, answers."""

from __future__ import annotations

from collections.abc import AsyncIterator, Mapping
from typing import Any
from urllib.parse import urlsplit

import openai
import pytest
import pytest_asyncio
from openai.lib.streaming.chat import ChatCompletionStreamState

from smart_router.dialects.anthropic.answer import FINISH_REASONS as ANTHROPIC_FINISH
from smart_router.providers.registry import PROVIDERS
from tests.dialects.anthropic.recorded import prepare as prepare_anthropic
from tests.dialects.gemini.gemini_cases import FINISH as GEMINI_FINISH
from tests.dialects.openai_chat.chat_wire import FINISH as CHAT_FINISH
from tests.testbed.answers import recorded
from tests.testbed.cases import Case, case_params
from tests.testbed.chat import chat_answer, chat_error
from tests.testbed.harness import Router, provider_env
from tests.testbed.oracle import compare
from tests.testbed.provider import Provider
from tests.testbed.wires import gemini_answer, gemini_stream, messages_answer, messages_stream

pytestmark = [pytest.mark.asyncio(loop_scope="module"), pytest.mark.xdist_group("sdk-providers")]

HI: list[Any] = [{"role": "user", "content": "Hi"}]
KEY_PROVIDERS = [id_ for id_, provider in PROVIDERS.items() if provider.kind == "key"]


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def router(
    shared_provider: Provider, tmp_path_factory: pytest.TempPathFactory, fast_path: str
) -> AsyncIterator[Router]:
    url = shared_provider.url
    env = provider_env(url, *KEY_PROVIDERS) | {
        "OPENAI_ORG_ID": "org-1",
        "KEYS": "key-a, key-b",
        "KEYS_2": "key-c",
    }
    config = f'[providers.keys]\nbase_url = "{url}/keys/v1"\nkey_env = "KEYS"\n'
    folder, options = tmp_path_factory.mktemp("providers") / "router", {"router_fast_path": fast_path}
    async with Router(folder, env=env, config=config, options=options) as router:
        yield router


BEARER = "authorization"
# model; path under the provider's; the header with the key; what becomes of max_tokens=50, seed=1, user="u"
ROWS = [
    ("openai/gpt-5.4-mini", "/v1/chat/completions", BEARER,
     {"max_completion_tokens": 50, "seed": 1, "user": "u"}),
    ("deepseek/deepseek-flash", "/chat/completions", BEARER, {"max_tokens": 50}),
    ("xai/grok-4.7", "/v1/chat/completions", BEARER, {"max_completion_tokens": 50, "seed": 1, "user": "u"}),
    ("groq/openai/gpt-oss-20b", "/openai/v1/chat/completions", BEARER,
     {"max_tokens": 50, "seed": 1, "user": "u"}),
    ("openrouter/any/model", "/api/v1/chat/completions", BEARER,
     {"max_tokens": 50, "seed": 1, "user": "u", "usage": {"include": True}}),
    ("qwen-dashscope/qwen3-max", "/compatible-mode/v1/chat/completions", BEARER,
     {"max_tokens": 50, "seed": 1}),
    ("anthropic/claude-sonnet-5-5", "/v1/messages", "x-api-key",
     {"max_tokens": 50, "metadata": {"user_id": "u"}}),
    ("google/gemini-3.8-flash", "/v1beta/models/gemini-3.8-flash:generateContent", "x-goog-api-key",
     {"generationConfig": {"maxOutputTokens": 50, "seed": 1}}),
]  # fmt: skip
WRITTEN_APART = {"model", "messages", "contents", "stream", "stream_options"}


@pytest.mark.parametrize(
    ("model", "path", "header", "body"), ROWS, ids=[row[0].partition("/")[0] for row in ROWS]
)
async def test_where_and_how_a_provider_is_asked(
    provider: Provider, client: openai.AsyncOpenAI, model: str, path: str, header: str, body: dict[str, Any]
) -> None:
    name, _, id_ = model.partition("/")
    answer = await client.chat.completions.create(
        model=model,
        messages=HI,
        max_tokens=50,
        seed=1,
        user="u",
        extra_headers={"cookie": "c=1", "x-api": "y"},
    )
    assert answer.choices[0].message.content == "You said: Hi"
    (request,) = provider.requests
    assert (request.method, request.path) == ("POST", f"/{name}{path}")
    assert request.headers[header] == f"{'Bearer ' * (header == BEARER)}key-{name}"
    assert "client-key" not in str(request.headers)
    expected = {"host", "content-type", "content-length", "accept", "accept-encoding", "user-agent", header}
    extra = {"anthropic": {"anthropic-version"}, "openai": {"openai-organization"}}.get(name, set())
    assert request.headers.keys() - {"x-grok-conv-id"} == expected | extra
    sent = {name: value for name, value in request.json.items() if name not in WRITTEN_APART}
    assert sent == body
    assert request.model == ("" if name == "google" else id_)


@pytest.mark.parametrize("id_", KEY_PROVIDERS)
async def test_each_provider_gets_its_own_key_at_its_own_address(
    provider: Provider, client: openai.AsyncOpenAI, id_: str
) -> None:
    row = PROVIDERS[id_]
    answer = await client.chat.completions.create(model=f"{id_}/{next(iter(row.models))}", messages=HI)
    assert answer.choices[0].message.content == "You said: Hi"
    (request,) = provider.requests
    assert request.path.startswith(f"/{id_}{urlsplit(row.base_url).path}/")
    header, key = (BEARER, f"Bearer key-{id_}") if row.auth == "bearer" else (row.auth, f"key-{id_}")
    assert request.headers[header] == key
    assert {name for name, value in request.headers.items() if "key-" in value} == {header}


# what the fixtures call the provider, the model to ask for, the vendor's finish reasons
WIRES: list[tuple[str, str, str, Mapping[str, str]]] = [
    ("anthropic-messages", "anthropic", "anthropic/claude-sonnet-4-5", ANTHROPIC_FINISH),
    ("gemini", "google", "google/gemini-3.8-flash", GEMINI_FINISH),
    *(
        ("openai-chat", name, model, CHAT_FINISH)
        for name, model in (
            ("openai", "openai/gpt-5.4-mini"),
            ("deepseek", "deepseek/deepseek-flash"),
            ("xai", "xai/grok-4.7"),
            ("groq", "groq/openai/gpt-oss-20b"),
            ("openrouter", "openrouter/any/model"),
            ("qwen-dashscope", "qwen-dashscope/qwen3-max"),
        )
    ),
]
RECORDED = [
    pytest.param(model, finish, *param.values, id=param.id, marks=param.marks)
    for wire, name, model, finish in WIRES
    for param in case_params(wire, name, status=200)
]


@pytest.mark.parametrize(("model", "finish", "case"), RECORDED)
async def test_recorded_answers(
    provider: Provider, client: openai.AsyncOpenAI, model: str, finish: Mapping[str, str], case: Case
) -> None:
    if case.wire == "anthropic-messages":
        prepare_anthropic(case)
    provider.on(recorded(case.folder), always=case.oracle["error"] is not None)
    if case.oracle["error"] is not None:
        with pytest.raises(openai.APIError):
            await ask(client, f"{model.partition('/')[0]}/{FAILING[case.provider]}", case.stream)
        return
    compare(case, await ask(client, model, case.stream), finish)


FAILING = {"anthropic": "claude-opus-5", "openrouter": "failing", "groq": "openai/gpt-oss-120b"}
"""A model of its own for answers with an error inside, which count against it."""


async def ask(client: openai.AsyncOpenAI, model: str, stream: bool) -> dict[str, Any]:
    """The whole answer, in the client's own words."""
    if not stream:
        answer = await client.chat.completions.create(model=model, messages=HI)
        return answer.model_dump(exclude_unset=True)
    state: ChatCompletionStreamState[Any] = ChatCompletionStreamState()
    options: Any = {"include_usage": True}
    async for chunk in await client.chat.completions.create(
        model=model, messages=HI, stream=True, stream_options=options
    ):
        state.handle_chunk(chunk)
    return state.current_completion_snapshot.model_dump(exclude_unset=True)


HAND_MADE = [
    pytest.param("anthropic/claude-sonnet-4-5", messages_answer("Hello."), False, id="messages"),
    pytest.param("anthropic/claude-sonnet-4-5", messages_stream(["Hel", "lo."]), True, id="messages stream"),
    pytest.param("google/gemini-3.8-flash", gemini_answer("Hello."), False, id="gemini"),
    pytest.param("google/gemini-3.8-flash", gemini_stream(["Hel", "lo."]), True, id="gemini stream"),
]


@pytest.mark.parametrize("cut", [None, 1, 7])
@pytest.mark.parametrize(("model", "answer", "stream"), HAND_MADE)
async def test_wires_cut_anywhere(
    provider: Provider, client: openai.AsyncOpenAI, model: str, answer: Any, stream: bool, cut: int | None
) -> None:
    provider.on(answer.but(cut=cut))
    got = await ask(client, model, stream)
    assert got["choices"][0]["message"]["content"] == "Hello."
    assert got["choices"][0]["finish_reason"] == "stop"
    assert (got["usage"]["prompt_tokens"], got["usage"]["completion_tokens"]) == (11, 7)


async def test_several_keys_are_several_profiles(provider: Provider, client: openai.AsyncOpenAI) -> None:
    slow_down = chat_error(429, headers={"retry-after": "60"}, type="rate_limit_error")
    provider.on(slow_down, slow_down, chat_answer("At last."), always=True)
    raw = await client.chat.completions.with_raw_response.create(model="keys/m", messages=HI)
    assert raw.parse().choices[0].message.content == "At last."
    assert raw.headers["x-router-attempts"] == "3"
    assert raw.headers["x-router-profile"] == "keys:env3"
    await client.chat.completions.create(model="keys/m", messages=HI)
    keys = [request.headers["authorization"] for request in provider.requests]
    assert keys == [
        "Bearer key-a",
        "Bearer key-b",
        "Bearer key-c",
        "Bearer key-c",
    ]  # cooled ones are left out


HARD = (
    "Prove step by step, by induction, that the sum of the first n odd numbers is n squared, then derive a "
    "closed form for the sum of their cubes and analyse where the argument could fail."
)
SESSIONS: list[tuple[str, dict[str, Any]]] = [
    ("x-session-id", {"extra_headers": {"x-session-id": "s-1"}}),
    ("user", {"user": "u-1"}),
    ("fingerprint", {}),
]


@pytest.mark.parametrize(("kind", "extra"), SESSIONS, ids=[kind for kind, _ in SESSIONS])
async def test_a_conversation_stays_and_rises(
    provider: Provider, client: openai.AsyncOpenAI, kind: str, extra: dict[str, Any]
) -> None:
    begin = [{"role": "system", "content": f"Be brief, {kind}."}, {"role": "user", "content": "Hello there"}]
    replied: list[Any] = [*begin, {"role": "assistant", "content": "Hello."}]

    async def turn(text: str, history: list[Any] = replied, **other: Any) -> tuple[str, str]:
        messages = [*history, {"role": "user", "content": text}]
        raw = await client.chat.completions.with_raw_response.create(
            model="auto", messages=messages, **(extra | other)
        )
        return raw.headers["x-router-tier"], raw.headers["x-router-model"]

    first = await turn("And you?")
    assert await turn("How are you?") == first
    risen = await turn(HARD)
    assert risen[0] in ("COMPLEX", "REASONING")
    assert risen[1] != first[1]
    assert await turn("Thanks!") == risen  # a lower tier keeps the stronger model
    elsewhere = {"user": "u-2"} if kind == "user" else {"extra_headers": {"x-session-id": "s-2"}}
    assert await turn("Thanks!", **elsewhere) == first
