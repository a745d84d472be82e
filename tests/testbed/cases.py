"""Recorded provider answers as test parameters.

They come from the collection beside the checkout (`../shared/fixtures`) or, where there is none, from the
copies in `tests/fixtures`, whose licences permit copying.
"""

from __future__ import annotations

import functools
import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

_ROOT = Path(__file__).resolve().parents[2]
COPIES = _ROOT / "tests" / "fixtures"
_COLLECTION = _ROOT.parent / "shared" / "fixtures"
FIXTURES = _COLLECTION if _COLLECTION.is_dir() else COPIES


@dataclass(frozen=True)
class Case:
    """One recorded exchange. `id` is `<wire>/<provider>/<case>`; `body` the raw answer bytes."""

    id: str
    folder: Path
    meta: dict[str, Any]

    @property
    def wire(self) -> str:
        return str(self.meta["wire"])

    @property
    def provider(self) -> str:
        return str(self.meta["provider"])

    @property
    def model(self) -> str:
        return str(self.meta["model"] or "unknown")

    @property
    def stream(self) -> bool:
        return bool(self.meta["stream"])

    @property
    def status(self) -> int:
        return int(self.meta["status"])

    @property
    def headers(self) -> dict[str, str]:
        return dict(self.meta["response_headers"])

    @functools.cached_property
    def body(self) -> bytes:
        return (self.folder / str(self.meta["response_file"])).read_bytes()

    @functools.cached_property
    def oracle(self) -> dict[str, Any]:
        loaded: dict[str, Any] = json.loads((self.folder / "oracle.json").read_bytes())
        return loaded

    @functools.cached_property
    def request(self) -> Any:
        path = self.folder / "request.json"
        return json.loads(path.read_bytes()) if path.exists() else None


@functools.cache
def _recorded() -> list[tuple[Path, dict[str, Any]]]:
    """Folder and meta of each case, by id; read once, as many modules ask for some of them."""
    files = sorted(FIXTURES.glob("*/*/*/meta.json"))
    return [(file.parent, json.loads(file.read_bytes())) for file in files]


def load_cases(wire: str | None = None, provider: str | None = None, **meta: Any) -> list[Case]:
    """The cases of a wire or provider whose meta fields equal `meta`, by id."""
    found = []
    for folder, data in _recorded():
        *_, of_wire, of_provider, _ = folder.parts
        wanted = wire in (None, of_wire) and provider in (None, of_provider)
        if wanted and all(data[key] == value for key, value in meta.items()):
            found.append(Case(str(folder.relative_to(FIXTURES)), folder, data))
    return found


def find_case(wire: str, name: str) -> Case:
    """The case of that name; skips the test where it is absent because its licence forbids a copy."""
    found = [case for case in load_cases(wire) if case.folder.name == name]
    if not found and FIXTURES == COPIES:
        pytest.skip(f"{name} cannot be copied into the repository")
    [case] = found
    return case


def case_params(*args: Any, **kwargs: Any) -> Any:
    """The cases as pytest parameters. Fails if there is none: a test must not silently check nothing."""
    cases = load_cases(*args, **kwargs)
    assert cases, f"no recorded case matches {args} {kwargs}"
    return [pytest.param(case, id=case.id) for case in cases]
