"""A keyring that several processes share, and that can be locked or stuck: a folder in TEST_KEYRING.

Like Windows' it takes at most 2,560 bytes of UTF-16 a password. `locked` in the folder locks it, `read-only`
refuses writes, and as long as there is a file `stuck` no call returns. PYTHON_KEYRING_BACKEND chooses it, as
the user would.
"""

from __future__ import annotations

import hashlib
import os
import time
import uuid
from pathlib import Path

from keyring.backend import KeyringBackend
from keyring.compat import properties
from keyring.errors import KeyringLocked, PasswordDeleteError, PasswordSetError

BACKEND = f"{__name__}.FileKeyring"


class FileKeyring(KeyringBackend):
    """One file per password."""

    @properties.classproperty
    def priority(self) -> float:
        """Not chosen by itself, but recommended."""
        return 1

    def get_password(self, service: str, username: str) -> str | None:
        try:
            return self._path(service, username).read_text()
        except FileNotFoundError:
            return None

    def set_password(self, service: str, username: str, password: str) -> None:
        if len(password.encode("utf-16-le")) > 2560:
            raise PasswordSetError(f"too long: {password}")
        path = self._path(service, username)
        if path.with_name("read-only").exists():
            raise PasswordSetError("nothing can be written")
        temporary = path.with_name(uuid.uuid4().hex)
        temporary.write_text(password)
        temporary.rename(path)

    def delete_password(self, service: str, username: str) -> None:
        try:
            self._path(service, username).unlink()
        except FileNotFoundError:
            raise PasswordDeleteError("there is none") from None

    def _path(self, service: str, username: str) -> Path:
        folder = Path(os.environ["TEST_KEYRING"])
        while (folder / "stuck").exists():
            time.sleep(0.005)
        if (folder / "locked").exists():
            raise KeyringLocked("the user did not unlock it")
        return folder / (hashlib.sha256(f"{service}\0{username}".encode()).hexdigest() + ".password")


def passwords(folder: Path) -> list[str]:
    """All that it holds."""
    return sorted(path.read_text() for path in folder.glob("*.password"))
