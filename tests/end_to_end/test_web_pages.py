"""A real browser on hostile pages: a name rebound to this machine, and a foreign origin. They get nothing."""

from __future__ import annotations

import asyncio
import shutil
from collections.abc import AsyncIterator
from typing import Any

import pytest
import pytest_asyncio

from tests.testbed.answers import Answer
from tests.testbed.harness import Router, provider_env
from tests.testbed.provider import Provider
from tests.testbed.waiting import wait_for

async_api = pytest.importorskip("playwright.async_api", reason="playwright is not installed")
Browser, Page = async_api.Browser, async_api.Page

CHROMIUM = shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")

pytestmark = [
    pytest.mark.skipif(not CHROMIUM, reason="no chromium here: apt-get install chromium"),
    pytest.mark.asyncio(loop_scope="module"),
    pytest.mark.xdist_group("web-pages"),
]

PATHS = [
    ["GET", "/"], ["GET", "/health"], ["GET", "/metrics"], ["GET", "/router/stats"], ["GET", "/v1/models"],
    ["GET", "/v1/models/auto"], ["GET", "/dashboard"], ["POST", "/v1/chat/completions"],
    ["POST", "/v1//chat/completions"], ["POST", "/v1/embeddings"], ["POST", "/v1/messages"],
    ["POST", "/upload"],
]  # fmt: skip
POSTS = [path for method, path in PATHS if method == "POST"]

ASK_ALL = """async ([url, paths, mode]) => Promise.all(paths.map(async ([method, path]) => {
    const body = '{"model": "auto", "messages": [{"role": "user", "content": "Hi"}]}'
    try {
        const answer = await fetch(url + path, {method, mode, body: method == 'POST' ? body : undefined})
        return [answer.type, answer.status, await answer.text()]
    } catch (error) { return ['error', 0, ''] }
}))"""

POST_FORM = """([url, target]) => {
    const frame = document.createElement('iframe'), form = document.createElement('form')
    frame.name = target
    Object.assign(form, {action: url, method: 'POST', enctype: 'text/plain', target})
    form.innerHTML = `<input name='{"model": "auto", "messages": [], "a": "' value='"}'>`
    document.body.append(frame, form)
    form.submit()
}"""


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def pages() -> AsyncIterator[int]:
    """A server of blank pages, under any name; its port."""

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"\r\n\r\n")
        head = b"HTTP/1.1 200 OK\r\ncontent-type: text/html\r\ncontent-length: 6\r\nconnection: close\r\n\r\n"
        writer.write(head + b"<body>")
        writer.close()

    server = await asyncio.start_server(serve, "127.0.0.1", 0)
    async with server:
        yield server.sockets[0].getsockname()[1]


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def router(
    pages: int, shared_provider: Provider, tmp_path_factory: pytest.TempPathFactory
) -> AsyncIterator[Router]:
    url = shared_provider.url
    shared_provider.script.default = Answer(body=b'{"secret": true}')
    folder = tmp_path_factory.mktemp("pages") / "router"
    options = {"router_allow_origins": f"http://friend.example:{pages}"}
    async with Router(folder, env=provider_env(url, "openai"), upstream=url, options=options) as router:
        yield router


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def browser() -> AsyncIterator[Browser]:
    """For it all names are this machine's: what a rebound name comes to."""
    arguments = [
        "--no-sandbox",
        "--no-proxy-server",
        "--host-resolver-rules=MAP *.example 127.0.0.1",
        "--disable-features=LocalNetworkAccessChecks",  # not all browsers have them
    ]
    async with async_api.async_playwright() as playwright:
        browser = await playwright.chromium.launch(executable_path=CHROMIUM, args=arguments)
        try:
            yield browser
        finally:
            await browser.close()


@pytest_asyncio.fixture(loop_scope="module")
async def page(browser: Browser) -> AsyncIterator[Page]:
    page = await browser.new_page()
    yield page
    await page.close()


def refusals(router: Router) -> int:
    """Requests that arrived at the router and were refused."""
    return router.log.count("refused: 403")


async def post_forms(page: Page, url: str) -> None:
    """Post a form to each path, and wait for the answers."""
    for number, path in enumerate(POSTS):
        async with page.expect_response(url + path) as answer:
            await page.evaluate(POST_FORM, [url + path, f"frame{number}"])
        assert (await answer.value).status == 403


async def ask_all(page: Page, url: str, mode: str) -> list[list[Any]]:
    """The type, status and text of each answer, as the page sees it."""
    answers: list[list[Any]] = await page.evaluate(ASK_ALL, [url, PATHS, mode])
    return answers


async def test_a_page_whose_name_was_rebound_gets_nothing(
    page: Page, router: Router, provider: Provider
) -> None:
    url = f"http://rebound.example:{router.port}"
    # what its own server had answered, before its name became this machine's
    await page.route(f"{url}/page", lambda route: route.fulfill(content_type="text/html", body="<body>"))
    await page.goto(f"{url}/page")
    before = refusals(router)
    answers = await ask_all(page, url, "cors")
    assert [(kind, status) for kind, status, _ in answers] == [("basic", 403)] * len(PATHS)
    assert all("_not_allowed" in text or "permission_error" in text for *_, text in answers)
    await post_forms(page, url)
    wait_for(lambda: refusals(router) - before == len(PATHS) + len(POSTS))
    assert provider.requests == []


async def test_a_page_of_another_origin_gets_nothing(
    page: Page, router: Router, provider: Provider, pages: int
) -> None:
    await page.goto(f"http://evil.example:{pages}/")
    before = refusals(router)
    assert await ask_all(page, router.url, "cors") == [["error", 0, ""]] * len(PATHS)
    assert await ask_all(page, router.url, "no-cors") == [["opaque", 0, ""]] * len(PATHS)
    await post_forms(page, router.url)
    wait_for(lambda: refusals(router) - before == 2 * len(PATHS) + len(POSTS))
    assert provider.requests == []


async def test_a_page_of_an_allowed_origin_is_served(
    page: Page, router: Router, provider: Provider, pages: int
) -> None:
    await page.goto(f"http://friend.example:{pages}/")
    kind, status, text = (await ask_all(page, router.url, "cors"))[4]
    assert (kind, status) == ("cors", 200)
    assert "auto" in text
