"""Client flows and attempts in a saved file: linked, complete, found by filters, and without secrets."""

from __future__ import annotations

import subprocess
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
import pytest_asyncio
from mitmproxy import http

from tests.testbed.chat import chat_answer, chat_error, chat_stream
from tests.testbed.harness import MITMDUMP, Router, bare_env, provider_env
from tests.testbed.provider import Provider
from tests.testbed.talk import chains_config, clients_of, talk
from tests.ui.flows import attempts_of, read_flows

pytestmark = [pytest.mark.asyncio(loop_scope="module"), pytest.mark.xdist_group("links")]

CHAIN = {"chain": ["openai/gpt-5.4-mini", "groq/openai/gpt-oss-20b"]}
LONG = [f"piece {number} " * 20 for number in range(200)]


class Recorded:
    """Flows of one router: a failover streamed and whole, and an answer longer than the kept part."""

    def __init__(self, folder: Path) -> None:
        self.file = folder / "flows"
        self.ids: dict[str, str] = {}

    def flows(self, name: str) -> tuple[http.HTTPFlow, list[http.HTTPFlow]]:
        """The client flow of a request, and its attempts."""
        flows = read_flows(self.file)
        client = next(f for f in flows if f.id.replace("-", "").startswith(self.ids[name]))
        return client, attempts_of(flows, client)


def reopened(file: Path, folder: Path, wanted: str) -> list[http.HTTPFlow]:
    """Return what a mitmproxy without the addon reads from a file."""
    copy = folder / "copy"
    command: list[str | Path] = [MITMDUMP, "--set", f"confdir={folder}", "-nr", file, "-w", copy, wanted]
    shown = subprocess.run(command, env=bare_env(), capture_output=True, text=True, timeout=60)
    assert shown.returncode == 0, shown.stderr
    return read_flows(copy)


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def recorded(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Recorded]:
    folder = tmp_path_factory.mktemp("links")
    recorded = Recorded(folder)
    async with Provider() as provider:
        provider.on(chat_error(429), chat_error(429), path="/openai")
        provider.on(chat_stream(["Hel", "lo."]), chat_answer("Hello."), chat_stream(LONG), path="/groq")
        async with (
            Router(
                folder / "router",
                env=provider_env(provider.url, "openai", "groq") | {"OPENAI_API_KEY_2": "second-key-openai"},
                config=chains_config(CHAIN),
                args=["-w", str(recorded.file)],
                options={"router_keep_body": "20k"},
            ) as router,
            clients_of(router) as clients,
        ):
            clients["h1"].headers["authorization"] = "Bearer the-tool's-own-key"
            for name, model, stream in (
                ("streamed", "chain", True),
                ("whole", "groq/openai/gpt-oss-20b", False),
                ("long", "groq/openai/gpt-oss-20b", True),
            ):
                reply = await talk(clients["h1"], model, stream=stream)
                assert reply.status == 200
                recorded.ids[name] = reply.router["request-id"]
    yield recorded


async def test_client_flow_and_attempts_link_to_each_other(recorded: Recorded) -> None:
    client, attempts = recorded.flows("streamed")
    assert [a.metadata["router_candidate"] for a in attempts][-1] == CHAIN["chain"][-1]
    assert {a.metadata["router_client"] for a in attempts} == {client.id}
    assert [a.metadata["router_attempt"] for a in attempts] == list(range(1, len(attempts) + 1))
    assert "rate_limit, 429" in client.comment and "(answered)" in client.comment


async def test_markers_show_the_outcome(recorded: Recorded) -> None:
    client, attempts = recorded.flows("streamed")
    marks = [flow.marked for flow in (client, *attempts)]
    assert marks == [":speech_balloon:", *[":x:"] * (len(attempts) - 1), ":white_check_mark:"]


@pytest.mark.parametrize("wanted", ["~comment {}", "~meta {}", "~marked & ~meta {}"])
async def test_filters_of_plain_mitmproxy_find_all_flows_of_a_request(
    recorded: Recorded, wanted: str, tmp_path: Path
) -> None:
    client, attempts = recorded.flows("streamed")
    found = reopened(recorded.file, tmp_path, wanted.format(recorded.ids["streamed"]))
    assert {flow.id for flow in found} == {flow.id for flow in (client, *attempts)}


async def test_a_plain_mitmproxy_opens_the_file(recorded: Recorded, tmp_path: Path) -> None:
    assert len(reopened(recorded.file, tmp_path, "~marker white_check_mark")) == 3


async def test_flows_keep_the_bytes_of_both_sides(recorded: Recorded) -> None:
    client, attempts = recorded.flows("streamed")
    assert attempts[-1].response and attempts[-1].response.content
    assert b'"x_router"' not in attempts[-1].response.content
    for flow in (client, attempts[-1]):
        assert flow.response and flow.response.content and flow.response.content.endswith(b"data: [DONE]\n\n")


async def test_long_answer_is_kept_in_part(recorded: Recorded) -> None:
    client, attempts = recorded.flows("long")
    for flow in (client, attempts[0]):
        assert flow.response and flow.response.content
        assert 10_000 < len(flow.response.content) < 21_000
        assert b"smart-router left out" in flow.response.content
        assert flow.response.content.endswith(b"data: [DONE]\n\n")


async def test_file_contains_no_secret(recorded: Recorded) -> None:
    saved = recorded.file.read_bytes()
    assert [key for key in (b"key-openai", b"key-groq", b"the-tool's-own-key") if key in saved] == []
