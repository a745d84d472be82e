"""Google's client on the router's Gemini endpoint: every provider's answers, errors, tools, model names."""

from __future__ import annotations

import os
from collections.abc import AsyncIterator, Mapping

import httpx
import pytest
import pytest_asyncio
from google import genai
from google.genai import errors

from tests.dialects.anthropic.test_dialect import prepare as prepare_anthropic
from tests.end_to_end.test_sdk_providers import FAILING, KEY_PROVIDERS, RECORDED
from tests.testbed.answers import recorded
from tests.testbed.cases import Case
from tests.testbed.gemini_sdk import ONE_REASON, ask_gemini, expect_of_gemini, gemini_client
from tests.testbed.harness import Router, provider_env
from tests.testbed.oracle import compare
from tests.testbed.provider import Provider

pytestmark = [pytest.mark.asyncio(loop_scope="module"), pytest.mark.xdist_group("gemini-sdk")]


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def router(
    shared_provider: Provider, tmp_path_factory: pytest.TempPathFactory
) -> AsyncIterator[Router]:
    env = provider_env(shared_provider.url, *KEY_PROVIDERS)
    async with Router(tmp_path_factory.mktemp("gemini-sdk") / "router", env=env) as router:
        yield router


@pytest.fixture(scope="module")
def google(router: Router, http: httpx.AsyncClient) -> genai.Client:
    return gemini_client(router.url, http)


OF_OTHERS = [param for param in RECORDED if not str(param.id).startswith("gemini/")]
EVERY = 1 if os.environ.get("SMART_ROUTER_ALL_RECORDED") else 4
"""All are read without a process in `tests/dialects/gemini/test_client_answer.py`: some suffice here."""


@pytest.mark.parametrize(("model", "finish", "case"), OF_OTHERS[::EVERY])
async def test_recorded_answers(
    provider: Provider, google: genai.Client, model: str, finish: Mapping[str, str], case: Case
) -> None:
    case = Case(case.id, case.folder, case.meta)  # with an oracle of its own
    if case.wire == "anthropic-messages":
        prepare_anthropic(case)
    provider.on(recorded(case.folder), always=case.oracle["error"] is not None)
    if case.oracle["error"] is not None:
        with pytest.raises(errors.APIError):
            await ask_gemini(
                google, f"{model.partition('/')[0]}/{FAILING[case.provider]}", stream=case.stream
            )
        return
    expect_of_gemini(case)
    compare(case, await ask_gemini(google, model, stream=case.stream), {**finish, **ONE_REASON})
