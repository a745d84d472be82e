"""A real browser opens mitmweb, finds a client flow and its attempts, and reads the transcript.

One page serves all tests: mitmweb's takes two seconds to load. With SMART_ROUTER_SCREENSHOTS set to a folder,
pictures of it are left there.
"""

from __future__ import annotations

import os
import shutil
from collections.abc import AsyncIterator
from pathlib import Path

import httpx
import pytest
import pytest_asyncio

from tests.testbed.chat import chat_error, chat_stream
from tests.testbed.harness import Router, provider_env
from tests.testbed.provider import Provider
from tests.testbed.talk import ask_body, chains_config, post
from tests.ui.web import PASSWORD, Web, web_arguments

async_api = pytest.importorskip("playwright.async_api", reason="playwright is not installed")
Browser, Page = async_api.Browser, async_api.Page

CHROMIUM = shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")

pytestmark = [
    pytest.mark.skipif(not CHROMIUM, reason="no chromium here: apt-get install chromium"),
    pytest.mark.asyncio(loop_scope="module"),
]

PIECES = ["The capital of ", "France ", "is Paris."]

CHAINS = {
    "auto:one": ["openai/gpt-5.4-mini"],
    "auto:limited": ["deepseek/deepseek-v4-flash", "groq/openai/gpt-oss-20b"],
    "auto:down": ["mistral/mistral-small-latest", "openai/gpt-5.4-mini"],
}
"""What each test asks for. The first provider of two fails, and has a cooldown, so each has another one."""

SCREENSHOTS = os.environ.get("SMART_ROUTER_SCREENSHOTS")


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def browser() -> AsyncIterator[Browser]:
    """A headless browser."""
    async with async_api.async_playwright() as playwright:
        browser = await playwright.chromium.launch(executable_path=CHROMIUM, args=["--no-sandbox"])
        yield browser
        await browser.close()


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def router(
    shared_provider: Provider, tmp_path_factory: pytest.TempPathFactory
) -> AsyncIterator[Router]:
    folder = tmp_path_factory.mktemp("browser") / "router"
    env = provider_env(shared_provider.url, "openai", "groq", "mistral", "deepseek")
    async with Router(folder, **web_arguments(), env=env, config=chains_config(CHAINS)) as router:
        yield router


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def web(router: Router) -> AsyncIterator[Web]:
    async with Web(router) as web:
        yield web


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def mitmweb(browser: Browser, web: Web) -> AsyncIterator[Page]:
    """mitmweb's page, opened as its log line says; a cookie stays."""
    async with await browser.new_context(viewport={"width": 1400, "height": 900}) as context:
        page = await context.new_page()
        await page.goto(f"{web.url}/?token={PASSWORD}#/flows")
        yield page


@pytest_asyncio.fixture(loop_scope="module")
async def page(mitmweb: Page, web: Web) -> Page:
    """The page, without flows of the tests before."""
    (await web.http.post("/clear")).raise_for_status()
    return mitmweb


async def leave_screenshot(page: Page, name: str) -> None:
    if SCREENSHOTS:
        await page.screenshot(path=Path(SCREENSHOTS) / name)


async def type_command(page: Page, line: str) -> str:
    """Return the output of a command in the command bar."""
    bar = page.locator(".command-input input")
    await bar.fill(line)
    await bar.press("Enter")
    result = page.locator(".command-result > div", has_text=f"$ {line}").last
    await result.wait_for()
    return str(await result.inner_text())


async def test_a_browser_shows_comments_and_explains_by_id(
    page: Page, http: httpx.AsyncClient, provider: Provider
) -> None:
    replies = [await post(http, ask_body("auto:one", stream=False, text=text)) for text in ("a", "b")]
    ids = [reply.router["request-id"] for reply in replies]
    comment = page.locator(".flow-table tbody td.col-comment", has_text="SIMPLE → openai/gpt-5.4-mini")
    await comment.nth(1).wait_for()

    await page.get_by_text("Options", exact=True).first.click()
    await page.get_by_text("Display Command Bar").click()
    for id_ in ids:
        shown = await type_command(page, f"router.explain {id_}")
        assert f"; {id_}" in shown and "openai/gpt-5.4-mini" in shown
    await comment.nth(1).click()
    assert "type the request's id in place of @focus" in await type_command(page, "router.explain @focus")
    await leave_screenshot(page, "mitmweb-explain.png")


async def test_a_browser_reads_the_transcript(
    page: Page, http: httpx.AsyncClient, provider: Provider
) -> None:
    provider.on(chat_error(429), path="/deepseek")
    provider.on(chat_stream(PIECES, reasoning=["An easy one."]), path="/groq")
    reply = await post(http, ask_body("auto:limited", stream=True, text="What is the capital of France?"))
    assert reply.status == 200

    rows = page.locator(".flow-table tbody tr:has(td)")
    await rows.nth(2).wait_for()
    assert await rows.count() == 3, "the client flow and two attempts"
    for mark in ("💬", "❌", "✅"):
        assert await page.locator(f".flow-table >> text={mark}").count() == 1

    await page.get_by_text("💬").click()
    await page.get_by_text("Response", exact=True).first.click()
    body = page.locator(".contentview, .flow-detail").last
    await page.get_by_text("The capital of France is Paris.").first.wait_for()
    shown = await body.inner_text()
    assert "An easy one." in shown and "finish" in shown
    await leave_screenshot(page, "mitmweb.png")

    await page.get_by_text("❌").click()
    await page.get_by_text("Request", exact=True).first.click()
    await page.get_by_text("What is the capital of France?").first.wait_for()
    await leave_screenshot(page, "mitmweb-attempt.png")


async def test_the_live_page_leads_to_a_requests_flow_and_its_attempts(
    page: Page, router: Router, http: httpx.AsyncClient, provider: Provider
) -> None:
    provider.on(chat_error(503), path="/mistral", always=True)
    provider.on(chat_stream(PIECES), path="/openai", always=True)
    replies = [await post(http, ask_body("auto:down", stream=True)) for _ in range(2)]
    assert [reply.status for reply in replies] == [200, 200]
    live = await page.context.new_page()
    await live.goto(f"{router.url}/router")
    row = live.locator("#recent-requests tbody tr", has_text="auto:down").last
    await async_api.expect(row.locator(".state")).to_have_text("answered by attempt 2")
    await row.locator("summary").click()
    async with page.context.expect_page() as opened:
        await row.locator("a").click()
    shown = await opened.value
    rows = shown.locator("tbody tr", has_text="/v1/chat/completions")
    await async_api.expect(rows).to_have_count(3)  # the flow, and its two attempts
    for one in (live, shown):
        await one.close()
