"""Raises in functions of the router: in each of SABOTAGED, while a file of its name lies in SABOTAGE_FOLDER.

SABOTAGED is a JSON object: names, and what each stands for as `module:attribute`. The file names the error.
"""

from __future__ import annotations

import builtins
import functools
import importlib
import inspect
import json
import os
from collections.abc import Callable
from operator import attrgetter
from pathlib import Path
from typing import Any

FOLDER = Path(os.environ["SABOTAGE_FOLDER"])


def sabotaged(name: str, function: Callable[..., Any]) -> Callable[..., Any]:
    """The function, which raises while the file is there."""

    def check() -> None:
        if (FOLDER / name).exists():
            raise getattr(builtins, (FOLDER / name).read_text())("sabotage")

    @functools.wraps(function)
    def call(*args: Any, **kwargs: Any) -> Any:
        check()
        return function(*args, **kwargs)

    @functools.wraps(function)
    async def call_later(*args: Any) -> Any:
        check()
        return await function(*args)

    return call_later if inspect.iscoroutinefunction(function) else call


for _name, _place in json.loads(os.environ["SABOTAGED"]).items():
    _module, _, _attribute = _place.partition(":")
    _owner: Any = importlib.import_module(_module)
    *_inner, _attribute = _attribute.split(".")
    _owner = attrgetter(".".join(_inner))(_owner) if _inner else _owner
    setattr(_owner, _attribute, sabotaged(_name, getattr(_owner, _attribute)))
