"""`/openapi.json` describes what the router serves: each endpoint, its requests, and all statuses."""

from __future__ import annotations

import asyncio
import re
import sys
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import httpx
import pytest
import pytest_asyncio
from jsonschema_rs import validator_for

from smart_router.api.endpoints import ROWS
from smart_router.dialects.untranslated import UNTRANSLATED_ENDPOINTS
from tests.faults import full_requests as full
from tests.testbed.answers import Answer
from tests.testbed.harness import Router, provider_env
from tests.testbed.provider import Provider
from tests.testbed.record import Request
from tests.testbed.wires import speak

pytestmark = pytest.mark.asyncio(loop_scope="module")

SCHEMATHESIS = Path(sys.executable).with_name("schemathesis")
CHECKS = "not_a_server_error,status_code_conformance"


def answer(request: Request) -> Answer:
    """A text to chat requests, an empty object to all others."""
    spoken = speak(request, "Hello.")
    return spoken if spoken.status == 200 else Answer(body=b"{}")


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def router(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Router]:
    folder = tmp_path_factory.mktemp("openapi") / "router"
    async with Provider() as provider:
        provider.script.default = answer
        env = provider_env(provider.url, "openai", "anthropic", "google")
        async with Router(folder, env=env, upstream=provider.url) as router:
            yield router


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def described(http: httpx.AsyncClient) -> Any:
    answer = await http.get("/openapi.json")
    assert (answer.status_code, answer.headers["content-type"]) == (200, "application/json")
    return answer.json()


async def test_each_endpoint_has_an_operation_and_each_operation_an_endpoint(described: Any) -> None:
    served = {(path, method.lower()) for row in ROWS for path in row.paths for method in row.methods}
    assert {(path, method) for path, item in described["paths"].items() for method in item} == served
    ids = [operation["operationId"] for item in described["paths"].values() for operation in item.values()]
    assert len(set(ids)) == len(ids)


async def test_all_references_have_a_target(described: Any) -> None:
    for place in re.findall(r"'\$ref': '#/(.*?)'", str(described)):
        target = described
        for name in place.split("/"):
            target = target[name]


REFUSED = (
    ("/v1/chat/completions", full.CHAT, {"messages": [{}]}),
    ("/v1/chat/completions", full.CHAT, {"messages": [{"role": "user"}]}),
    ("/v1/chat/completions", full.CHAT, {"messages": [{"role": "user", "content": [{}]}]}),
    ("/v1/chat/completions", full.CHAT, {"messages": [{"role": "user", "content": [{"type": "text"}]}]}),
    ("/v1/chat/completions", full.CHAT, {"tools": [{"type": "function"}]}),
    ("/v1/messages", full.MESSAGES, {"messages": [{"role": "user", "content": [{}]}]}),
    ("/v1/messages", full.MESSAGES, {"tools": [{"type": "custom"}]}),
    ("/v1/messages/count_tokens", full.MESSAGES, {"system": [{}]}),
    ("/v1/responses", full.RESPONSES, {"input": [{}]}),
    ("/v1/responses", full.RESPONSES, {"input": [{"type": "function_call"}]}),
    ("/v1/embeddings", {"model": "m", "input": "Hi"}, {"model": None}),
    ("/v1/embeddings", {"model": "m", "input": "Hi"}, {"model": ""}),
    ("/v1/audio/speech", {"model": "m", "stream": None}, {"stream": 1}),
)
"""Paths, requests, and fields with which each is refused."""


@pytest.mark.parametrize(("path", "whole", "wrong"), REFUSED)
async def test_requests_that_are_refused_do_not_fit_the_description(
    http: httpx.AsyncClient, described: Any, path: str, whole: Any, wrong: Any
) -> None:
    content = described["paths"][path]["post"]["requestBody"]["content"]
    fits = validator_for({**described, **content["application/json"]["schema"]}).is_valid
    assert fits(whole)
    assert not fits(whole | wrong)
    assert (await http.post(path, json=whole | wrong)).status_code == 400


@pytest.mark.parametrize("path", [one.path for one in UNTRANSLATED_ENDPOINTS])
async def test_a_request_without_a_model_fits_only_where_it_is_accepted(
    http: httpx.AsyncClient, described: Any, path: str
) -> None:
    content = described["paths"][f"/v1{path}"]["post"]["requestBody"]["content"]
    fits = validator_for({**described, **content["application/json"]["schema"]}).is_valid({})
    refused = (await http.post(f"/v1{path}", json={})).status_code == 400
    assert fits == (not refused)


@pytest.mark.parametrize(
    ("examples", "left_out"),
    [
        pytest.param(1, r"/router/events|v1alpha|/v1/models/.*:|/v1/(audio|images)", id="few"),
        pytest.param(100, r"/router/events", id="many", marks=pytest.mark.slow),
    ],
)
async def test_generated_requests_get_documented_statuses_and_no_500(
    router: Router, tmp_path: Path, examples: int, left_out: str
) -> None:
    """Requests are made by schemathesis from each operation's schema, right and wrong ones."""
    process = await asyncio.create_subprocess_exec(
        SCHEMATHESIS, "run", f"{router.url}/openapi.json", "--checks", CHECKS, "--phases", "fuzzing",
        "--max-examples", str(examples), "--exclude-path-regex", left_out, "--no-color", "--seed", "1",
        "--suppress-health-check", "all", "--request-timeout", "20", "--warnings", "off",
        cwd=tmp_path, stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.STDOUT,
    )  # fmt: skip
    told, _ = await process.communicate()
    assert process.returncode == 0, told.decode()[-6000:]
