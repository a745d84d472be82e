"""The compared gateways: the provider itself, a bare mitmdump, and the router; others are in peers.py."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager, contextmanager
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

from scripts.gateway_bench.answers import MODEL
from tests.testbed.harness import Router, RouterError, provider_env

DIRECT, BARE, ROUTER = "direct", "mitmdump", "router auto"
OPENAI_MODEL, ANTHROPIC_MODEL = "openai/gpt-6-luna", "anthropic/claude-haiku-5-5"

# every prompt goes to the same dialect, so that gateways are compared and not translations
CONFIG = f"""
[routing.tier_models.standard]
SIMPLE = ["{OPENAI_MODEL}"]
MEDIUM = ["{OPENAI_MODEL}"]
COMPLEX = ["{OPENAI_MODEL}"]
REASONING = ["{OPENAI_MODEL}"]
"""


# by default mitmdump holds an answer back until it is complete
FORWARD = """
def responseheaders(flow):
    flow.response.stream = "event-stream" in flow.response.headers.get("content-type", "")
"""


@dataclass(frozen=True)
class Target:
    """The target of requests, and its measures; `pids` are the processes whose use is measured."""

    name: str
    port: int
    measures: tuple[str, ...]
    model: str = MODEL
    pids: Sequence[int] = ()
    host: str = "127.0.0.1"
    path: str = "/v1/chat/completions"
    headers: dict[str, str] = field(default_factory=dict)

    def job(self) -> dict[str, Any]:
        """Return the load generator's arguments."""
        target = asdict(self)
        return {"target": target, "pids": target.pop("pids")}


GATEWAY = ("closed", "open", "streams", "memory")
"""The measures that every gateway takes part in."""

Start = Callable[[str, Path], AbstractContextManager[list[Target]]]
"""Starts a gateway before the provider with this URL, its files in a folder of its own."""


@contextmanager
def mitmdump(folder: Path, **arguments: Any) -> Iterator[Router]:
    """Run one process. An error inside it is shown at the end, and the figures are kept."""
    process = Router(folder, **arguments).start()
    try:
        yield process
    finally:
        try:
            process.stop()
        except RouterError as error:
            reason, _, log = str(error).partition("\n")
            at = log.find("Traceback")
            print(reason, log[at:][:2000] if at >= 0 else log[-2000:], sep="\n", file=sys.stderr)


@contextmanager
def direct(url: str, folder: Path) -> Iterator[list[Target]]:
    yield [Target(DIRECT, int(url.rpartition(":")[2]), ("closed", "open", "streams"))]


@contextmanager
def bare(url: str, folder: Path) -> Iterator[list[Target]]:
    """mitmdump that only forwards: the baseline of any addon."""
    folder.mkdir(parents=True)
    script = folder / "forward.py"
    script.write_text(FORWARD)
    with mitmdump(folder / "mitmdump", upstream=url, script=script) as process:
        yield [Target(BARE, process.port, (*GATEWAY, "translated"), pids=[process.process.pid])]


@contextmanager
def router(
    url: str, folder: Path, *, args: Sequence[str] = (), checkout: Path | None = None, suffix: str = ""
) -> Iterator[list[Target]]:
    """The router with all its features on; `checkout` is that of another version, named with `suffix`."""
    env, script = provider_env(url, "openai", "anthropic"), {}
    if checkout:
        env["PYTHONPATH"] = str(checkout / "addon")
        script["script"] = checkout / "addon" / "router.py"
    with mitmdump(folder / "router", env=env, config=CONFIG, upstream=url, args=args, **script) as process:
        at: dict[str, Any] = {"port": process.port, "pids": [process.process.pid]}
        yield [
            Target(f"{ROUTER}{suffix}", measures=GATEWAY, model="auto", **at),
            Target(f"router explicit{suffix}", measures=("closed", "translated"), model=OPENAI_MODEL, **at),
            Target(f"router Anthropic{suffix}", measures=("translated",), model=ANTHROPIC_MODEL, **at),
        ]
