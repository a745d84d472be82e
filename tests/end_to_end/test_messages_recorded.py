"""Every recorded answer of every provider, read through the router by Anthropic's SDK."""

from __future__ import annotations

from collections.abc import AsyncIterator, Mapping
from typing import Any

import anthropic
import pytest
import pytest_asyncio
from anthropic.types import Message

from tests.dialects.anthropic.messages_reading import ASK, check_message
from tests.dialects.anthropic.recorded import prepare as prepare_anthropic
from tests.dialects.anthropic.test_client_answer import CUSTOM_TOOLS
from tests.end_to_end.test_sdk_providers import FAILING, RECORDED
from tests.testbed.answers import recorded
from tests.testbed.cases import Case
from tests.testbed.harness import Router, provider_env
from tests.testbed.provider import Provider

pytestmark = [pytest.mark.asyncio(loop_scope="module"), pytest.mark.xdist_group("messages-recorded")]

PROVIDERS = ("openai", "anthropic", "google", "deepseek", "xai", "groq", "openrouter", "qwen-dashscope")


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def router(
    shared_provider: Provider, tmp_path_factory: pytest.TempPathFactory
) -> AsyncIterator[Router]:
    env = provider_env(shared_provider.url, *PROVIDERS)
    async with Router(tmp_path_factory.mktemp("recorded") / "router", env=env) as router:
        yield router


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def sdk(router: Router) -> AsyncIterator[anthropic.AsyncAnthropic]:
    async with anthropic.AsyncAnthropic(api_key="unused", base_url=router.url, max_retries=0) as client:
        yield client


@pytest.mark.parametrize(
    ("model", "finish", "case"), [one for one in RECORDED if one.values[2].folder.name not in CUSTOM_TOOLS]
)
async def test_recorded_answers(
    provider: Provider, sdk: anthropic.AsyncAnthropic, model: str, finish: Mapping[str, str], case: Case
) -> None:
    if case.wire == "anthropic-messages":
        prepare_anthropic(case)
    provider.on(recorded(case.folder), always=case.oracle["error"] is not None)
    if case.oracle["error"] is not None:
        with pytest.raises(anthropic.APIError):
            await ask(sdk, f"{model.partition('/')[0]}/{FAILING[case.provider]}", case.stream)
        return
    message = await ask(sdk, model, case.stream)
    if case.wire == "anthropic-messages":  # its own format: no refusal in words of the router's
        case.oracle["refusal"] = None
    check_message(case, message, finish)


async def ask(sdk: anthropic.AsyncAnthropic, model: str, stream: bool) -> Message:
    asked: Any = {**ASK, "model": model}
    if not stream:
        answer: Message = await sdk.messages.create(**asked)
        return answer
    async with sdk.messages.stream(**asked) as events:
        return await events.get_final_message()
