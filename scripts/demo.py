"""The whole router at work, with no key and no network: `uv run python scripts/demo.py`.

mitmdump and the addon are real, the official `openai` SDK asks them, and only the far end is played: one
scripted provider, reached under the base URL of each real one, answering in that one's own format.
"""

from __future__ import annotations

import argparse
import asyncio
import sys
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

import openai
from rich.console import Console
from rich.markup import escape
from rich.table import Table
from tests.testbed.answers import Answer
from tests.testbed.chat import chat_error
from tests.testbed.harness import Router, provider_env
from tests.testbed.provider import Provider
from tests.testbed.record import Request
from tests.testbed.wires import speak

PROVIDERS = ("openai", "anthropic", "google", "deepseek", "xai", "groq", "openrouter", "qwen-dashscope")

PROMPTS = (
    "Hi!",
    "What is the capital of France?",
    "Summarise the plot of Hamlet in three sentences for a school newsletter, in a friendly tone.",
    "Write a Python function that merges two sorted linked lists, with type hints and unit tests.",
    "Design a distributed rate limiter for a multi-region API: consistency trade-offs, failure modes, data "
    "model, the algorithm in Go, and a migration plan from our single Redis instance.",
    "Prove step by step that there are infinitely many primes congruent to 3 mod 4, then derive why the same "
    "argument fails for 1 mod 4.",
)

REQUEST = "Hello! Sing me something."
POEM = (
    "A question came in, short and plain; a small model answered it, quick as rain. "
    "A proof came next, with a lemma to find; it went to a model of a weightier kind. "
    "And when one door was shut for the day, the next in the list had something to say."
)

PAUSE = 0.03
"""Seconds between the words of a stream: slow enough to watch."""


class DemoError(Exception):
    """The router did not do what the demo is there to show."""


def reply(request: Request) -> Answer:
    """What the played providers say: the poem, paced, in the format of the one that was asked."""
    return speak(request, POEM, pause=PAUSE)


def ask(text: str) -> dict[str, Any]:
    return {"model": "auto", "messages": [{"role": "user", "content": text}]}


async def show_decisions(console: Console, client: openai.AsyncOpenAI) -> None:
    """One line for each prompt: where it went, and why."""
    table = Table(title='What model="auto" decided', title_justify="left", show_lines=True)
    table.add_column("prompt", ratio=3)
    table.add_column("score", justify="right")
    for heading in ("tier", "provider", "model"):
        table.add_column(heading, overflow="fold")
    table.add_column("why", ratio=4, overflow="fold")
    for prompt in PROMPTS:
        answer = await client.chat.completions.with_raw_response.create(**ask(prompt))
        told = {
            name: answer.headers[f"x-router-{name}"] for name in ("score", "tier", "provider", "model", "why")
        }
        table.add_row(prompt, *map(escape, told.values()))
    console.print(table)


async def show_stream(console: Console, client: openai.AsyncOpenAI) -> Any:
    """Print an answer as it arrives; returns its headers."""
    console.print(f"[dim]> {REQUEST}[/]")
    start = time.monotonic()
    arrivals = []
    raw = await client.chat.completions.with_raw_response.create(**ask(REQUEST), stream=True)
    async for chunk in raw.parse():
        if text := chunk.choices and chunk.choices[0].delta.content:
            arrivals.append(time.monotonic() - start)
            console.print(text, end="", markup=False, soft_wrap=True)
    console.print()
    if len(arrivals) < 2 or arrivals[-1] - arrivals[0] < PAUSE:
        raise DemoError("the stream did not arrive piece by piece")
    console.print(
        f"[dim]first piece after {arrivals[0]:.2f} s, {len(arrivals)} pieces in {arrivals[-1]:.2f} s[/]"
    )
    return raw.headers


async def show_failover(
    console: Console, client: openai.AsyncOpenAI, provider: Provider, first_choice: str
) -> None:
    """The first candidate is over its limit; the client notices nothing but the headers."""
    limit = chat_error(429, "Rate limit reached.", "rate_limit_exceeded", {"retry-after": "30"})
    provider.on(limit, path=f"/{first_choice}/")
    before = len(provider.requests)
    headers = await show_stream(console, client)
    for request in provider.requests[before:]:
        console.print(
            f"[dim]provider got[/] {request.method} {request.path} [dim]and answered[/] {request.status}"
        )
    for name, value in headers.items():
        if name.startswith("x-router-"):
            console.print(f"[cyan]{name}[/]: {escape(value)}", soft_wrap=True)
    if headers["x-router-attempts"] != "2" or headers["x-router-provider"] == first_choice:
        raise DemoError("the second candidate did not answer")


async def demo(console: Console) -> None:
    """Start both processes, and show everything."""
    with tempfile.TemporaryDirectory() as folder:
        async with Provider() as provider:
            provider.script.default = reply
            env = provider_env(provider.url, *PROVIDERS)
            async with Router(Path(folder) / "router", env=env) as router, router.client() as client:
                console.print(f"mitmdump -s addon/router.py serves {router.base_url}\n")
                await show_decisions(console, client)
                console.print("\n[bold]A stream, as it arrives[/]")
                headers = await show_stream(console, client)
                first = headers["x-router-provider"]
                console.print(f"\n[bold]Failover: {first} answers 429, the next candidate streams[/]")
                await show_failover(console, client, provider, first)


def main(argv: Sequence[str] | None = None) -> int:
    """Exit code 0, or 1 after one line that says what went wrong."""
    argparse.ArgumentParser(description="Show the whole router, with no key and no network.").parse_args(argv)
    console = Console(highlight=False)
    if not console.is_terminal:
        console.width = 140
    try:
        asyncio.run(demo(console))
    except Exception as error:
        first = (str(error).strip() or type(error).__name__).splitlines()[0]
        print(f"demo failed: {first}", file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
