"""A client of the HTTP interface that mitmweb's pages use."""

from __future__ import annotations

import asyncio
import re
from typing import Any

import httpx

from tests.end_to_end.tools import free_port
from tests.testbed.harness import MITMWEB, NO_TLS, Router
from tests.testbed.talk import Reply

PASSWORD = "open sesame"
XSRF = "0123456789abcdef" * 2
PATIENCE = 15.0
"""Seconds to wait for a flow."""


def web_arguments(**options: str) -> dict[str, Any]:
    """Return the arguments of a Router that runs mitmweb with these options."""
    ports = {"web_port": str(free_port()), "web_password": PASSWORD}
    return {"program": MITMWEB, "options": ports | options}


class Web:
    """A client of mitmweb. Use it with `async with`."""

    def __init__(self, router: Router) -> None:
        port = re.search(r"Web server listening at http://127\.0\.0\.1:(\d+)", router.log)
        assert port, router.log
        self.url = f"http://127.0.0.1:{port[1]}"
        headers = {"authorization": f"Bearer {PASSWORD}", "x-xsrftoken": XSRF}
        self.http = httpx.AsyncClient(
            base_url=self.url,
            headers=headers,
            cookies={"_mitmproxy_xsrf": XSRF},
            trust_env=False,
            verify=NO_TLS,
        )

    async def __aenter__(self) -> Web:
        return self

    async def __aexit__(self, *exc: object) -> None:
        await self.http.aclose()

    async def flows(self) -> list[dict[str, Any]]:
        """All flows, as the list shows them."""
        found: list[dict[str, Any]] = (await self.http.get("/flows")).json()
        return found

    async def wait_for(self, number: int, comment: str, **fields: Any) -> list[dict[str, Any]]:
        """At least so many flows whose comment matches and whose fields have these values."""
        async with asyncio.timeout(PATIENCE):
            while True:
                found = [
                    flow
                    for flow in await self.flows()
                    if re.search(comment, flow["comment"])
                    and all(flow.get(k) == v for k, v in fields.items())
                ]
                if len(found) >= number:
                    return found
                await asyncio.sleep(0.05)

    async def client_of(self, reply: Reply) -> dict[str, Any]:
        """The client flow of an answer's request."""
        [client] = await self.wait_for(1, rf"^(?!attempt ).*{reply.router['request-id']}$")
        return client

    async def wait_for_text(self, flow: dict[str, Any], message: str, text: str) -> None:
        """Wait until there is such a message, and its body as it is shown has this text."""
        async with asyncio.timeout(PATIENCE):
            while not await self._shows(flow, message, text):  # noqa: ASYNC110  # another process
                await asyncio.sleep(0.05)

    async def _shows(self, flow: dict[str, Any], message: str, text: str) -> bool:
        """mitmweb fails for the body of a response that it has not received yet."""
        [now] = [one for one in await self.flows() if one["id"] == flow["id"]]
        if not (now.get(message) or {}).get("timestamp_end"):
            return False
        return text in (await self.content(flow, message))["text"]

    async def content(self, flow: dict[str, Any], message: str, view: str = "auto") -> dict[str, Any]:
        """A body as a content view shows it: `text` and `view_name`."""
        answer = await self.http.get(f"/flows/{flow['id']}/{message}/content/{view}")
        shown: dict[str, Any] = answer.json()
        return shown

    async def edit(self, flow: dict[str, Any], **request: Any) -> None:
        """Change fields of a flow's request."""
        (await self.http.put(f"/flows/{flow['id']}", json={"request": request})).raise_for_status()

    async def set_options(self, **options: Any) -> None:
        (await self.http.put("/options", json=options)).raise_for_status()

    async def do(self, flow: dict[str, Any], action: str) -> None:
        """Do an action to a flow: resume, kill or replay."""
        (await self.http.post(f"/flows/{flow['id']}/{action}")).raise_for_status()

    async def command(self, name: str, *arguments: str) -> Any:
        """Return a command's result. Raises AssertionError if it fails."""
        answer = await self.http.post(f"/commands/{name}", json={"arguments": list(arguments)})
        result = answer.json()
        assert "error" not in result, result["error"]
        return result["value"]
