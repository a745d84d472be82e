"""A refresh in a process of its own, `smart_router.cli.refresh_login`.

New tokens replace the old ones at the authorization server before anyone here has them. A router that is
killed in that moment would take the login with it, so the refresh goes on in a process that the router's end
does not touch.
"""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path

from pydantic_core import from_json

from smart_router.auth.logins.steps import LoginError
from smart_router.auth.profiles import Profile, fingerprint

FAILED = "the refresh ended without an answer"

ANSWER_WITHIN = 150.0
"""Seconds to wait for the process, which waits for other machines."""


def refresh_apart(config: Path, state: Path, env: Mapping[str, str], profile: Profile) -> None:
    """Refresh a login in a process of its own, and wait for it. Raises LoginError."""
    command = [sys.executable, "-m", "smart_router.cli.refresh_login", str(config), str(state)]
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
