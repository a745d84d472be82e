"""The demo: decisions, a stream, and a failover, through a real router.

mitmproxy and the addon are real, started by `smart-router start`. Only the far end is scripted: one provider
that is reached under the base URL of each real one and answers in that one's format.
"""

from __future__ import annotations

import os
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import httpx
from pydantic_core import from_json
from rich.console import Console
from rich.markup import escape
from rich.table import Table

from smart_router.addresses import LOOPBACK
from smart_router.demo.provider import PAUSE, DemoProvider, provider_env
from smart_router.errors import UserError
from smart_router.tools.router_process import RouterStartError, free_port, started

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

CHAT = "/v1/chat/completions"
_KEPT_ENV = ("PATH", "LANG", "LC_ALL", "TMPDIR", "SYSTEMROOT", "VIRTUAL_ENV")


class DemoError(UserError):
    """The router did not behave as the demo must show it."""

    def __init__(self, why: str) -> None:
        super().__init__(f"the demo failed: {why}")


def demo(console: Console) -> Iterator[str]:
    """Show everything; yields the router's address while the router still runs. Raises DemoError."""
    with TemporaryDirectory() as folder, DemoProvider() as provider, _router(folder, provider.url) as url:
        with httpx.Client(base_url=url, trust_env=False, timeout=30) as http:
            console.print(f"The router listens on {url}; a scripted provider stands for the real ones.\n")
            show_decisions(console, http)
            console.print("\n[bold]A stream, as it arrives[/]")
            first = show_stream(console, http)["x-router-provider"]
            console.print(f"\n[bold]Failover: {first} answers 429, the next candidate streams[/]")
            show_failover(console, http, provider, first)
        provider.limited.clear()
        yield url


@contextmanager
def _router(folder: str, provider_url: str) -> Iterator[str]:
    """Run a router whose files lie in `folder`, with nothing of the user's; yields its address."""
    env = {name: os.environ[name] for name in _KEPT_ENV if name in os.environ}
    env |= {"SMART_ROUTER_CONFIG": f"{folder}/config.toml", "SMART_ROUTER_STATE": f"{folder}/state"}
    env |= {"HOME": folder, "USERPROFILE": folder}
    Path(folder, "config.toml").touch()
    port = free_port()
    arguments = ["--set", f"confdir={folder}"]
    try:
        with started(port, arguments, Path(folder, "log"), env | provider_env(provider_url, *PROVIDERS)):
            yield f"http://{LOOPBACK}:{port}"
    except RouterStartError as error:
        raise DemoError(error.reason) from None


def ask(text: str) -> dict[str, Any]:
    """Return the body of a request."""
    return {"model": "auto", "messages": [{"role": "user", "content": text}]}


def show_decisions(console: Console, http: httpx.Client) -> None:
    """Print one line for each prompt, and the reasons for the last one."""
    told = [_headers(http.post(CHAT, json=ask(prompt))) for prompt in PROMPTS]
    models = [f"{one['x-router-provider']}/{one['x-router-model']}" for one in told]
    table = Table(title='What model="auto" decided', title_justify="left", box=None, pad_edge=False)
    room = console.width - len("REASONING  ") - max(map(len, models)) - 2
    table.add_column("prompt", no_wrap=True, overflow="ellipsis", max_width=max(room, 10))
    table.add_column("tier", no_wrap=True)
    table.add_column("answered by", no_wrap=True)
    for prompt, one, model in zip(PROMPTS, told, models, strict=True):
        table.add_row(escape(prompt), one["x-router-tier"], escape(model))
    console.print(table)
    console.print(f"\n[dim]Why the last one:[/] {escape(told[-1]['x-router-why'])}")


def _headers(answer: httpx.Response) -> Mapping[str, str]:
    if answer.is_error:
        raise DemoError(f"HTTP {answer.status_code}: {answer.read().decode()}")
    return answer.headers


def show_stream(console: Console, http: httpx.Client) -> Mapping[str, str]:
    """Print an answer as it arrives; return its headers."""
    console.print(f"[dim]> {REQUEST}[/]")
    start = time.monotonic()
    arrivals = []
    with http.stream("POST", CHAT, json=ask(REQUEST) | {"stream": True}) as answer:
        headers = _headers(answer)
        for text in _texts(answer):
            arrivals.append(time.monotonic() - start)
            console.print(text, end="", markup=False, soft_wrap=True)
    console.print()
    if len(arrivals) < 2 or arrivals[-1] - arrivals[0] < PAUSE:
        raise DemoError("the stream did not arrive piece by piece")
    console.print(
        f"[dim]first piece after {arrivals[0]:.2f} s, {len(arrivals)} pieces in {arrivals[-1]:.2f} s[/]"
    )
    return headers


def _texts(answer: httpx.Response) -> Iterator[str]:
    for line in answer.iter_lines():
        if line.startswith("data: {"):
            choices = from_json(line.removeprefix("data: "))["choices"]
            if text := choices and choices[0]["delta"].get("content"):
                yield text


def show_failover(console: Console, http: httpx.Client, provider: DemoProvider, first: str) -> None:
    """The first candidate is over its limit; the client notices nothing but the headers."""
    provider.limited.add(first)
    before = len(provider.log)
    headers = show_stream(console, http)
    for line in provider.log[before:]:
        console.print(f"[dim]provider got[/] {escape(line)}")
    for name, value in headers.items():
        if name.startswith("x-router-"):
            console.print(f"[cyan]{name}[/]: {escape(value)}", soft_wrap=True)
    if headers["x-router-attempts"] != "2" or headers["x-router-provider"] == first:
        raise DemoError("the second candidate did not answer")
