"""Limits on attempts and time, the final error, and waits for providers."""

from __future__ import annotations

import time
from collections.abc import AsyncIterator

import pytest
import pytest_asyncio

from tests.testbed.answers import Answer, Fault
from tests.testbed.chat import chat_answer, chat_error, chat_stream
from tests.testbed.harness import Router
from tests.testbed.provider import Provider
from tests.testbed.talk import Clients, Reply, chains_config, clients_of, providers_config, talk

pytestmark = pytest.mark.asyncio(loop_scope="module")

OPTIONS = {
    "router_max_attempts": "5",
    "router_first_byte_timeout": "0.5",
    "router_silence_timeout": "1",
    "router_failover_timeout": "1.8",
    "router_total_timeout": "2.2",
    "router_max_wait": "1.2",
}
"""Whole answers may take five times the first byte's time, so a whole request ends by its total time."""

NAMES = [f"{name}-{form}" for name in "abcdefghijklmnopqrstuvwxyz" for form in ("stream", "whole")]
FORMS = pytest.mark.parametrize("form", ["stream", "whole"])
BOTH = pytest.mark.parametrize("client", ["h1", "h2"])


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def clients(
    shared_provider: Provider, tmp_path_factory: pytest.TempPathFactory, fast_path: str
) -> AsyncIterator[Clients]:
    """Six providers `p1` to `p6`; the chains `two-*` are of the first two, `six-*` of all."""
    urls = {f"p{number}": f"{shared_provider.url}/p{number}/v1" for number in range(1, 7)}
    chains = {f"six-{name}": [f"{provider}/{name}" for provider in urls] for name in NAMES}
    chains |= {f"two-{name}": candidates[:2] for name, candidates in zip(NAMES, chains.values(), strict=True)}
    config = chains_config(chains) + providers_config(urls)
    folder = tmp_path_factory.mktemp("limits") / "router"
    options = {**OPTIONS, "router_fast_path": fast_path}
    async with Router(folder, config=config, options=options) as router, clients_of(router) as clients:
        yield clients


def asked(provider: Provider) -> list[str]:
    """The providers in the order in which they were asked."""
    return [request.path.split("/")[1] for request in provider.requests]


def good(form: str, text: str = "Good.") -> Answer:
    return chat_stream([text]) if form == "stream" else chat_answer(text)


async def ask(clients: Clients, model: str, client: str = "h1", text: str = "") -> Reply:
    return await talk(clients[client], model, stream=model.endswith("stream"), text=text)


@FORMS
@BOTH
async def test_number_of_attempts_is_bounded(
    provider: Provider, clients: Clients, form: str, client: str
) -> None:
    provider.on(chat_error(500, "Down."), always=True)
    reply = await ask(clients, f"six-{'a' if client == 'h1' else 'b'}-{form}", client)
    assert asked(provider) == ["p1", "p2", "p3", "p4", "p5"]
    assert (reply.status, reply.headers["x-should-retry"]) == (500, "false")
    assert [attempt["provider"] for attempt in reply.error["attempts"]] == ["p1", "p2", "p3", "p4", "p5"]
    assert {attempt["status"] for attempt in reply.error["attempts"]} == {500}
    assert reply.error["message"].startswith("all 5 attempts failed: p1/")
    assert reply.error["message"].endswith("The last said: Down.")
    assert reply.router["attempts"] == "5"


@FORMS
async def test_error_of_an_exhausted_chain_lists_every_attempt(
    provider: Provider, clients: Clients, form: str
) -> None:
    for path, answer in (("/p1", chat_error(503, "Full.")), ("/p2", chat_error(502, "Gone."))):
        provider.on(answer, always=True, path=path)
    reply = await ask(clients, f"two-c-{form}")
    assert reply.headers["x-should-retry"] == "false"
    told = [(one["provider"], one["kind"], one["status"], one["message"]) for one in reply.error["attempts"]]
    assert told[:2] == [("p1", "overloaded", 503, "Full."), ("p2", "server", 502, "Gone.")]
    assert set(told[2:]) <= set(told[:2])  # they were tried again, as long as time allowed it
    assert (len(told), len(provider.requests)) == (5, 5)


async def test_no_new_attempt_after_the_failover_timeout(provider: Provider, clients: Clients) -> None:
    provider.on(chat_stream(["Late."]).but(fault=Fault.SILENT_BEFORE_HEAD), always=True)
    reply = await ask(clients, "six-d-stream")
    assert (reply.status, reply.headers["x-should-retry"]) == (504, "false")
    # four by the timeouts, 0.5 s each; fewer if the machine is busy
    assert len(provider.requests) == len(reply.error["attempts"]) <= 4


@BOTH
async def test_the_total_timeout_ends_a_whole_answer(
    provider: Provider, clients: Clients, client: str
) -> None:
    provider.on(chat_answer().but(fault=Fault.SILENT_BEFORE_HEAD), always=True)
    started = time.monotonic()
    reply = await ask(clients, f"two-{'e' if client == 'h1' else 'f'}-whole", client)
    assert 2.1 < time.monotonic() - started < 3
    assert (reply.status, asked(provider)) == (504, ["p1"])
    assert "within 2.2 s" in reply.error["message"]
    assert await provider.requests[0].disconnected()


@BOTH
async def test_the_total_timeout_ends_a_stream(provider: Provider, clients: Clients, client: str) -> None:
    provider.on(chat_stream(["x"] * 100, pause=0.1), always=True)
    reply = await ask(clients, f"two-{'g' if client == 'h1' else 'h'}-stream", client)
    assert (reply.status, reply.done, reply.finish_reason, reply.broken) == (200, False, None, False)
    assert 1 <= len(reply.text) < 30
    assert "within 2.2 s" in reply.error["message"]
    assert await provider.requests[0].disconnected()


@BOTH
async def test_the_total_timeout_spares_a_complete_answer(
    provider: Provider, clients: Clients, client: str
) -> None:
    """`[DONE]` comes after 1.8 s, and the provider does not end its response."""
    stream = chat_stream(["Good."], model="m", pause=0.6)
    provider.on(stream.but(fault=Fault.SILENT_MID_BODY, fault_at=len(stream.body)))
    reply = await ask(clients, f"two-{'y' if client == 'h1' else 'z'}-stream", client)
    assert (reply.status, reply.text, reply.finish_reason, reply.done) == (200, "Good.", "stop", True)
    assert await provider.requests[0].disconnected()


SHORT = [{"retry-after": "1"}, {"retry-after-ms": "200"}, {"retry-after": "0"}]


@FORMS
@pytest.mark.parametrize("number", range(len(SHORT)), ids=[str(headers) for headers in SHORT])
async def test_a_short_retry_after_is_waited_for(
    provider: Provider, clients: Clients, form: str, number: int
) -> None:
    provider.on(chat_error(429, headers=SHORT[number]), good(form), path="/p1")
    provider.on(chat_error(429, headers={"retry-after": "30"}), path="/p2")
    reply = await ask(clients, f"two-{'ijk'[number]}-{form}")
    assert (reply.status, reply.text, reply.router["attempts"]) == (200, "Good.", "3")
    assert asked(provider) == ["p1", "p2", "p1"]
    wait = provider.requests[2].at - provider.requests[0].at  # p1 gave the delay
    assert float(SHORT[number].get("retry-after", 0.2)) <= wait < 1.7


@FORMS
async def test_short_delay_is_waited_for_once(provider: Provider, clients: Clients, form: str) -> None:
    provider.on(chat_error(429, headers={"retry-after": "1"}), always=True)
    reply = await ask(clients, f"two-l-{form}")
    assert (reply.status, reply.headers["x-should-retry"]) == (429, "false")
    assert len(provider.requests) == 4  # both again, and then 1.2 s are not enough for more


@FORMS
async def test_a_long_retry_after_is_passed_on(provider: Provider, clients: Clients, form: str) -> None:
    provider.on(
        chat_error(429, headers={"retry-after": "40"}), chat_error(429, headers={"retry-after": "20"})
    )
    reply = await ask(clients, f"two-m-{form}")
    assert (reply.status, reply.headers["retry-after"]) == (429, "20")
    assert reply.headers["x-should-retry"] == "false"
    assert asked(provider) == ["p1", "p2"]


@FORMS
async def test_long_limit_is_probed_at_intervals(provider: Provider, clients: Clients, form: str) -> None:
    provider.on(chat_error(429, headers={"retry-after": "40"}), always=True)
    model = f"two-n-{form}"
    await ask(clients, model)
    assert asked(provider) == ["p1", "p2"]
    while len(provider.requests) < 4:  # one at a time, after a while
        reply = await ask(clients, model)
        assert (reply.status, reply.router["attempts"]) in {(429, "0"), (429, "1")}
    while (reply := await ask(clients, model)).router["attempts"] != "0":
        pass  # on a slow machine the next probe is due
    assert (reply.status, reply.error["code"]) == (429, "all_cooled")
    assert 30 <= int(reply.headers["retry-after"]) <= 40
    assert "x-should-retry" not in reply.headers  # nothing was tried, so nothing was repeated
    assert reply.error["profiles"] == {"p1:none": "rate_limit (429)", "p2:none": "rate_limit (429)"}


@FORMS
async def test_a_probe_that_succeeds_ends_the_cooldown(
    provider: Provider, clients: Clients, form: str
) -> None:
    slow_down = chat_error(429, headers={"retry-after": "40"})
    provider.on(slow_down, slow_down)
    provider.on(good(form), always=True)
    model = f"two-o-{form}"
    assert (await ask(clients, model)).status == 429
    while (reply := await ask(clients, model)).status == 429:
        pass
    assert reply.text == "Good."
    assert (await ask(clients, model)).text == "Good."


@FORMS
async def test_error_of_a_failed_probe_reaches_the_client(
    provider: Provider, clients: Clients, form: str
) -> None:
    slow_down = chat_error(429, headers={"retry-after": "40"})
    provider.on(slow_down, slow_down)
    provider.on(chat_error(400, "Odd."), always=True)
    await ask(clients, f"two-p-{form}")
    while (reply := await ask(clients, f"two-p-{form}")).status == 429:
        pass
    assert (reply.status, reply.error["message"]) == (400, "Odd.")


# status, code, whether another may do better
REQUEST_ERRORS = [
    (400, "odd", False),
    (422, None, False),
    (400, "content_filter", False),
    (400, "context_length_exceeded", True),
    (413, None, True),
]


@FORMS
@pytest.mark.parametrize("number", range(len(REQUEST_ERRORS)), ids=[str(row[:2]) for row in REQUEST_ERRORS])
async def test_errors_of_the_request_itself(
    provider: Provider, clients: Clients, form: str, number: int
) -> None:
    status, code, retried = REQUEST_ERRORS[number]
    provider.on(chat_error(status, "Not so.", code, type="invalid_request_error"), path="/p1")
    provider.on(good(form), path="/p2")
    reply = await ask(clients, f"two-{'qrstu'[number]}-{form}")
    if retried:
        assert (reply.status, reply.text, asked(provider)) == (200, "Good.", ["p1", "p2"])
    else:
        assert (reply.status, reply.error["message"], asked(provider)) == (status, "Not so.", ["p1"])
        assert "x-should-retry" not in reply.headers


@FORMS
async def test_error_of_the_request_itself_is_returned_at_once(
    provider: Provider, clients: Clients, form: str
) -> None:
    provider.on(chat_error(429, headers={"retry-after": "1"}), always=True, path="/p1")
    provider.on(chat_error(400, "Not so.", type="invalid_request_error"), path="/p2")
    reply = await ask(clients, f"two-v-{form}")
    assert (reply.status, asked(provider)) == (400, ["p1", "p2"])
    assert "retry-after" not in reply.headers


@FORMS
@BOTH
async def test_an_answer_in_the_other_form_is_converted(
    provider: Provider, clients: Clients, form: str, client: str
) -> None:
    other = "whole" if form == "stream" else "stream"
    provider.on(good(other, "Other."))
    reply = await ask(clients, f"two-{'w' if client == 'h1' else 'x'}-{form}", client)
    assert (reply.status, reply.streamed, reply.text) == (200, form == "stream", "Other.")
    assert (reply.finish_reason, len(provider.requests)) == ("stop", 1)
    assert reply.done == (form == "stream")
