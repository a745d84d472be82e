"""A machine's router as far as refreshes go: `python -m tests.cluster.refresh_worker CONFIG STATE`.

Prints its process id, then refreshes the login for each line on its standard input, and answers `ok` or the
error.
"""

from __future__ import annotations

import os
import sys
from pathlib import Path

from smart_router.auth.logins.steps import LoginError
from smart_router.auth.store import AuthStore
from smart_router.cluster.refresh_apart import refresh_apart
from smart_router.providers.registry import PROVIDERS


def main() -> None:
    config, state = map(Path, sys.argv[1:])
    store = AuthStore({}, PROVIDERS, state)
    print(os.getpid(), flush=True)
    for line in sys.stdin:
        profile = store.reread(line.strip())
        assert profile is not None
        try:
            refresh_apart(config, state, os.environ, profile)
            print("ok", flush=True)
        except LoginError as error:
            print(error, flush=True)
    store.close()


if __name__ == "__main__":
    main()
