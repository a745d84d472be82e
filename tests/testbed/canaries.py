"""A search for the tests' credentials in all that their programs wrote."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path

from smart_router.providers.registry import PROVIDERS

_IDS = "|".join(map(re.escape, PROVIDERS)).encode()
CREDENTIAL = re.compile(rb"\bkey-(?:%b)\b|\bsk-[a-z0-9-]*canary[a-z0-9-]*" % _IDS)
"""Keys of `provider_env`, and those that a test calls canaries."""

KEPT_IN = re.compile(r"^auth\.sqlite|config.*\.toml$|\.password$|\.py$")
"""Names of the files that credentials belong in: the store, what users wrote, the tests' keyring, and copied
scripts with keys that they made up."""


def leaks(folder: Path) -> Iterator[str]:
    """Return file and credential of each that lies where it must not."""
    for path in folder.rglob("*"):
        if path.is_file() and not path.is_symlink() and not KEPT_IN.search(path.name):
            content = path.read_bytes()
            likely = b"key-" in content or b"canary" in content  # found in a sixth of the pattern's time
            for found in set(CREDENTIAL.findall(content)) if likely else ():
                yield f"{path.relative_to(folder)}: {found.decode()}"
