"""The cost of fitting a request to a model's rules: `uv run python scripts/bench_rules.py`.

Each row is a model and a request. `rules` is the time of fitting it, `write` that of the whole translation to
the provider's bytes, in the same run. The goal is at most 15 microseconds for `rules`.
"""

from __future__ import annotations

import sys
import time
from collections.abc import Callable
from typing import Any

from smart_router.dialects.base import CallContext
from smart_router.dialects.fitting import fit_request
from smart_router.providers.catalogue import rules_for
from smart_router.providers.registry import PROVIDERS

MESSAGES = [
    {"role": "system", "content": "Be brief."},
    *({"role": role, "content": "word " * 50} for _ in range(10) for role in ("user", "assistant")),
    {"role": "user", "content": "Go on."},
]
TOOLS = [
    {"type": "function", "function": {"name": f"tool_{n}", "parameters": {"type": "object"}}}
    for n in range(12)
]
SMALL: dict[str, Any] = {"messages": MESSAGES[-1:], "stream": True}
AGENT: dict[str, Any] = {
    "messages": MESSAGES,
    "stream": True,
    "tools": TOOLS,
    "tool_choice": "auto",
    "parallel_tool_calls": False,
    "temperature": 0.5,
    "reasoning_effort": "minimal",
    "seed": 2**40,
    "stop": ["END"],
    "service_tier": "default",
    "response_format": {"type": "json_object"},
}
MODELS = (
    "openai/gpt-4.1",
    "openai/gpt-6.1-sol",
    "anthropic/claude-haiku-5-5",
    "google/gemini-2.5-flash",
    "groq/openai/gpt-oss-120b",
    "deepseek/deepseek-v4-pro",
)
SECONDS = 0.3
GOAL = 15.0


def microseconds(work: Callable[[], object]) -> float:
    """The time of one call: the best of the calls that fit into the measurement."""
    best, until = float("inf"), time.perf_counter() + SECONDS
    while (start := time.perf_counter()) < until:
        work()
        best = min(best, time.perf_counter() - start)
    return best * 1e6


def measure(name: str, request: Any) -> tuple[float, float]:
    """Microseconds of fitting a request to a model, and of writing it."""
    provider_id, _, model = name.partition("/")
    provider, rules = PROVIDERS[provider_id], rules_for(provider_id, model)
    call = CallContext(provider_id, model, True, 1_700_000_000, "bench", rules=rules, quirks=provider.quirks)
    dialect = provider.dialect_for(request, rules)
    return (
        microseconds(lambda: fit_request(request, rules)),
        microseconds(lambda: dialect.write_request(request, call)),
    )


def main() -> int:
    """Print the table; the exit status is 1 if a row misses the goal."""
    worst = 0.0
    print(f"{'model':32}{'request':10}{'rules µs':>10}{'write µs':>10}{'share':>8}")
    for name in MODELS:
        for kind, request in (("small", SMALL), ("agent", AGENT)):
            rules, write = measure(name, request)
            worst = max(worst, rules)
            print(f"{name:32}{kind:10}{rules:10.1f}{write:10.1f}{rules / write:8.0%}")
    print(f"worst {worst:.1f} µs, goal {GOAL:.0f} µs")
    return worst > GOAL


if __name__ == "__main__":
    sys.exit(main())
