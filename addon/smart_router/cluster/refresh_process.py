"""A refresh in a process of its own: `python -m smart_router.cluster.refresh_process CONFIG STATE PROFILE
TOKEN`.

New tokens replace the old ones at the authorization server before anyone here has them. A router that is
killed in that moment would take the login with it, so the refresh goes on in this process, which the router's
end does not touch. TOKEN is the fingerprint of the access token that is to be replaced. Prints `{}` or the
error as JSON.
"""

from __future__ import annotations

import logging
import os
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path

from pydantic_core import from_json, to_json

from smart_router.auth.logins.steps import LoginError
from smart_router.auth.profiles import Profile, fingerprint
from smart_router.auth.refresh import Refresher
from smart_router.auth.store import AuthStore

FAILED = "the refresh ended without an answer"

ANSWER_WITHIN = 150.0
"""Seconds to wait for the process, which waits for other machines."""


def refresh_apart(config: Path, state: Path, env: Mapping[str, str], profile: Profile) -> None:
    """Refresh a login in a process of its own, and wait for it. Raises LoginError."""
    command = [sys.executable, "-m", "smart_router.cluster.refresh_process", str(config), str(state)]
    package = str(Path(__file__).parents[2])
    process = subprocess.Popen(  # noqa: S603  # our own module, by this interpreter
        [*command, profile.id, fingerprint(profile.secret)],
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        start_new_session=True,  # signals to the router's group are not for it
        env={**env, "PYTHONPATH": os.pathsep.join([package, *filter(None, [env.get("PYTHONPATH")])])},
    )
    try:
        out, _ = process.communicate(timeout=ANSWER_WITHIN)
        answer = from_json(out)
    except subprocess.TimeoutExpired:  # it goes on: the database may not have taken its new tokens yet
        raise LoginError(f"{profile.id} is still being refreshed") from None
    except ValueError:
        raise LoginError(f"{profile.id}: {FAILED} (exit code {process.returncode})") from None
    if "error" in answer:
        raise LoginError(answer["error"], final=answer["final"])


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
    from smart_router.cluster.logins import LeasedRefresh
    from smart_router.cluster.replica_file import read_facts
    from smart_router.config import load_config

    config = load_config(config_file, os.environ)
    if config.cluster is None or config.cluster.seal is None:
        raise LoginError("the machine does not belong to a cluster any more")
    auth = AuthStore(os.environ, config.providers, state)
    try:
        auth.settle()
        (machine,) = read_facts(state, "machine")
        leased = LeasedRefresh(config.cluster, config.cluster.seal, auth, machine or "")
        profile = auth.find(profile_id)
        if profile is None or fingerprint(profile.secret) != token:
            return  # removed, or fresh already
        Refresher(auth, config.logins, os.environ, alone=leased.alone).refresh(profile)
    finally:
        auth.close()


if __name__ == "__main__":
    main()
