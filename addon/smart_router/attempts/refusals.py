"""The error for a client when nothing is left to try. 429 is for limits alone: it makes people think of their
quota."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from smart_router.auth.cooldowns import FAULTS
from smart_router.errors import ClientError, UpstreamError
from smart_router.routing.decision import Candidate

_DO_NOT_RETRY = {"x-should-retry": "false"}
"""Stops clients from retries: the router has already retried."""


@dataclass(frozen=True, slots=True)
class FailedAttempt:
    """A failed attempt, for the records and the error's details."""

    number: int
    candidate: Candidate
    profile_id: str
    error: UpstreamError

    def __str__(self) -> str:
        who = f"{self.candidate} ({self.profile_id})"
        return f"attempt {self.number}: {who}: {self.error.kind}: {self.error.message}"

    def to_dict(self) -> dict[str, Any]:
        """For the client's error object."""
        return {
            "provider": self.candidate.provider,
            "model": self.candidate.model,
            "profile": self.profile_id,
            "kind": self.error.kind,
            "status": self.error.status,
            "message": self.error.message,
        }


def all_failed(failures: Sequence[FailedAttempt]) -> ClientError:
    """Return the error after these attempts. A fault takes precedence over a later limit."""
    told = failures[-1].error
    if told.kind == "rate_limit":
        told = next((one.error for one in reversed(failures) if one.error.kind in FAULTS), told)
    headers = dict(_DO_NOT_RETRY) if len(failures) > 1 else {}
    delays = [one.error.retry_after for one in failures if one.error.retry_after is not None]
    if delays and failures[-1].error.retryable:
        headers["retry-after"] = str(max(1, round(min(delays))))
    message = told.message
    if len(failures) > 1:
        tried = "; ".join(f"{f.candidate} ({f.error.kind}, {f.error.status})" for f in failures)
        message = f"all {len(failures)} attempts failed: {tried}. The last said: {told.message}"
    return ClientError(
        told.status,
        message,
        type=told.type,
        code=told.code,
        param=told.param,
        headers=headers,
        details={"attempts": [failed.to_dict() for failed in failures]},
    )
