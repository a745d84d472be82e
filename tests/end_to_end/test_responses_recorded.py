"""Every recorded answer of every provider, read through the router by the official SDK's `responses`."""

from __future__ import annotations

from collections.abc import AsyncIterator, Mapping
from typing import Any

import openai
import pytest
import pytest_asyncio

from tests.dialects.anthropic.test_dialect import prepare as prepare_anthropic
from tests.dialects.openai_responses.test_client_recorded import finish_of
from tests.end_to_end.test_sdk_providers import FAILING, RECORDED
from tests.testbed.answers import recorded
from tests.testbed.cases import Case
from tests.testbed.harness import Router, provider_env
from tests.testbed.oracle import compare
from tests.testbed.provider import Provider
from tests.testbed.responses_sdk import as_chat

pytestmark = [pytest.mark.asyncio(loop_scope="module"), pytest.mark.xdist_group("responses-recorded")]

PROVIDERS = ("anthropic", "google", "deepseek", "xai", "groq", "openrouter", "qwen-dashscope")
"""Those whose wire is another one; OpenAI's own answers pass untouched."""


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def router(
    shared_provider: Provider, tmp_path_factory: pytest.TempPathFactory
) -> AsyncIterator[Router]:
    env = provider_env(shared_provider.url, *PROVIDERS)
    async with Router(tmp_path_factory.mktemp("recorded") / "router", env=env) as router:
        yield router


@pytest.mark.parametrize(
    ("model", "finish", "case"), [param for param in RECORDED if not param.values[0].startswith("openai/")]
)
async def test_recorded_answers(
    provider: Provider,
    client: openai.AsyncOpenAI,
    model: str,
    finish: Mapping[str, str],
    case: Case,
) -> None:
    if case.wire == "anthropic-messages":
        prepare_anthropic(case)
    provider.on(recorded(case.folder), always=case.oracle["error"] is not None)
    if case.oracle["error"] is not None:
        with pytest.raises(openai.APIError):
            await ask(client, f"{model.partition('/')[0]}/{FAILING[case.provider]}", case.stream)
        return
    compare(case, as_chat(await ask(client, model, case.stream)), finish_of(case))


async def ask(client: openai.AsyncOpenAI, model: str, stream: bool) -> dict[str, Any]:
    """The whole response, in the client's own words; of a stream the one in its last event."""
    if not stream:
        answer = await client.responses.create(model=model, input="Hi", store=False)
        return answer.model_dump(exclude_unset=True)
    last: Any = None
    async with client.responses.stream(model=model, input="Hi", store=False) as events:
        async for event in events:
            last = event
    found: dict[str, Any] = last.response.model_dump(exclude_unset=True)
    return found
