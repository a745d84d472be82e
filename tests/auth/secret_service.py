"""A desktop session's keyring: `python -m tests.auth.secret_service FOLDER` with the bus of a session.

Follows a user's steps with GNOME Keyring's daemon, which is unlocked and locked as a session does it.
"""

from __future__ import annotations

import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path

import secretstorage
from pydantic import SecretStr

from smart_router.auth.profiles import GrantedTokens
from smart_router.auth.storage import credentials
from smart_router.auth.store import AuthStore
from smart_router.providers.registry import PROVIDERS

KEY, ACCESS = "canary-key", "canary-" + "t" * 5000


@contextmanager
def daemon() -> Iterator[None]:
    """GNOME Keyring with an unlocked default keyring, in place of the one that runs."""
    command = ["gnome-keyring-daemon", "--foreground", "--replace", "--unlock", "--components=secrets"]
    child = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.DEVNULL)
    assert child.stdin is not None
    child.stdin.write(b"password")
    child.stdin.close()
    with closing(secretstorage.dbus_init()) as connection:
        while not secretstorage.check_service_availability(connection):
            time.sleep(0.02)
    try:
        yield
    finally:
        child.terminate()
        child.wait()


def lock() -> None:
    with closing(secretstorage.dbus_init()) as connection:
        secretstorage.get_default_collection(connection).lock()


def items() -> list[str]:
    """Return the router's secrets in the keyring."""
    with closing(secretstorage.dbus_init()) as connection:
        every = secretstorage.get_default_collection(connection).get_all_items()
        return [item.get_secret().decode() for item in every if "smart-router/" in item.get_label()]


def secrets(store: AuthStore) -> list[str | None]:
    """Return the secrets of the two profiles, None for one that is unavailable."""
    found = [store.find("openai:work"), store.find("openai-codex:me")]
    return [one.secret.get_secret_value() if one and one.secret else None for one in found]


def main() -> None:
    state = Path(sys.argv[1])
    credentials.RETRY = credentials.RETRY_LOCKED = 0.3
    with daemon():
        first = AuthStore({}, PROVIDERS, state)
        first.add_key("openai", "work", SecretStr(KEY))
        first.move(to_keyring=True)
        first.add_login(
            "openai-codex", "me", GrantedTokens(SecretStr(ACCESS), SecretStr("canary-r"), None, None)
        )
        assert not [path for path in state.iterdir() if b"canary" in path.read_bytes()]
        assert KEY in items()
        lock()
        second = AuthStore({}, PROVIDERS, state)
        second.settle()
        assert secrets(first) == [KEY, ACCESS]
        assert secrets(second) == [None, None]
        print(second.statuses("openai", 0.0)[0].why)
    with daemon():
        while None in secrets(second):
            time.sleep(0.02)
        assert secrets(second) == [KEY, ACCESS]
        second.remove("openai-codex:me")
        assert items() == [KEY]
        assert second.move(to_keyring=False) == {"openai:work": None}
        second.settle()
        assert (items(), secrets(second)) == ([], [KEY, None])
        first.close()
        second.close()


if __name__ == "__main__":
    main()
