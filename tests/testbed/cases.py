"""The recorded provider answers beside the checkout (`../shared/fixtures`), as test parameters."""

from __future__ import annotations

import functools
import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

FIXTURES = Path(__file__).resolve().parents[3] / "shared" / "fixtures"


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


def load_cases(wire: str | None = None, provider: str | None = None, **meta: Any) -> list[Case]:
    """The cases of a wire or provider whose meta fields equal `meta`, by id; none without the folder."""
    found = []
    for path in sorted(FIXTURES.glob(f"{wire or '*'}/{provider or '*'}/*/meta.json")):
        data = json.loads(path.read_bytes())
        if all(data[key] == value for key, value in meta.items()):
            found.append(Case(str(path.parent.relative_to(FIXTURES)), path.parent, data))
    return found


def case_params(*args: Any, **kwargs: Any) -> Any:
    """The same as pytest parameters; one skipped parameter that says why where the folder is absent."""
    cases = load_cases(*args, **kwargs)
    if cases:
        return [pytest.param(case, id=case.id) for case in cases]
    reason = f"recorded answers not found: {FIXTURES.name} is expected in shared/ beside the checkout"
    return [pytest.param(None, marks=pytest.mark.skip(reason=reason), id="no-fixtures")]
