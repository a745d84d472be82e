"""The live page in a real browser: it shows what runs and what the stats say, and nothing of it grows."""

from __future__ import annotations

import asyncio
import shutil
import time
from collections.abc import AsyncIterator, Sequence
from pathlib import Path

import pytest
import pytest_asyncio

from smart_router.stats.database import StatsDatabase
from smart_router.stats.records import RequestRecord
from tests.api.test_access import own_address
from tests.live.cards import cards
from tests.stats.records import LUNA, attempt, decision, many, request
from tests.testbed.chat import chat_answer, chat_error, chat_stream
from tests.testbed.harness import Router, provider_env
from tests.testbed.provider import Provider
from tests.testbed.talk import ask_body, post

async_api = pytest.importorskip("playwright.async_api", reason="playwright is not installed")
Browser, Page, expect = async_api.Browser, async_api.Page, async_api.expect

CHROMIUM = shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")

pytestmark = [
    pytest.mark.skipif(not CHROMIUM, reason="no chromium here: apt-get install chromium"),
    pytest.mark.asyncio(loop_scope="module"),
    pytest.mark.xdist_group("live-browser"),
]

MODEL = "openai/gpt-4.1"
USAGE = {"prompt_tokens": 1_000, "completion_tokens": 200, "total_tokens": 1_200}
KEY = "a long random string"
EVIL = '<img src=x onerror="window.pwned=1">'

CONTRAST = """() => {
    const parse = (text) => text.startsWith('color(srgb')
        ? text.match(/[\\d.]+/g).map((part, at) => at < 3 ? part * 255 : +part)
        : text.match(/[\\d.]+/g).map(Number)
    const light = ([r, g, b]) => [r, g, b].map((part) => part / 255)
        .map((part) => part <= 0.03928 ? part / 12.92 : ((part + 0.055) / 1.055) ** 2.4)
        .reduce((sum, part, at) => sum + part * [0.2126, 0.7152, 0.0722][at], 0)
    const ground = (element) => {
        for (let one = element; one; one = one.parentElement) {
            const colour = parse(getComputedStyle(one).backgroundColor)
            if (colour.length < 4 || colour[3] > 0.9) return colour
        }
    }
    const poor = []
    for (const element of document.querySelectorAll('body *')) {
        const text = [...element.childNodes].filter((one) => one.nodeType === 3)
            .map((one) => one.textContent.trim()).join('')
        if (!text || !element.checkVisibility()) continue
        const pair = [light(parse(getComputedStyle(element).color)), light(ground(element))]
        pair.sort((a, b) => b - a)
        const ratio = (pair[0] + 0.05) / (pair[1] + 0.05)
        if (ratio < 4.5) poor.push([element.className, text.slice(0, 30), ratio])
    }
    return poor
}"""
"""Texts whose contrast with what is behind them is below 4.5 (WCAG 2.2, level AA)."""


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def router(
    shared_provider: Provider, tmp_path_factory: pytest.TempPathFactory
) -> AsyncIterator[Router]:
    folder = tmp_path_factory.mktemp("browser") / "router"
    async with Router(
        folder,
        env=provider_env(shared_provider.url, "openai", "groq"),
        config=f'[clients]\nlaptop = "{KEY}"\n',
        listen_host="0.0.0.0",
    ) as router:
        yield router


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def browser() -> AsyncIterator[Browser]:
    async with async_api.async_playwright() as playwright:
        browser = await playwright.chromium.launch(executable_path=CHROMIUM, args=["--no-sandbox"])
        try:
            yield browser
        finally:
            await browser.close()


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def page(browser: Browser, router: Router) -> AsyncIterator[Page]:
    """The live page, left open for all tests. It may log no error, such as a breach of its policy."""
    page = await browser.new_page()
    wrong: list[str] = []
    page.on("console", lambda message: wrong.append(message.text) if message.type == "error" else None)
    page.on("pageerror", lambda error: wrong.append(str(error)))
    await page.goto(f"{router.url}/router")
    await expect(page.locator("#status")).to_have_text("live")
    yield page
    await page.close()
    assert wrong == []


def record(router: Router, records: Sequence[RequestRecord]) -> None:
    """Put records beside the router's own, as another worker does."""
    database = StatsDatabase(router.state_folder, "another")
    database.write(records, len(records), 0)
    database.close()


async def test_without_requests_it_says_what_to_do(page: Page, router: Router) -> None:
    await expect(page.locator("#recent .body")).to_contain_text(
        f"No requests yet. Point a tool at {router.url}/v1"
    )
    await expect(page.locator("#running .body")).to_have_text("No request is running.")
    await expect(page.locator("#providers h3")).to_have_text(["openai", "groq"])


async def test_a_request_is_shown_while_it_streams_and_after(
    page: Page, router: Router, provider: Provider
) -> None:
    provider.on(chat_stream(["word " * 8] * 5, stepped=True, usage=USAGE))
    async with router.http() as http:
        asking = asyncio.create_task(post(http, ask_body(MODEL, stream=True)))
        streaming = await provider.wait_for_request()
        streaming.release(5)
        row = page.locator("#running-requests tbody tr")
        await expect(row.locator(".phase")).to_have_text("streaming")
        await expect(row.locator(".model")).to_have_text(MODEL)
        await expect(row.locator("[data-name=tokens]")).to_have_text("≈ 40")
        await expect(page).to_have_title("1 request · Smart Router")
        streaming.release(99)
        assert (await asking).status == 200
    await expect(page.locator("#running .body")).to_have_text("No request is running.")
    shown = page.locator("#recent-requests tbody tr").first
    await expect(shown.locator(".model")).to_have_text(MODEL)
    await expect(shown.locator("[data-name=outcome]")).to_have_text("answered")
    await expect(shown.locator("[data-name=tokens]")).to_have_text("1,000 → 200")
    await expect(shown.locator("summary")).to_have_text(f"asked for {MODEL}")


async def test_figures_and_cooldowns_are_those_of_the_router(
    page: Page, router: Router, provider: Provider
) -> None:
    provider.on(chat_answer(usage=USAGE), model="gpt-6-luna")
    provider.on(chat_error(401), path="/groq")
    async with router.http() as http:
        assert (await post(http, ask_body("auto:simple", stream=False))).status == 200
        assert (await post(http, ask_body("groq/llama-3.3-70b-versatile", stream=False))).status == 401
        await expect(page.locator("#by-cause tbody th")).to_contain_text("auth")
        midnight = time.strftime("%Y-%m-%d")
        report = (await http.get("/router/stats", params={"since": midnight})).json()
    for name, text in cards(report["total"]).items():
        await expect(page.locator(f"#{name} b")).to_have_text(text)
    await expect(page.locator(".profile.cooled .name")).to_have_text("groq:env")
    await expect(page.locator(".profile.cooled .why")).to_have_text("auth (401)")
    await expect(page.locator(".profile.cooled .window")).to_contain_text("until")


async def test_names_from_clients_and_providers_are_text(page: Page, router: Router) -> None:
    evil = LUNA.__class__("openrouter", EVIL)
    told = decision(EVIL, None, evil)
    record(
        router,
        [request(attempt(evil, failure=EVIL), decision=told, time=time.time(), failure=EVIL, client=EVIL)],
    )
    row = page.locator("#recent-requests tbody tr", has_text=EVIL).first
    await expect(row.locator(".model")).to_have_text(f"openrouter/{EVIL}")
    await row.locator("summary").click()
    await expect(row.locator("details .more")).to_contain_text(f"client {EVIL}")
    assert await page.locator("main img").count() == 0
    assert await page.evaluate("window.pwned") is None


@pytest.mark.parametrize("at_once", [2_000, pytest.param(50, marks=pytest.mark.slow)])
async def test_a_page_left_open_for_ten_thousand_requests_does_not_grow(
    page: Page, router: Router, at_once: int
) -> None:
    session = await page.context.new_cdp_session(page)

    async def end(batches: int) -> tuple[int, int]:
        """Let so many batches of requests end; the page's nodes and bytes of heap once it shows the last."""
        for number in range(batches):
            wanted = f"batch {batches}-{number}"
            batch = list(many(at_once - 1, until=time.time(), days=0.0001, seed=number))
            last = request(attempt(LUNA), decision=decision(wanted, "SIMPLE", LUNA), time=time.time())
            record(router, [*batch, last])
            await expect(page.locator("#recent-requests .asked").first).to_have_text(wanted)
        await session.send("HeapProfiler.collectGarbage")
        counters = await session.send("Memory.getDOMCounters")
        heap = await session.send("Runtime.getHeapUsage")
        return counters["nodes"], heap["usedSize"]

    await end(1)
    button = page.locator("button.more")
    if await button.text_content() == "Show all 100":
        await button.click()
    nodes, heap = await end(2_000 // at_once)
    later_nodes, later_heap = await end(8_000 // at_once)
    assert later_nodes < 1.1 * nodes + 200
    assert later_heap < 1.25 * heap + 500_000
    assert await page.locator("#recent-requests tbody tr").count() == 100


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("width", [1440, 900, 420])
async def test_nothing_overflows_and_text_is_legible(page: Page, scheme: str, width: int) -> None:
    await page.emulate_media(color_scheme=scheme)
    await page.set_viewport_size({"width": width, "height": 1000})
    assert await page.evaluate("document.documentElement.scrollWidth") <= width
    poor = await page.evaluate(CONTRAST)
    assert poor == []


async def test_the_theme_is_kept(page: Page) -> None:
    button = page.locator("#theme")
    for name in ("light", "dark"):
        await button.click()
        assert await page.evaluate("getComputedStyle(document.documentElement).colorScheme") == name
    await page.reload()
    assert await page.evaluate("document.documentElement.dataset.theme") == "dark"


async def test_from_elsewhere_the_page_shows_the_key_in_its_address(browser: Browser, router: Router) -> None:
    page = await browser.new_page()
    url = f"http://{own_address()}:{router.port}/router"
    answer = await page.goto(url)
    assert answer.status == 401
    await page.goto(f"{url}?key={KEY.replace(' ', '+')}")
    await expect(page.locator("#status")).to_have_text("live")
    await page.close()


async def test_a_page_whose_router_is_gone_says_so_and_comes_back(browser: Browser, tmp_path: Path) -> None:
    page = await browser.new_page()
    router = Router(tmp_path / "first")
    async with router:
        await page.goto(f"{router.url}/router")
        await expect(page.locator("#status")).to_have_text("live")
    await expect(page.locator("#status")).to_have_text("reconnecting")
    await expect(page.locator(".notice.bad")).to_contain_text("The router does not answer")
    again = Router(tmp_path / "second", args=["--listen-port", str(router.port)])
    async with again:
        await expect(page.locator("#status")).to_have_text("live", timeout=30_000)
        await expect(page.locator(".notice")).to_have_count(0)
        await page.close()
