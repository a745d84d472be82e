"""A process that serves one request with a login: `python -m tests.auth.refresh_worker FOLDER TOKEN_URL`.

It waits for a line on its standard input, and prints the access token that the request would be sent with.
"""

from __future__ import annotations

import asyncio
import sys
import time
from pathlib import Path

from smart_router.auth.logins.settings import LoginSettings
from smart_router.auth.refresh import Refresher
from smart_router.auth.selection import Picked
from smart_router.auth.store import AuthStore
from smart_router.providers.registry import PROVIDERS


async def serve(store: AuthStore, token_url: str) -> str:
    picked = store.pick_next_profile("openai-codex", "gpt-5.5", time.monotonic())
    assert isinstance(picked, Picked)
    refresher = Refresher(store, {"openai-codex": LoginSettings(token_url=token_url)}, {})
    profile = await refresher.usable(picked.profile)
    assert profile.secret is not None
    return profile.secret.get_secret_value()


def main() -> None:
    store = AuthStore({}, PROVIDERS, Path(sys.argv[1]))
    print("ready", flush=True)
    sys.stdin.readline()
    print(asyncio.run(serve(store, sys.argv[2])), flush=True)
    store.close()


if __name__ == "__main__":
    main()
