"""Providers that drop SYN, in a process that moves to a network namespace of its own.

Prints what clients of all formats got, as JSON. Ends with status 77 where the kernel has no such rules.
"""

from __future__ import annotations

import asyncio
import json
import subprocess
import sys
import time
from pathlib import Path

from tests.end_to_end.namespace import UNSUPPORTED, enter
from tests.testbed.client_formats import FORMATS, ask
from tests.testbed.harness import Router
from tests.testbed.provider import Provider
from tests.testbed.talk import chains_config, providers_config
from tests.testbed.wires import speak

PORT = 8443
LIMIT = 1.0
"""Seconds for a connection."""


def drop() -> None:
    """Have the kernel drop what goes to PORT: no answer, and no error."""
    rule = f"-A OUTPUT -p tcp --dport {PORT} -j DROP"
    done = subprocess.run(["iptables", *rule.split()], capture_output=True, text=True)
    if done.returncode:
        print(done.stderr)
        sys.exit(UNSUPPORTED)


async def main(folder: Path) -> None:
    """Each format asks for the model by name, and for a chain whose first model is there."""
    enter()
    drop()
    async with Provider() as provider:
        provider.script.default = lambda request: speak(request, "Hello.")
        urls = {"hole": f"http://127.0.0.1:{PORT}/v1", "next": f"{provider.url}/next/v1"}
        config = chains_config({"chain": ["hole/m", "next/m"]}) + providers_config(urls)
        options = {"router_connect_timeout": f"{LIMIT:g}", "router_max_attempts": "2", "router_max_wait": "0"}
        async with Router(folder / "router", config=config, options=options) as router, router.http() as http:
            found = {}
            for name, format_ in FORMATS.items():
                for model in ("hole/m", "chain"):
                    begin = time.monotonic()
                    got = await ask(http, format_, model, "Hi", stream=name != "chat")
                    told = [got.status, got.text, bool(got.error), got.malformed, got.attempts]
                    found[f"{name} {model}"] = [*told, time.monotonic() - begin]
        print(json.dumps(found))


if __name__ == "__main__":
    asyncio.run(main(Path(sys.argv[1])))
