"""`python -m smart_router.cli.refresh_login CONFIG STATE PROFILE TOKEN`: refreshes a login that machines
share.

Not a command of users: routers start it, see `cluster.refresh_apart`. TOKEN is the fingerprint of the access
token that is to be replaced. Prints `{}` or the error as JSON.
"""

from __future__ import annotations

import logging
import os
import sys
from collections.abc import Mapping
from contextlib import closing
from pathlib import Path

from pydantic_core import to_json

from smart_router.auth.logins.steps import LoginError
from smart_router.auth.profiles import fingerprint
from smart_router.auth.refresh import Refresher
from smart_router.auth.store import AuthStore
from smart_router.cluster.logins import LeasedRefresh
from smart_router.cluster.replica_file import read_facts
from smart_router.config import load_config


def main() -> None:
    """Refresh the login that the arguments name."""
    logging.basicConfig(level=logging.ERROR, format="%(message)s", stream=sys.stderr)
    config, state, profile_id, token = sys.argv[1:]
    try:
        _refresh(Path(config), Path(state), profile_id, token)
        answer: Mapping[str, object] = {}
    except LoginError as error:
        answer = {"error": str(error), "final": error.final}
    try:
        os.write(sys.stdout.fileno(), to_json(answer))
    except OSError:  # nobody waits any more
        return


def _refresh(config_file: Path, state: Path, profile_id: str, token: str) -> None:
    config = load_config(config_file, os.environ)
    if config.cluster is None or config.cluster.seal is None:
        raise LoginError("the machine does not belong to a cluster any more")
    with closing(AuthStore(os.environ, config.providers, state)) as auth:
        auth.settle()
        (machine,) = read_facts(state, "machine")
        leased = LeasedRefresh(config.cluster, config.cluster.seal, auth, machine or "")
        profile = auth.find(profile_id)
        if profile is None or fingerprint(profile.secret) != token:
            return  # removed, or fresh already
        Refresher(auth, config.logins, os.environ, alone=leased.alone).refresh(profile)


if __name__ == "__main__":
    main()
