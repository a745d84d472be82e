"""Machines take turns with logins, approximately."""

from __future__ import annotations

import time
from pathlib import Path

import pytest
from pydantic import SecretStr

from smart_router.auth.profiles import GrantedTokens
from smart_router.auth.selection import Picked
from smart_router.auth.store import AuthStore
from smart_router.cluster.replica import Replica
from smart_router.cluster.rotation import USED, Rotation
from smart_router.providers.registry import PROVIDERS

PROVIDER = "openai-codex"


@pytest.fixture
def machines(tmp_path: Path) -> list[tuple[AuthStore, Rotation]]:
    """Two machines with the same three logins."""
    found = []
    for number in range(2):
        folder = tmp_path / str(number)
        folder.mkdir()
        auth = AuthStore({}, PROVIDERS, folder)
        for name in "abc":
            now = time.time()
            auth.add_login(PROVIDER, name, GrantedTokens(SecretStr(f"access-{name}"), None, now, now + 999))
        replica = Replica(folder)
        found.append((auth, Rotation(replica, auth)))
    return found


def pick(auth: AuthStore, later: float = 0.0) -> str:
    picked = auth.pick_next_profile(PROVIDER, "gpt-5.4", time.monotonic() + later)
    assert isinstance(picked, Picked)
    return picked.profile.id


def test_a_login_that_another_machine_has_just_used_comes_last(
    machines: list[tuple[AuthStore, Rotation]],
) -> None:
    (one, tells), (two, hears) = machines
    assert pick(one) == f"{PROVIDER}:a"
    hears.learn([tells.describe(), {"name": "a machine of an older version"}])
    # seconds apart, since the time elsewhere is known approximately
    assert [pick(two, later) for later in (1, 2, 3)] == [f"{PROVIDER}:{name}" for name in "bca"]
    assert hears.describe()[USED].keys() == {f"{PROVIDER}:{name}" for name in "abc"}


def test_what_was_used_before_changes_nothing(machines: list[tuple[AuthStore, Rotation]]) -> None:
    (one, tells), (two, hears) = machines
    pick(one)
    told = tells.describe()
    assert pick(two) == f"{PROVIDER}:a"
    before = hears.describe()
    hears.learn([told, {USED: {"of:nobody": 1.0}}])
    assert hears.describe() == before
