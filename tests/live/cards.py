"""The big figures of the page."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from smart_router.stats.formatting import count, dollars, share, span


def cards(total: Mapping[str, Any]) -> dict[str, str]:
    """The text of each card, by its id, for a report's total."""
    return {
        "requests": count(total["requests"]),
        "cost": dollars(total["cost"]),
        "saved": dollars(total["saved"]),
        "errors": share(total["error_rate"]),
        "failed-over": share(total["failover_rate"]),
        "TTFT-median": span(total["ttft"]["p50"]),
        "overhead-median": span(total["overhead"]["p50"]),
    }
