"""A real mitmdump: what its requests leave in the records, the reports and the audit log."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from typing import Any

import pytest

from smart_router.stats.audit import read_audit
from smart_router.stats.database import reading
from tests.conftest import StartRouter
from tests.fakes.chat import chat_answer, chat_error, chat_stream
from tests.fakes.provider import Provider
from tests.harness import Router, provider_env

USAGE = {
    "prompt_tokens": 1_000,
    "completion_tokens": 200,
    "total_tokens": 1_200,
    "prompt_tokens_details": {"cached_tokens": 400},
    "completion_tokens_details": {"reasoning_tokens": 150},
}
PROMPT = "What is the capital of Ruritania?"


def body(model: str, **fields: Any) -> dict[str, Any]:
    return {"model": model, "messages": [{"role": "user", "content": PROMPT}], **fields}


async def ask(router: Router, model: str, headers: Mapping[str, str] | None = None, **fields: Any) -> int:
    async with router.http() as http:
        answer = await http.post("/v1/chat/completions", json=body(model, **fields), headers=headers)
    return answer.status_code


async def stats(router: Router) -> dict[str, Any]:
    async with router.http() as http:
        answer = await http.get("/router/stats")
    assert answer.status_code == 200
    figures: dict[str, Any] = answer.json()
    return figures


def rows(figures: Mapping[str, Any], name: str) -> dict[str, Any]:
    return {row["name"]: row for row in figures["by"][name]}


async def test_requests_are_recorded_and_priced(start_router: StartRouter, provider: Provider) -> None:
    router = await start_router(env=provider_env(provider.url, "openai", "groq"))
    provider.on(chat_answer(usage=USAGE), chat_stream(["a", "b"], usage=USAGE))
    assert await ask(router, "openai/gpt-5.4") == 200
    assert await ask(router, "openai/gpt-5.4", stream=True) == 200
    figures = await stats(router)
    total = figures["total"]
    assert (total["requests"], total["errors"], total["attempts"]) == (2, 0, 2)
    assert (total["input"], total["cached"], total["output"], total["reasoning"]) == (2_000, 800, 400, 300)
    # by OpenAI's list: 2.5, cached 0.25 and 15 dollars per million tokens
    assert total["cost"] == pytest.approx(2 * (600 * 2.5 + 400 * 0.25 + 200 * 15) / 1e6)
    assert total["saved"] is None  # the client named the model
    assert total["ttft"]["p50"] > 0
    assert 0 < total["overhead"]["p50"] < 0.5
    assert list(rows(figures, "profile")) == ["openai:env"]


async def test_routed_requests_are_compared(start_router: StartRouter, provider: Provider) -> None:
    provider.on(chat_answer(usage=USAGE))
    router = await start_router(env=provider_env(provider.url, "openai"))
    assert await ask(router, "auto:simple") == 200
    total = (await stats(router))["total"]
    assert total["cost"] == pytest.approx((600 * 0.1 + 400 * 0.01 + 200 * 0.5) / 1e6)
    assert total["baseline"] == pytest.approx((600 * 2 + 400 * 0.1 + 200 * 10) / 1e6)
    assert total["saved"] == pytest.approx(total["baseline"] - total["cost"])


async def test_failover_counts_against_who_failed(start_router: StartRouter, provider: Provider) -> None:
    provider.on(chat_error(503), chat_stream(["a"]))
    router = await start_router(env=provider_env(provider.url, "openai", "groq"))
    assert await ask(router, "auto:simple", stream=True) == 200
    figures = await stats(router)
    providers = rows(figures, "provider")
    assert figures["total"]["failovers"] == 1
    assert figures["failures"] == {"overloaded": 1}
    assert (providers["openai"]["requests"], providers["openai"]["failed_attempts"]) == (0, 1)
    assert (providers["groq"]["requests"], providers["groq"]["failed_attempts"]) == (1, 0)
    assert providers["groq"]["estimated"] == 1  # that answer came without usage
    assert providers["groq"]["output"] > 0


async def test_prices_of_the_users_own(start_router: StartRouter, provider: Provider) -> None:
    provider.on(chat_answer(usage=USAGE), always=True)
    config = f"""
        [providers.local]
        base_url = "{provider.url}/local/v1"
        [providers.other]
        base_url = "{provider.url}/other/v1"
        [prices."local/*"]
        input = 1.0
        output = 3.0
    """
    router = await start_router(config=config)
    assert await ask(router, "local/mine") == 200
    assert await ask(router, "other/theirs") == 200
    models = rows(await stats(router), "model")
    assert models["local/mine"]["cost"] == pytest.approx((1_000 * 1 + 200 * 3) / 1e6)
    assert models["other/theirs"]["unpriced"] == 1


async def test_audit_says_who_and_how_it_ended(start_router: StartRouter, provider: Provider) -> None:
    provider.on(chat_answer())
    config = '[clients]\nlaptop = "a long random string"'
    router = await start_router(env=provider_env(provider.url, "openai"), config=config)
    laptop = {"authorization": "Bearer a long random string"}
    assert await ask(router, "openai/gpt-5.4", headers=laptop) == 200
    assert await ask(router, "no/such-model") == 404
    await stats(router)
    with reading(router.state_folder) as db:
        routed, refused = read_audit(db)
    assert routed["client"] == "laptop"
    assert (routed["action"], routed["asked"], routed["outcome"]) == ("chat", "openai/gpt-5.4", "ok")
    assert routed["address"] == "127.0.0.1"
    assert (refused["action"], refused["status"]) == ("POST /v1/chat/completions", 404)
    assert refused["outcome"] == "model_not_found"


@pytest.mark.parametrize("wanted", [False, True])
async def test_prompts_are_kept_on_request_only(
    start_router: StartRouter, provider: Provider, wanted: bool
) -> None:
    provider.on(chat_answer("Strelsau."))
    options = {"router_audit_content": "true"} if wanted else {}
    router = await start_router(env=provider_env(provider.url, "openai"), options=options)
    assert await ask(router, "auto") == 200
    await stats(router)
    router.stop()
    held = b"".join(path.read_bytes() for path in router.state_folder.iterdir())
    assert (b"Ruritania" in held) is wanted
    assert b"Strelsau" not in held


async def test_metrics(start_router: StartRouter, provider: Provider) -> None:
    provider.on(chat_stream(["a"], usage=USAGE), always=True)
    router = await start_router(env=provider_env(provider.url, "openai", "openrouter"))
    assert await ask(router, "openai/gpt-5.4", stream=True) == 200
    for number in range(3):
        assert await ask(router, f"openrouter/made/up-{number}", stream=True) == 200
    await stats(router)
    async with router.http() as http:
        answer = await http.get("/metrics")
    assert answer.headers["content-type"].startswith("text/plain")
    lines = answer.text.splitlines()
    assert 'smart_router_requests_total{outcome="ok",tier="explicit"} 4.0' in lines
    assert 'smart_router_attempts_total{model="other",outcome="ok",provider="openrouter"} 3.0' in lines
    who = 'gen_ai_operation_name="chat",gen_ai_provider_name="openai",gen_ai_request_model="gpt-5.4"'
    assert f'gen_ai_client_token_usage_sum{{{who},gen_ai_token_type="input"}} 1000.0' in lines
    assert any(line.startswith("gen_ai_server_time_to_first_token_seconds_bucket") for line in lines)
    assert "made" not in answer.text


async def test_a_client_that_leaves_is_no_error(start_router: StartRouter, provider: Provider) -> None:
    provider.on(chat_stream(["a", "b", "c"], stepped=True))
    router = await start_router(env=provider_env(provider.url, "openai"))
    async with (
        router.http() as http,
        http.stream("POST", "/v1/chat/completions", json=body("openai/gpt-5.4", stream=True)) as answer,
    ):
        request = await provider.wait_for_request()
        request.release(2)
        await anext(answer.aiter_bytes())
    await request.disconnected()
    await asyncio.to_thread(router.wait_for_log, "ended early")
    total = (await stats(router))["total"]
    assert (total["client_left"], total["errors"]) == (1, 0)


async def test_an_answer_cut_off_is_an_error(start_router: StartRouter, provider: Provider) -> None:
    provider.on(chat_stream(["a", "b"], done=False))
    router = await start_router(env=provider_env(provider.url, "openai"))
    assert await ask(router, "openai/gpt-5.4", stream=True) == 200
    figures = await stats(router)
    assert figures["total"]["errors"] == 1
    assert figures["total"]["client_left"] == 0


async def test_bad_queries_and_methods(start_router: StartRouter) -> None:
    router = await start_router()
    async with router.http() as http:
        assert (await http.get("/router/stats?since=soon")).json()["error"]["param"] == "since"
        assert (await http.post("/router/stats")).status_code == 405
        assert (await http.head("/metrics")).status_code == 200
        assert (await http.get("/router/stats", headers={"origin": "http://evil.example"})).status_code == 403


async def test_the_saved_flow_tells_what_happened(start_router: StartRouter, provider: Provider) -> None:
    from mitmproxy.http import HTTPFlow
    from mitmproxy.io import FlowReader

    provider.on(chat_answer(usage=USAGE))
    router = await start_router(env=provider_env(provider.url, "openai"), args=["-w", "saved.mitm"])
    assert await ask(router, "auto:simple") == 200
    await stats(router)
    router.stop()
    with (router.folder / "saved.mitm").open("rb") as file:
        flows = [flow for flow in FlowReader(file).stream() if isinstance(flow, HTTPFlow)]
    client = next(flow for flow in flows if "router_tokens" in flow.metadata)
    assert "SIMPLE" in client.comment
    assert "1000+200 tokens in " in client.comment
    assert "\n" not in client.comment
