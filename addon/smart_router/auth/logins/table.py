"""The providers that one can log in with."""

from __future__ import annotations

from collections.abc import Mapping

from smart_router.auth.logins import antigravity, codex, minimax, qwen
from smart_router.auth.logins.provider import LoginProvider

LOGINS: Mapping[str, LoginProvider] = {
    row.id: row for row in (codex.LOGIN, minimax.LOGIN, antigravity.LOGIN, qwen.LOGIN)
}
"""By provider id."""
