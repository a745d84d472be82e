"""A real mitmdump: what its requests leave in the records, the reports and the audit log."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Mapping
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
import pytest_asyncio
from mitmproxy.http import HTTPFlow
from mitmproxy.io import FlowReader

from smart_router.stats.audit import read_audit
from smart_router.stats.database import reading
from tests.testbed.chat import chat_answer, chat_error, chat_stream
from tests.testbed.harness import Router, provider_env
from tests.testbed.provider import Provider

pytestmark = [pytest.mark.asyncio(loop_scope="module"), pytest.mark.xdist_group("stats")]

USAGE = {
    "prompt_tokens": 1_000,
    "completion_tokens": 200,
    "total_tokens": 1_200,
    "prompt_tokens_details": {"cached_tokens": 400},
    "completion_tokens_details": {"reasoning_tokens": 150},
}
PROMPT = "What is the capital of Ruritania?"


CONFIG = """
[clients]
laptop = "a long random string"
[providers.local]
base_url = "{url}/local/v1"
[providers.other]
base_url = "{url}/other/v1"
[prices."local/*"]
input = 1.0
output = 3.0
"""


class Asked:
    """The shared router as one test uses it: figures are of the requests that this test made."""

    def __init__(self, router: Router) -> None:
        self.router = router
        self.since = datetime.now(UTC).isoformat()

    async def ask(self, model: str, headers: Mapping[str, str] | None = None, **fields: Any) -> int:
        async with self.router.http() as http:
            answer = await http.post("/v1/chat/completions", json=body(model, **fields), headers=headers)
        return answer.status_code

    async def stats(self) -> dict[str, Any]:
        async with self.router.http() as http:
            answer = await http.get("/router/stats", params={"since": self.since})
        assert answer.status_code == 200
        figures: dict[str, Any] = answer.json()
        return figures


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def shared_router(
    shared_provider: Provider, tmp_path_factory: pytest.TempPathFactory
) -> AsyncIterator[Router]:
    env = provider_env(shared_provider.url, "openai", "groq", "openrouter")
    config = CONFIG.replace("{url}", shared_provider.url)
    async with Router(tmp_path_factory.mktemp("stats") / "router", env=env, config=config) as router:
        yield router


@pytest.fixture
def asked(shared_router: Router) -> Asked:
    return Asked(shared_router)


def body(model: str, **fields: Any) -> dict[str, Any]:
    return {"model": model, "messages": [{"role": "user", "content": PROMPT}], **fields}


def rows(figures: Mapping[str, Any], name: str) -> dict[str, Any]:
    return {row["name"]: row for row in figures["by"][name]}


async def test_requests_are_recorded_and_priced(asked: Asked, provider: Provider) -> None:
    provider.on(chat_answer(usage=USAGE), chat_stream(["a", "b"], usage=USAGE))
    assert await asked.ask("openai/gpt-5.4") == 200
    assert await asked.ask("openai/gpt-5.4", stream=True) == 200
    figures = await asked.stats()
    total = figures["total"]
    assert (total["requests"], total["errors"], total["attempts"]) == (2, 0, 2)
    assert (total["input"], total["cached"], total["output"], total["reasoning"]) == (2_000, 800, 400, 300)
    # by OpenAI's list: 2.5, cached 0.25 and 15 dollars per million tokens
    assert total["cost"] == pytest.approx(2 * (600 * 2.5 + 400 * 0.25 + 200 * 15) / 1e6)
    assert total["saved"] is None  # the client named the model
    assert total["ttft"]["p50"] > 0
    assert 0 < total["overhead"]["p50"] < 0.5
    assert list(rows(figures, "profile")) == ["openai:env"]


async def test_routed_requests_are_compared(asked: Asked, provider: Provider) -> None:
    provider.on(chat_answer(usage=USAGE))
    assert await asked.ask("auto:simple") == 200
    total = (await asked.stats())["total"]
    assert total["cost"] == pytest.approx((600 * 0.1 + 400 * 0.01 + 200 * 0.5) / 1e6)
    assert total["baseline"] == pytest.approx((600 * 2 + 400 * 0.1 + 200 * 10) / 1e6)
    assert total["saved"] == pytest.approx(total["baseline"] - total["cost"])


async def test_the_baseline_could_have_served_the_request(asked: Asked, provider: Provider) -> None:
    """Of REASONING's models with a key here, OpenRouter's is the dearest, and takes pictures."""
    provider.on(chat_answer(usage=USAGE), chat_answer(usage=USAGE))
    picture = {"type": "image_url", "image_url": {"url": "data:image/png;base64,iVBORw0KGgo="}}
    for content in ("Hello", [{"type": "text", "text": "Hello"}, picture]):
        assert await asked.ask("auto:simple", messages=[{"role": "user", "content": content}]) == 200
    figures = await asked.stats()
    assert figures["baselines"] == [{"name": "openrouter/openai/gpt-6.1-sol", "requests": 2}]


async def test_failover_counts_against_the_failed_candidate(asked: Asked, provider: Provider) -> None:
    provider.on(chat_error(503), chat_stream(["a"]))
    assert await asked.ask("auto:medium", stream=True) == 200
    figures = await asked.stats()
    providers = rows(figures, "provider")
    assert figures["total"]["failovers"] == 1
    assert figures["failures"] == {"overloaded": 1}
    assert (providers["openai"]["requests"], providers["openai"]["failed_attempts"]) == (0, 1)
    assert (providers["openrouter"]["requests"], providers["openrouter"]["failed_attempts"]) == (1, 0)
    assert providers["openrouter"]["estimated"] == 1  # that answer came without usage
    assert providers["openrouter"]["output"] > 0


async def test_prices_of_the_users_own(asked: Asked, provider: Provider) -> None:
    provider.on(chat_answer(usage=USAGE), always=True)
    assert await asked.ask("local/mine") == 200
    assert await asked.ask("other/theirs") == 200
    models = rows(await asked.stats(), "model")
    assert models["local/mine"]["cost"] == pytest.approx((1_000 * 1 + 200 * 3) / 1e6)
    assert models["other/theirs"]["unpriced"] == 1


async def test_audit_names_the_client_and_the_outcome(asked: Asked, provider: Provider) -> None:
    provider.on(chat_answer())
    laptop = {"authorization": "Bearer a long random string"}
    assert await asked.ask("openai/gpt-5.4", headers=laptop) == 200
    assert await asked.ask("no/such-model") == 404
    await asked.stats()
    with reading(asked.router.state_folder) as db:
        routed, refused = read_audit(db, datetime.fromisoformat(asked.since).timestamp())
    assert routed["client"] == "laptop"
    assert (routed["action"], routed["asked"], routed["outcome"]) == ("chat", "openai/gpt-5.4", "ok")
    assert routed["address"] == "127.0.0.1"
    assert (refused["action"], refused["status"]) == ("POST /v1/chat/completions", 404)
    assert refused["outcome"] == "model_not_found"


async def test_metrics(asked: Asked, provider: Provider) -> None:
    provider.on(chat_stream(["a"], usage=USAGE), always=True)
    assert await asked.ask("openai/gpt-5.4-mini", stream=True) == 200
    for number in range(3):
        assert await asked.ask(f"openrouter/made/up-{number}", stream=True) == 200
    await asked.stats()
    async with asked.router.http() as http:
        answer = await http.get("/metrics")
    assert answer.headers["content-type"].startswith("text/plain")
    lines = answer.text.splitlines()
    assert 'smart_router_attempts_total{model="gpt-5.4-mini",outcome="ok",provider="openai"} 1.0' in lines
    assert 'smart_router_attempts_total{model="other",outcome="ok",provider="openrouter"} 3.0' in lines
    assert any(line.startswith("smart_router_requests_total") for line in lines)
    who = 'gen_ai_operation_name="chat",gen_ai_provider_name="openai",gen_ai_request_model="gpt-5.4-mini"'
    assert f'gen_ai_client_token_usage_sum{{{who},gen_ai_token_type="input"}} 1000.0' in lines
    assert any(line.startswith("gen_ai_server_time_to_first_token_seconds_bucket") for line in lines)
    assert "made" not in answer.text


async def test_a_client_that_leaves_is_no_error(asked: Asked, provider: Provider) -> None:
    provider.on(chat_stream(["a", "b", "c"], stepped=True))

    async def read_a_little() -> None:
        async with (
            asked.router.http() as http,
            http.stream("POST", "/v1/chat/completions", json=body("openai/gpt-4.1", stream=True)) as answer,
        ):
            await anext(answer.aiter_bytes())

    reading = asyncio.create_task(read_a_little())
    request = await provider.wait_for_request()
    request.release(2)  # the head is held back until there is content
    await reading
    await request.disconnected()
    left = r"openai/gpt-4.1: client left after \d+\.\d+ s, in the middle of openai's answer"
    await asyncio.to_thread(asked.router.wait_for_log, left)
    total = (await asked.stats())["total"]
    assert (total["client_left"], total["errors"]) == (1, 0)


async def test_an_answer_cut_off_is_an_error(asked: Asked, provider: Provider) -> None:
    provider.on(chat_stream(["a", "b"], done=False))
    assert await asked.ask("openai/gpt-5.5", stream=True) == 200
    total = (await asked.stats())["total"]
    assert (total["errors"], total["client_left"]) == (1, 0)


async def test_bad_queries_and_methods(asked: Asked) -> None:
    async with asked.router.http() as http:
        assert (await http.get("/router/stats?since=soon")).json()["error"]["param"] == "since"
        assert (await http.post("/router/stats")).status_code == 405
        assert (await http.head("/metrics")).status_code == 200
        assert (await http.get("/router/stats", headers={"origin": "http://evil.example"})).status_code == 403


COMMAND = """
import logging
from mitmproxy import ctx

def done():
    logging.warning("router.stats says %s", ctx.master.commands.call("router.stats"))
"""


@pytest.mark.parametrize("wanted", [False, True])
async def test_prompts_are_stored_only_if_wanted(
    tmp_path: Path, provider: Provider, shared_provider: Provider, wanted: bool
) -> None:
    """Prompts are kept on request only; the saved flow and the command say what happened in a line."""
    (tmp_path / "command.py").write_text(COMMAND)
    provider.on(chat_answer("Strelsau.", usage=USAGE))
    router = Router(
        tmp_path / "router",
        env=provider_env(shared_provider.url, "openai"),
        options={"router_audit_content": "true"} if wanted else {},
        args=["-w", "saved.mitm", "-s", str(tmp_path / "command.py")],
    )
    async with router:
        assert await Asked(router).ask("auto:simple") == 200
    assert "router.stats says 1 requests, 0 failed, 0 failed over; $0.0002 spent" in router.log
    held = b"".join(path.read_bytes() for path in router.state_folder.iterdir())
    assert (b"Ruritania" in held) is wanted
    assert b"Strelsau" not in held
    with reading(router.state_folder) as db:
        assert db.execute("SELECT cost > 0 FROM requests").fetchone() == (1,)
    with (router.folder / "saved.mitm").open("rb") as file:
        flows = [flow for flow in FlowReader(file).stream() if isinstance(flow, HTTPFlow)]
    client = next(flow for flow in flows if "router_tokens" in flow.metadata)
    assert "SIMPLE" in client.comment
    assert "1000+200 tokens in " in client.comment
    assert "\n" not in client.comment
