"""Kills writers of a store with SIGKILL: `python -m tests.auth.kill FOLDER ROUNDS SEED [keyring]`.

Every round forks a process that stores keys as fast as it can and says so after each; it is killed at a
random time after its start or, in every other round, after its first key: on a busy machine it would store
none. The rounds go on until more keys than rounds were confirmed. After each round the store must open
undamaged and hold what was confirmed, or what was being written.
With `keyring` the process also moves them all into the keyring or back, again and again.
"""

from __future__ import annotations

import logging
import os
import random
import select
import signal
import sys
import time
from pathlib import Path

from pydantic import SecretStr

from smart_router.auth.store import AuthStore
from tests.auth import file_keyring
from tests.auth.helpers import PROVIDERS, THREE_KEYS

SLOTS = 20


def write(folder: Path, first: int, confirm: int, *, moving: bool) -> None:
    """Store key `n` in place of key `n - SLOTS`, for all n from `first` on."""
    store = AuthStore(THREE_KEYS, PROVIDERS, folder)
    number = first
    while True:
        store.mark_profile_used("openai:env", f"model-{number % 7}", time.monotonic())
        store.add_key("openai", f"k{number % SLOTS}", SecretStr(f"sk-{number}"))
        os.write(confirm, number.to_bytes(4))
        number += 1
        if moving and number % 8 == 0:
            store.move(to_keyring=number % 16 == 0)


def killed_writer(folder: Path, first: int, lifetime: float, *, writes: bool, moving: bool) -> int:
    """The number after the last that a writer confirmed in its lifetime (seconds); of one that `writes` it
    begins with the first."""
    reading, writing = os.pipe()
    child = os.fork()
    if child == 0:
        try:
            write(folder, first, writing, moving=moving)
        finally:
            os._exit(1)
    os.close(writing)
    if writes:
        select.select([reading], [], [])
    time.sleep(lifetime)
    os.kill(child, signal.SIGKILL)
    os.waitpid(child, 0)
    with os.fdopen(reading, "rb") as confirmed:
        said = confirmed.read()
    return int.from_bytes(said[-4:]) + 1 if said else first


def check(folder: Path, after: int) -> None:
    """All keys before `after` are there; key `after` may be, in place of an older one. The keyring holds
    nothing else."""
    store = AuthStore({}, PROVIDERS, folder)
    store.settle()
    stored = [one for number in range(SLOTS) if (one := store.find(f"openai:k{number}"))]
    store.close()
    found = {one.id: one.secret.get_secret_value() for one in stored if one.secret is not None}
    in_keyring = sorted(found[one.id] for one in stored if one.entry is not None)
    assert file_keyring.passwords(Path(os.environ["TEST_KEYRING"])) == in_keyring
    for number in range(max(0, after - SLOTS), after):
        expected = {f"sk-{number}"} | ({f"sk-{after}"} if number % SLOTS == after % SLOTS else set())
        assert found.get(f"openai:k{number % SLOTS}") in expected, f"key {number} of {after} is lost"
    assert not list(folder.glob("*.damaged-*"))


def main() -> None:
    logging.basicConfig()
    folder, rounds, chance = Path(sys.argv[1]), int(sys.argv[2]), random.Random(sys.argv[3])  # noqa: S311
    moving = sys.argv[4:] == ["keyring"]
    os.environ["PYTHON_KEYRING_BACKEND"] = file_keyring.BACKEND
    written = after = 0
    number = -1
    while (number := number + 1) < rounds or written <= rounds:
        if number % 10 == 0:  # new files die young too
            folder, after = folder.with_name(f"state-{number}"), 0
            ring = folder.with_name(f"ring-{number}")
            ring.mkdir()
            os.environ["TEST_KEYRING"] = str(ring)
        first, lifetime, writes = after, chance.uniform(0.005, 0.12), number % 2 == 1
        after = killed_writer(folder, first, lifetime, writes=writes, moving=moving)
        check(folder, after)
        written += after - first
    print(written)


if __name__ == "__main__":
    main()
