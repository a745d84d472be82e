"""Kills a change of a secret at each of its steps: `python -m tests.auth.kill_points FOLDER CHANGE…`.

A step is the begin or the end of a call of the keyring's or the file's. A process of its own makes the
change and kills itself with SIGKILL at its first step; the next one at its second, and so on, until one gets
through. After each the old secret or the new one must be there, and the keyring must hold nothing else.
"""

from __future__ import annotations

import functools
import itertools
import logging
import os
import signal
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

from pydantic import SecretStr

from smart_router.auth.profiles import GrantedTokens
from smart_router.auth.storage.database import Database
from smart_router.auth.store import AuthStore
from smart_router.providers.registry import PROVIDERS
from tests.auth import file_keyring
from tests.auth.file_keyring import FileKeyring

STEPS: dict[type, tuple[str, ...]] = {
    FileKeyring: ("get_password", "set_password", "delete_password"),
    Database: ("save", "swap", "delete", "choose", "note_entry", "forget_entry", "compact"),
}
ID = "openai-codex:me"


def tokens(number: int) -> GrantedTokens:
    """Long enough for two passwords of the keyring."""
    return GrantedTokens(
        SecretStr(f"access-{number}-" + "t" * 1200), SecretStr(f"refresh-{number}"), 0.0, None
    )


def renew(store: AuthStore) -> None:
    login = store.find(ID)
    assert login is not None
    store.replace_tokens(login, tokens(2))


CHANGES: dict[str, tuple[bool, Callable[[AuthStore], object]]] = {
    "move there": (False, lambda store: store.move(to_keyring=True)),
    "move back": (True, lambda store: store.move(to_keyring=False)),
    "log in again": (True, lambda store: store.add_login("openai-codex", "me", tokens(2))),
    "renew": (True, renew),
}
"""Changes by name: True if the login is in the keyring before, and the function."""


def count_down(steps: int) -> None:
    """Kill this process after so many further steps."""
    left = itertools.count(steps, -1)

    def step() -> None:
        if next(left) == 0:
            os.kill(os.getpid(), signal.SIGKILL)

    def counted(call: Callable[..., Any]) -> Callable[..., Any]:
        @functools.wraps(call)
        def counting(*args: Any) -> Any:
            step()
            result = call(*args)
            step()
            return result

        return counting

    for kind, names in STEPS.items():
        for name in names:
            setattr(kind, name, counted(getattr(kind, name)))


def survives(folder: Path, change: str, steps: int) -> bool:
    """Return whether a process completes the change before it is killed, after so many steps."""
    in_keyring, make = CHANGES[change]
    child = os.fork()
    if child == 0:
        store = AuthStore({}, PROVIDERS, folder)
        store.move(to_keyring=in_keyring)
        store.add_login("openai-codex", "me", tokens(1))
        count_down(steps)
        make(store)
        os._exit(0)
    _, status = os.waitpid(child, 0)
    assert status in (0, signal.SIGKILL), status
    return status == 0


def check(folder: Path, ring: Path) -> int:
    """Check the stored login; return the number in its tokens."""
    store = AuthStore({}, PROVIDERS, folder)
    store.settle()
    login = store.find(ID)
    store.close()
    assert login and login.secret and login.login and login.login.refresh, login and login.missing
    number = int(login.login.refresh.get_secret_value().removeprefix("refresh-"))
    assert login.secret == tokens(number).access
    assert len(file_keyring.passwords(ring)) == (0 if login.entry is None else 2)
    return number


def main() -> None:
    logging.basicConfig()
    os.environ["PYTHON_KEYRING_BACKEND"] = file_keyring.BACKEND
    for change in sys.argv[2:]:
        numbers = []
        for steps in itertools.count():
            folder = Path(sys.argv[1]) / f"{change}-{steps}"
            (folder / "ring").mkdir(parents=True)
            os.environ["TEST_KEYRING"] = str(folder / "ring")
            survived = survives(folder / "state", change, steps)
            numbers.append(check(folder / "state", folder / "ring"))
            if survived:
                break
        assert numbers == sorted(numbers), numbers
        print(f"{change}: {steps} steps")


if __name__ == "__main__":
    main()
