"""A store whose secrets a keyring in files can hold."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from smart_router.auth.store import AuthStore
from smart_router.providers.registry import PROVIDERS
from tests.auth.file_keyring import BACKEND
from tests.auth.storage.keyring_store import Open


@pytest.fixture
def ring(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The folder of the keyring that is the user's."""
    folder = tmp_path / "ring"
    folder.mkdir()
    monkeypatch.setenv("TEST_KEYRING", str(folder))
    monkeypatch.setenv("PYTHON_KEYRING_BACKEND", BACKEND)
    return folder


@pytest.fixture
def state(tmp_path: Path) -> Path:
    return tmp_path / "state"


@pytest.fixture
def open_store(state: Path, ring: Path) -> Iterator[Open]:
    stores: list[AuthStore] = []

    def open_store(env: dict[str, str] | None = None) -> AuthStore:
        stores.append(AuthStore(env or {}, PROVIDERS, state))
        return stores[-1]

    yield open_store
    for name in ("locked", "stuck"):
        (ring / name).unlink(missing_ok=True)
    for store in stores:
        store.close()
