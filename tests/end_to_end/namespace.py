"""Transparent mode, in a process that moves to a network namespace of its own.

There a rule of the kernel's firewall hands connections to port 443 to the router, as a gateway's would.
Prints what curl got, or ends with status 77 where the kernel has no such rules.
"""

from __future__ import annotations

import asyncio
import os
import subprocess
import sys
from pathlib import Path

from tests.end_to_end.tools import free_port, run
from tests.testbed.harness import Router, provider_env
from tests.testbed.provider import Provider

ADDRESS = "203.0.113.10"
"""Of the documentation's own network: api.openai.com, for this namespace."""

UNSUPPORTED = 77


def enter() -> None:
    """Move this process to a network namespace with nothing but a loopback interface.

    The process does it itself: `unshare --net python` is no program that tests start by a fork.
    """
    try:
        os.unshare(os.CLONE_NEWNET)
    except OSError as error:
        print(error)
        sys.exit(UNSUPPORTED)
    subprocess.run(["ip", "link", "set", "lo", "up"], check=True)


def redirect(port: int) -> None:
    """Have the kernel hand connections to ADDRESS:443 to this port."""
    subprocess.run(["ip", "addr", "add", f"{ADDRESS}/32", "dev", "lo"], check=True)
    rule = f"-t nat -A OUTPUT -p tcp -d {ADDRESS} --dport 443 -j REDIRECT --to-ports {port}"
    done = subprocess.run(["iptables", *rule.split()], capture_output=True, text=True)
    if done.returncode:
        print(done.stderr)
        sys.exit(UNSUPPORTED)


async def main(folder: Path, body: str) -> None:
    """One request of a curl that knows of no proxy."""
    enter()
    port = free_port()
    redirect(port)
    async with Provider() as provider:
        env = provider_env(provider.url, "openai")
        async with Router(
            folder / "router", modes=[f"transparent@{port}"], listen_host=None, env=env
        ) as router:
            url = "https://api.openai.com/v1/chat/completions"
            resolve = ["--resolve", f"api.openai.com:443:{ADDRESS}", "--noproxy", "*"]
            trust = {"CURL_CA_BUNDLE": str(router.ca_file)}
            print(await run("curl", "-sS", *resolve, url, "-d", body, env=trust))
        assert provider.requests[0].headers["authorization"] == "Bearer key-openai"


if __name__ == "__main__":
    asyncio.run(main(Path(sys.argv[1]), sys.argv[2]))
