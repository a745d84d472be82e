"""A real browser opens mitmweb, finds a client flow and its attempts, and reads the transcript.

With SMART_ROUTER_SCREENSHOTS set to a folder, what it saw is left there.
"""

from __future__ import annotations

import os
import shutil
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
import pytest_asyncio

from tests.conftest import StartRouter
from tests.testbed.chat import chat_error, chat_stream
from tests.testbed.harness import provider_env
from tests.testbed.provider import Provider
from tests.testbed.talk import ask_body, chains_config, post
from tests.ui.web import PASSWORD, Web, web_arguments

async_api = pytest.importorskip("playwright.async_api", reason="playwright is not installed")
Browser, Page = async_api.Browser, async_api.Page

CHROMIUM = shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")

pytestmark = [
    pytest.mark.skipif(not CHROMIUM, reason="no chromium here: apt-get install chromium"),
    pytest.mark.asyncio(loop_scope="module"),
    pytest.mark.usefixtures("shared_provider"),
]

PIECES = ["The capital of ", "France ", "is Paris."]


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def browser() -> AsyncIterator[Browser]:
    """A headless browser."""
    async with async_api.async_playwright() as playwright:
        browser = await playwright.chromium.launch(executable_path=CHROMIUM, args=["--no-sandbox"])
        yield browser
        await browser.close()


@pytest_asyncio.fixture(loop_scope="module")
async def page(browser: Browser) -> AsyncIterator[Page]:
    """A page with cookies of its own."""
    page = await browser.new_page(viewport={"width": 1400, "height": 900})
    yield page
    await page.close()


async def type_command(page: Page, line: str) -> str:
    """Return the output of a command in the command bar."""
    bar = page.locator(".command-input input")
    await bar.fill(line)
    await bar.press("Enter")
    result = page.locator(".command-result > div", has_text=f"$ {line}").last
    await result.wait_for()
    return str(await result.inner_text())


async def test_a_browser_shows_comments_and_explains_by_id(
    page: Page, start_router: StartRouter, provider: Provider, tmp_path: Path
) -> None:
    router = await start_router(
        **web_arguments(),
        env=provider_env(provider.url, "openai"),
        config=chains_config({"auto:demo": ["openai/gpt-5.4-mini"]}),
    )
    async with router.http() as http:
        replies = [await post(http, ask_body("auto:demo", stream=False, text=text)) for text in ("a", "b")]
    ids = [reply.router["request-id"] for reply in replies]
    async with Web(router) as web:
        await page.goto(f"{web.url}/?token={PASSWORD}#/flows")
    comment = page.locator(".flow-table tbody td.col-comment", has_text="SIMPLE → openai/gpt-5.4-mini")
    await comment.nth(1).wait_for()

    await page.get_by_text("Options", exact=True).first.click()
    await page.get_by_text("Display Command Bar").click()
    for id_ in ids:
        shown = await type_command(page, f"router.explain {id_}")
        assert f"; {id_}" in shown and "openai/gpt-5.4-mini" in shown
    await comment.nth(1).click()
    assert "type the request's id in place of @focus" in await type_command(page, "router.explain @focus")
    folder = Path(os.environ.get("SMART_ROUTER_SCREENSHOTS") or tmp_path)
    await page.screenshot(path=folder / "mitmweb-explain.png")


async def test_a_browser_reads_the_transcript(
    page: Page, start_router: StartRouter, provider: Provider, tmp_path: Path
) -> None:
    provider.on(chat_error(429), path="/openai")
    provider.on(chat_stream(PIECES, reasoning=["An easy one."]), path="/groq")
    router = await start_router(
        **web_arguments(),
        env=provider_env(provider.url, "openai", "groq"),
        config=chains_config({"auto:demo": ["openai/gpt-5.4-mini", "groq/openai/gpt-oss-20b"]}),
    )
    async with router.http() as http:
        reply = await post(http, ask_body("auto:demo", stream=True, text="What is the capital of France?"))
    assert reply.status == 200
    async with Web(router) as web:
        client = await web.client_of(reply)
        await page.goto(f"{web.url}/?token={PASSWORD}#/flows/{client['id']}/response")

    rows = page.locator(".flow-table tbody tr:has(td)")
    await rows.nth(2).wait_for()
    assert await rows.count() == 3, "the client flow and two attempts"
    for mark in ("💬", "❌", "✅"):
        assert await page.locator(f".flow-table >> text={mark}").count() == 1

    body = page.locator(".contentview, .flow-detail").last
    await page.get_by_text("The capital of France is Paris.").first.wait_for()
    shown = await body.inner_text()
    assert "An easy one." in shown and "finish" in shown

    folder = Path(os.environ.get("SMART_ROUTER_SCREENSHOTS") or tmp_path)
    await page.screenshot(path=folder / "mitmweb.png")

    await page.get_by_text("❌").click()
    await page.get_by_text("Request", exact=True).first.click()
    await page.get_by_text("What is the capital of France?").first.wait_for()
    await page.screenshot(path=folder / "mitmweb-attempt.png")


async def test_the_live_page_leads_to_a_requests_flow_and_its_attempts(
    page: Page, start_router: StartRouter, provider: Provider
) -> None:
    router = await start_router(
        **web_arguments(),
        env=provider_env(provider.url, "openai", "groq"),
        config=chains_config({"auto:demo": ["groq/llama-3.1-8b-instant", "openai/gpt-5.4-mini"]}),
    )
    provider.on(chat_error(503), path="/groq", always=True)
    provider.on(chat_stream(PIECES), path="/openai", always=True)
    async with Web(router) as web, router.http() as http:
        for _ in range(2):
            assert (await post(http, ask_body("auto:demo", stream=True))).status == 200
        await page.goto(f"{web.url}/?token={PASSWORD}")  # as its log line says; a cookie stays
        await page.goto(f"{router.url}/router")
        first = page.locator("#recent-requests tbody tr").last
        await async_api.expect(first.locator(".state")).to_have_text("answered by attempt 2")
        await first.locator("summary").click()
        async with page.context.expect_page() as opened:
            await first.locator("a").click()
        shown = await opened.value
        rows = shown.locator("tbody tr", has_text="/v1/chat/completions")
        await async_api.expect(rows).to_have_count(3)  # the flow, and its two attempts
